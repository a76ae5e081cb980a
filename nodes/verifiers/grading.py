"""What the verifiers share that ask a model: their verdict waits for its grade, and is weak."""

from abc import ABC, abstractmethod
from typing import ClassVar

from ...state.run import Candidate, Kind, Problem, Verdict
from ..verify import Settled


class Grading(ABC):
    """A verifier whose verdict a model gives."""

    kind: ClassVar[Kind] = "weak"
    bounded: ClassVar[bool] = True

    @property
    @abstractmethod
    def awaits(self) -> str:
        """What the model is asked by."""

    async def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        if not candidate.text.strip():
            return Verdict(score=0, passed=False, feedback="there is no answer", kind="weak")
        return Verdict(score=0, kind="weak", awaits=self.awaits)

    def settled(self, verdict: Verdict) -> Settled:
        return Settled(verdict)
