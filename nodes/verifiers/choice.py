"""An answer passes where it is the choice that is right."""

from dataclasses import dataclass
from typing import ClassVar

from ...state.run import AnswerType, Candidate, Problem, Verdict
from ..answers import extract


@dataclass(frozen=True)
class Choice:
    """Compare with the right letter."""

    right: str
    expects: ClassVar[AnswerType] = "choice"
    bounded: ClassVar[bool] = True

    async def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        found = extract(candidate.text, "choice", question=problem.text)
        if found is not None and found.canonical == self.right:
            return Verdict(score=1, passed=True)
        # The right one is not named: the feedback goes to the model.
        said = f"{found.raw!r} is not the right choice" if found else "the answer holds no choice"
        return Verdict(score=0, passed=False, feedback=said)
