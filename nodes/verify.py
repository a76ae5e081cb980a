"""Ask the verifier about one candidate: whatever it does, there is a verdict, and the run goes on."""

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, cast

from ..state.pricing import Price, highest
from ..state.run import AnswerType, Candidate, Kind, Problem, RunState, Verdict
from .answers import extract
from .caller import Caller
from .ports import Asking, Embedder, Verifier
from .view import View

SECONDS = 60.0
"""What a verifier may take that has no limit of its own."""
LONGEST_FEEDBACK = 4000
"""Characters; it flows into prompts."""
log = logging.getLogger("ponder.run")


@dataclass(frozen=True)
class Checks:
    """The model of a graph, its verifier, and how the spec that a problem carries becomes one."""

    caller: Caller
    verifier: Verifier | None = None
    parse: Callable[[str, str], Verifier] | None = None
    """Takes the spec and the run's epoch."""
    embedder: Embedder | None = None
    """What compares free texts where `semantic` is set."""

    def of(self, problem: Problem) -> Verifier | None:
        """Return the problem's own verifier, else the graph's.

        Raises:
            UsageError: the problem's spec is wrong.

        """
        return self.parse(problem.verifier, problem.epoch) if problem.verifier and self.parse else self.verifier

    def grader(self, problem: Problem) -> Caller:
        """Return who makes the calls of a verifier that asks a model: its own one, else the run's."""
        asking = asking_part(self.of(problem))
        return self.caller if asking is None or asking.model is None else replace(self.caller, model=asking.model)

    def callers(self, problem: Problem) -> list[Caller]:
        """Return who makes the calls of a run."""
        grader = self.grader(problem)
        return [self.caller] if grader is self.caller else [self.caller, grader]

    def tariffs(self, problem: Problem) -> list[Price | None]:
        """Return what a token costs by each model that a run asks; None where that is not known."""
        return [tariff for caller in self.callers(problem) for tariff in caller.tariffs]

    def view(self, branch: str, state: RunState) -> View:
        """Return the state as one branch sees it; a token is priced as the dearest model prices it."""
        view = View(branch, state)
        price, exact = highest(self.tariffs(view.problem)), kind_of(self.of(view.problem)) == "exact"
        return replace(view, verified=exact, price=price, models=self.caller.members)

    def typed(self, problem: Problem) -> Problem:
        """Return the problem with the type of answer that its verifier reads, unless it says one itself."""
        expects = cast("AnswerType | None", getattr(self.of(problem), "expects", None))
        return problem if problem.answer_type or not expects else problem.model_copy(update={"answer_type": expects})


@dataclass(frozen=True)
class Settled:
    """A verdict that is known, where a verifier is wanted."""

    verdict: Verdict
    bounded: ClassVar[bool] = True

    async def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        return self.verdict


def kind_of(verifier: Verifier | None) -> Kind | None:
    """Say whether what it passes is right; one that does not say it is taken at its word."""
    return None if verifier is None else cast("Kind", getattr(verifier, "kind", "exact"))


def asking_part(verifier: Verifier | None) -> Asking | None:
    """Return the verifier itself where it, or a part of it, asks a model."""
    return cast("Asking | None", getattr(verifier, "asking", None))


async def verify(verifier: Verifier, problem: Problem, candidate: Candidate) -> Candidate:
    """Return the candidate with its verdict; what an exact verifier passes is an answer, also where none was found."""
    verdict = await judged(verifier, problem, candidate)
    update: dict[str, object] = {"verdict": verdict}
    if not (verdict.awaits or verdict.failed) and (verdict.passed is not None or candidate.confidence is None):
        update |= {"confidence": verdict.score, "confidence_source": "verifier"}
    if verdict.passed and verdict.kind == "exact" and candidate.answer is None:
        found = extract(candidate.text, problem.answer_type)
        whole = candidate.text.strip()
        update |= {"raw": found.raw if found else whole, "answer": found.canonical if found else whole}
    return candidate.model_copy(update=update)


async def judged(verifier: Verifier, problem: Problem, candidate: Candidate) -> Verdict:
    """Return a verifier's verdict; one that raises, hangs or returns none is a failed verdict with the reason."""
    limit = None if getattr(verifier, "bounded", False) else SECONDS
    timer = asyncio.timeout(limit)
    try:
        async with timer:
            return believable(await verifier.verify(problem, candidate))
    except TimeoutError as error:
        reason = f"no verdict within {limit:g} s" if timer.expired() else f"TimeoutError: {error}"
    except asyncio.CancelledError:
        if is_cancelled():
            raise
        reason = "CancelledError: it was cancelled, and the run was not"
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a verifier raises, the run goes on and says so
        reason = f"{type(error).__name__}: {error}"
    log.warning("candidate %s: the verifier failed: %s", candidate.id, reason.partition(":")[0])
    kind = kind_of(verifier) or "exact"
    return believable(Verdict.failure(reason[:LONGEST_FEEDBACK], kind))


def believable(verdict: object) -> Verdict:
    """Return a verdict that is one, its feedback cut to what a prompt can hold."""
    if not isinstance(verdict, Verdict):
        raise TypeError(f"it returned {repr(verdict)[:200]}, which is no Verdict")
    if not (math.isfinite(verdict.score) and 0 <= verdict.score <= 1):
        raise ValueError(f"it gave the score {verdict.score!r}, which is not from 0 to 1")
    if len(verdict.feedback) <= LONGEST_FEEDBACK:
        return verdict
    return verdict.model_copy(update={"feedback": verdict.feedback[: LONGEST_FEEDBACK - 1] + "…"})


def is_cancelled() -> bool:
    """Say whether it is the step that was cancelled, and not something within the verifier."""
    step = asyncio.current_task()
    return step is not None and step.cancelling() > 0
