"""An answer passes where a regular expression matches all of it."""

import re
from dataclasses import dataclass

from ...state.run import Candidate, Problem, Verdict


@dataclass(frozen=True)
class Regex:
    """Match the candidate's answer as a whole."""

    pattern: re.Pattern[str]

    async def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        answer = candidate.raw or ""
        if self.pattern.fullmatch(answer):
            return Verdict(score=1, passed=True)
        return Verdict(score=0, passed=False, feedback=f"{answer!r} does not match {self.pattern.pattern!r}")
