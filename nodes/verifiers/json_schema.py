"""An answer passes where it is JSON of a schema."""

import json
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

from pydantic import JsonValue

from ...state.run import AnswerType, Candidate, Problem, Verdict
from ..answers import extract
from ..loop import in_thread
from ..schemas import breaches, validator

SHOWN_ERRORS = 3


@dataclass(frozen=True)
class JsonSchema:
    """Validate the answer, by the `jsonschema` package."""

    schema: JsonValue
    expects: ClassVar[AnswerType] = "json"
    bounded: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse a schema that is none."""
        validator(json.dumps(self.schema))

    async def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        found = extract(candidate.text, "json")
        if found is None:
            return Verdict(score=0, passed=False, feedback="the answer is not JSON")
        try:
            told = await in_thread(lambda: list(islice(breaches(json.loads(found.raw), self.schema), SHOWN_ERRORS)))
        except (ValueError, RecursionError) as error:
            return Verdict(score=0, passed=False, feedback=f"the answer cannot be read as JSON: {error}")
        return Verdict(score=0, passed=False, feedback="\n".join(told)) if told else Verdict(score=1, passed=True)
