"""An answer passes where a regular expression matches all of it."""

from dataclasses import dataclass
from typing import ClassVar

import regex

from ...state.errors import UsageError
from ...state.run import Candidate, Problem, Verdict
from ..loop import in_thread

SECONDS = 1.0
"""A match may take, by its own clock; some patterns take exponential time, which nothing can keep `re` from."""


@dataclass(frozen=True)
class Regex:
    """Match the candidate's answer as a whole."""

    pattern: str
    bounded: ClassVar[bool] = True

    def __post_init__(self) -> None:
        try:
            regex.compile(self.pattern)
        except (regex.error, RecursionError) as error:
            raise UsageError(f"{self.pattern!r} is not a regular expression: {error}") from error

    async def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        answer = candidate.raw or ""
        try:
            found = await in_thread(lambda: regex.fullmatch(self.pattern, answer, timeout=SECONDS, concurrent=True))
        except TimeoutError:
            return Verdict(score=0, passed=False, feedback=f"{self.pattern!r} took too long on the answer")
        if found:
            return Verdict(score=1, passed=True)
        return Verdict(score=0, passed=False, feedback=f"{answer[:200]!r} does not match {self.pattern!r}")
