"""Several verifiers as one: every one has to pass a candidate (`all_of`), or one of them (`any_of`)."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from ...state.errors import UsageError
from ...state.run import AnswerType, Candidate, Kind, Problem, Verdict
from ..ports import Asking, ChatModel, Verifier
from ..verify import asking_part, judged, kind_of


@dataclass(frozen=True)
class Several(ABC):
    """Ask each part; at most one of them may ask a model, and it is asked only where the others leave it open."""

    parts: tuple[Verifier, ...]
    bounded: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.parts:
            raise UsageError("no verifier is given: give at least one in `of`")
        if sum(asking_part(part) is not None for part in self.parts) > 1:
            raise UsageError("two verifiers ask a model: put what they ask into one rubric")

    @property
    def kind(self) -> Kind:
        """Whether what it passes is right."""
        return "weak" if any(kind_of(part) == "weak" for part in self.parts) else "exact"

    @property
    def expects(self) -> AnswerType | None:
        """The type of answer that a part reads."""
        types = [getattr(part, "expects", None) for part in self.parts]
        return next((found for found in types if found), None)

    @property
    def asking(self) -> Asking | None:
        return self if any(asking_part(part) for part in self.parts) else None

    @property
    def asked(self) -> Asking:
        """The part that asks a model."""
        return next(part for part in map(asking_part, self.parts) if part)

    @property
    def awaits(self) -> str:
        return self.asked.awaits

    @property
    def model(self) -> ChatModel | None:
        return self.asked.model

    def read(self, problem: Problem, candidate: Candidate, reply: str) -> Verdict:
        return self.asked.read(problem, candidate, reply)

    def settled(self, verdict: Verdict) -> Self:
        parts = [part.settled(verdict) if (part := asking_part(given)) else given for given in self.parts]
        return replace(self, parts=tuple(parts))

    async def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        verdicts = await asyncio.gather(*(judged(part, problem, candidate) for part in self.parts))
        known = [verdict for verdict in verdicts if not verdict.awaits]
        if len(known) == len(verdicts) or self.decided(known):
            return self.joined(known)
        return next(verdict for verdict in verdicts if verdict.awaits)

    @abstractmethod
    def decided(self, verdicts: Sequence[Verdict]) -> bool:
        """Say whether these verdicts decide, whatever the model says."""

    @abstractmethod
    def joined(self, verdicts: Sequence[Verdict]) -> Verdict:
        """Make one verdict of all."""


class AllOf(Several):
    """Every part has to pass it, and the lowest score counts; a part that only scores leaves that open."""

    def decided(self, verdicts: Sequence[Verdict]) -> bool:
        return any(verdict.passed is False for verdict in verdicts)

    def joined(self, verdicts: Sequence[Verdict]) -> Verdict:
        failed = [verdict for verdict in verdicts if verdict.passed is False]
        open_ = any(verdict.passed is None for verdict in verdicts)
        weak = any(verdict.kind == "weak" for verdict in failed or verdicts)
        return Verdict(
            score=min(verdict.score for verdict in verdicts),
            passed=False if failed else None if open_ else True,
            feedback=feedback(failed or verdicts),
            kind="weak" if weak else "exact",
            failed=unable(failed) if all(verdict.failed for verdict in failed) else "",
        )


class AnyOf(Several):
    """One part has to pass it, and the highest score counts; where none does, one that only scores leaves that open."""

    def decided(self, verdicts: Sequence[Verdict]) -> bool:
        return any(verdict.passed for verdict in verdicts)

    def joined(self, verdicts: Sequence[Verdict]) -> Verdict:
        passed = [verdict for verdict in verdicts if verdict.passed]
        open_ = any(verdict.passed is None for verdict in verdicts)
        exact = any(verdict.kind == "exact" for verdict in passed) or all(v.kind == "exact" for v in verdicts)
        return Verdict(
            score=max(verdict.score for verdict in verdicts),
            passed=True if passed else None if open_ else False,
            feedback=feedback(passed or verdicts),
            kind="exact" if exact else "weak",
            failed="" if passed else unable(verdicts),
        )


def unable(verdicts: Sequence[Verdict]) -> str:
    """Return why one of the parts could not tell."""
    return next(filter(None, (verdict.failed for verdict in verdicts)), "")


def feedback(verdicts: Sequence[Verdict]) -> str:
    """Put together what there is to say."""
    return "\n".join(verdict.feedback for verdict in verdicts if verdict.feedback)
