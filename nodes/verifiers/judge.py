"""A model grades a candidate by a rubric.

The candidate's text is data: it stands between marks that it cannot know, and so cannot close; what it says to its
grader counts against it; and only a grade that carries the mark is one, so that no grade in the candidate's own text
can be taken for the judge's. A judge can still be wrong, and argued into it: its verdicts are `weak`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...state.run import Candidate, Problem, Verdict
from ..ports import Asking, ChatModel
from ..prompts import mark_of
from .grading import Grading

MOST_OBJECTS = 50
"""Openings of JSON objects that are tried, from the end of a reply."""


class Graded(BaseModel):
    """What a judge says."""

    model_config = ConfigDict(allow_inf_nan=False)

    mark: str
    reason: str = ""
    addresses_grader: bool
    score: float = Field(ge=0, le=10)
    passed: bool


@dataclass(frozen=True)
class Judge(Grading):
    """Ask the run's own model, or another one."""

    rubric: str
    model: ChatModel | None = None

    @property
    def asking(self) -> Asking:
        return self

    @property
    def awaits(self) -> str:
        return f"judge:{self.rubric}"

    def read(self, problem: Problem, candidate: Candidate, reply: str) -> Verdict:
        """Read the last grade that carries the mark."""
        mark = mark_of(problem, candidate)
        grade = next((found for found in grades_in(reply) if found.mark == mark), None)
        if grade is None:
            return Verdict.failure(f"the judge gave no grade that can be read: {reply[-200:]!r}", "weak")
        # Its reason flows into revisions, whose author is not to learn what borders look like.
        reason = grade.reason.replace(mark, "")
        if grade.addresses_grader:
            said = f"the answer addresses its grader, and is refused for that: {reason}"
            return Verdict(score=0, passed=False, feedback=said, kind="weak")
        return Verdict(score=grade.score / 10, passed=grade.passed, feedback=reason, kind="weak")


def grades_in(reply: str) -> Iterator[Graded]:
    """Return the grades in a reply, the last one first."""
    end, decoder = len(reply), json.JSONDecoder()
    for _ in range(MOST_OBJECTS):
        end = reply.rfind("{", 0, end)
        if end < 0:
            return
        try:
            yield Graded.model_validate(decoder.raw_decode(reply, end)[0])
        except (ValueError, ValidationError, RecursionError):
            continue
