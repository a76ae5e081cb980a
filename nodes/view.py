"""The state of a run as one branch sees it: all that a plan may look at."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import takewhile
from math import fsum
from typing import Self

from ..state.budget import Call, CallKind, Ledger, cost, cost_usd
from ..state.merge import index_of, merge, read
from ..state.pricing import Price
from ..state.run import Candidate, Leg, Problem, RunState
from ..state.settings import Settings
from .agree import agreed

UNWANTED = "not made: the vote could not change any more"
"""Of a call that had not begun when its wave was settled: it is not to be tried again."""


@dataclass(frozen=True)
class View:
    """The state of a run as one branch sees it: all that a plan may look at."""

    branch: str
    state: RunState
    verified: bool = False
    """An exact verifier was given."""
    price: Price | None = None
    """What the model costs, where that is known."""
    models: tuple[str, ...] = ()
    """Several models that can be asked; empty where there is one."""

    @cached_property
    def problem(self) -> Problem:
        """The problem, as `begin` stored it."""
        problem = self.state.get("problem", "")
        return Problem(text=problem) if isinstance(problem, str) else problem

    @cached_property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.state.get("settings") or Settings()

    @cached_property
    def leg(self) -> Leg:
        """The stretch of the way that runs now."""
        return self.state.get("leg") or Leg()

    @cached_property
    def stored(self) -> list[Candidate]:
        """All candidates of the run, of every branch, as they are in the state."""
        return read(Candidate, self.state.get("candidates") or [])

    @cached_property
    def candidates(self) -> list[Candidate]:
        """The same, but that those that mean the same have one answer."""
        return agreed(self.stored)

    @cached_property
    def exact(self) -> bool:
        """A verifier decides which candidates are right; one that could judge none of them counts as none."""
        verdicts = [item.verdict for item in self.stored if item.verdict and item.verdict.kind == "exact"]
        return self.verified and (not verdicts or not all(verdict.failed for verdict in verdicts))

    @cached_property
    def heard(self) -> list[Candidate]:
        """The candidates that count: all; of a cascade those of the model that answered last, the highest one asked."""
        answered = [candidate for candidate in self.candidates if candidate.answer is not None]
        if self.settings.pool == "deal" or not answered:
            return self.candidates
        return [candidate for candidate in self.candidates if candidate.model == answered[-1].model]

    @cached_property
    def votes(self) -> list[Candidate]:
        """Those of them that hold an answer."""
        return [candidate for candidate in self.heard if candidate.answer is not None]

    @cached_property
    def calls(self) -> list[Call]:
        """All calls of the run, and those in the air at their worst case."""
        ended, wave = self.state.get("calls") or [], self.state.get("wave") or []
        return merge(ended, wave) if wave else ended

    @cached_property
    def ledger(self) -> Ledger:
        """The budget beside all calls of the run."""
        return Ledger(self.settings.budget, self.calls)

    @cached_property
    def beyond(self) -> int:
        """Tokens by which a call may cost more than it can by its own texts: a server may have a prompt of its own.

        Each wave is reserved with what the waves before it have shown; what it costs beyond that comes on top. Of
        branches that run together, and of calls that share a request, more is taken than there is: the safe side.
        """
        waves: dict[str, int] = {}
        for call in self.calls:
            if call.settled:
                wave = call.id.rpartition("-")[0]
                waves[wave] = max(waves.get(wave, 0), cost(call) - call.worst_tokens)
        return sum(waves.values())

    @property
    def share(self) -> Ledger:
        """The ledger with this branch's part of the limits: branches that run together do not see each other."""
        together, budget = len(self.leg.allowances), self.settings.budget
        if together <= 1 or self.branch not in self.leg.allowances:
            return self.ledger
        before = [call for call in self.calls if not call.id.startswith(self.place)]
        parts: dict[str, object] = {}
        if budget.max_tokens is not None:
            used = sum(map(cost, before))
            parts["max_tokens"] = used + max(0, budget.max_tokens - used) // together
        if budget.max_usd is not None:
            paid = fsum(cost_usd(call) or 0 for call in before)
            parts["max_usd"] = paid + max(0.0, budget.max_usd - paid) / together
        return Ledger(budget.model_copy(update=parts), self.calls)

    @property
    def allowed(self) -> int:
        """The most calls the run may make."""
        settings = self.settings
        most = settings.sample_cap if settings.policy == "fixed" else settings.max_compute_budget
        limit = settings.budget.max_calls or most
        return limit if settings.policy == "fixed" else min(limit, most)

    @property
    def allowed_by(self) -> str:
        """The setting that says so."""
        if self.settings.budget.max_calls == self.allowed:
            return "max_calls"
        return "max_samples" if self.settings.policy == "fixed" else "max_compute_budget"

    @cached_property
    def place(self) -> str:
        """What the ids of this branch's calls begin with."""
        return f"{self.leg.step}-{self.branch}-"

    @cached_property
    def own(self) -> list[Call]:
        """The calls of this branch in this leg."""
        place = self.place
        return [call for call in self.calls if call.id.startswith(place)]

    @property
    def made(self) -> int:
        """How many of them were begun: one that time kept from it has used up nothing."""
        return Ledger(self.settings.budget, self.own).made

    @property
    def allowance(self) -> int | None:
        """Calls this branch may still make; None is no limit of its own."""
        share = self.leg.allowances.get(self.branch)
        return None if share is None else max(0, share - self.made)

    def having(self, landed: Iterable[Candidate]) -> Self:
        """Return the view with candidates that have just come in."""
        return replace(self, state={**self.state, "candidates": merge(self.candidates, landed)})

    def call(
        self,
        kind: CallKind,
        turn: int,
        index: int = 0,
        *,
        strategy: str = "",
        parents: tuple[str, ...] = (),
        temperature: float | None = None,
        model: str = "",
    ) -> Call:
        """Describe one call at its place in the run; what is not said here follows from the settings."""
        return Call(
            id=f"{self.place}{turn:03d}-{index:03d}",
            kind=kind,
            branch=self.branch,
            strategy=strategy,
            parents=parents,
            model=model,
            max_tokens=self.settings.max_tokens,
            temperature=next(given for given in (temperature, self.settings.temperature, 0.7) if given is not None),
        )

    @cached_property
    def missing(self) -> list[Call]:
        """The next attempts of this branch's calls that were not made or lost, or failed for a reason that may pass."""
        known = {call.id for call in self.own}
        again = [call.again() for call in self.own if self.may_pass(call)]
        return [call for call in again if call.id not in known]

    @cached_property
    def retries(self) -> list[Call]:
        """Those of them that are to be made: retries are left, and time."""
        most = self.settings.retries
        return [call for call in self.missing if self.failures(call) <= most and not self.too_late(call)]

    @property
    def late(self) -> bool:
        """Whether time keeps one of them from being made."""
        return any(map(self.too_late, self.missing))

    @cached_property
    def unheard(self) -> list[Call]:
        """The next attempts of this branch's calls where all of the run's have failed, and none was answered.

        Of branches that run together none knows what the others have heard.
        """
        made = [call for call in self.calls if call.state != "unmade"]
        if self.missing or len(self.leg.allowances) > 1 or any(call.state != "failed" for call in made):
            return []
        known = {call.id for call in made}
        again = [call.again() for call in self.own if call.state != "unmade"]
        return [call for call in again if call.id not in known]

    @cached_property
    def critiques(self) -> dict[str, Call]:
        """Candidate -> its critique, made in whichever branch, unless it is still to be tried again.

        One that never came is an empty one: to ask for it once more would be the same call.
        """
        waiting = {call.candidate_id for call in self.retries}
        made = [call for call in self.calls if call.kind == "critique" and call.state != "reserved"]
        return {call.parents[0]: call for call in made if call.candidate_id not in waiting}

    def may_pass(self, call: Call) -> bool:
        """Say whether a call was not made or lost, or failed for a reason that trying once more may mend."""
        if call.state != "failed":
            return call.state == "lost" or (call.state == "unmade" and call.error != UNWANTED)
        return call.retry_after is not None and self.failures(call) <= self.settings.retries

    def too_late(self, call: Call) -> bool:
        """Say whether no second is left once the wait before a call is over."""
        left = self.ledger.seconds_left()
        return left is not None and left <= (call.retry_after or 0)

    def failures(self, call: Call) -> int:
        """Count the attempts at a call that have failed or timed out.

        Those not made, cut off by a crash, or after which the run was stopped did not.
        """
        known = self.calls[index_of(call.candidate_id, self.calls) :]
        attempts = takewhile(lambda other: other.candidate_id == call.candidate_id, known)
        return sum(bool(other.error) and other.state != "unmade" and not other.stopped for other in attempts)
