"""The one gate that every model call of a run passes: reserved in the ledger before it starts."""

from collections.abc import Sequence
from dataclasses import dataclass

from langgraph.types import Send

from ..state.budget import Call, CallKind, Ledger, cost
from ..state.run import Candidate, Leg, Problem, RunState
from ..state.settings import Settings

CHARACTERS_PER_TOKEN = 3
"""On the safe side for English: a worst case is not an average."""
PROMPT_OVERHEAD = 400
"""Characters of the longest prompt beside the problem and the candidates it quotes."""


@dataclass(frozen=True)
class View:
    """The state of a run as one branch sees it: all that a plan may look at."""

    branch: str
    state: RunState
    exact: bool = False
    """A verifier decides which candidates are right."""

    @property
    def problem(self) -> Problem:
        """The problem, as `begin` stored it."""
        problem = self.state.get("problem", "")
        return Problem(text=problem) if isinstance(problem, str) else problem

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.state.get("settings") or Settings()

    @property
    def leg(self) -> Leg:
        """The stretch of the way that runs now."""
        return self.state.get("leg") or Leg()

    @property
    def candidates(self) -> list[Candidate]:
        """All candidates of the run, of every branch."""
        return self.state.get("candidates") or []

    @property
    def votes(self) -> list[Candidate]:
        """Candidates that hold an answer."""
        return [candidate for candidate in self.candidates if candidate.answer is not None]

    @property
    def calls(self) -> list[Call]:
        """All calls of the run."""
        return self.state.get("calls") or []

    @property
    def ledger(self) -> Ledger:
        """The budget beside all calls of the run."""
        return Ledger(budget=self.settings.budget, calls=tuple(self.calls))

    @property
    def share(self) -> Ledger:
        """The ledger with this branch's part of the tokens: branches that run together do not see each other."""
        limit = self.settings.budget.max_tokens
        if limit is None or len(self.leg.allowances) <= 1:
            return self.ledger
        before = sum(cost(call) for call in self.calls if call not in self.own)
        part = before + max(0, limit - before) // len(self.leg.allowances)
        return Ledger(budget=self.settings.budget.model_copy(update={"max_tokens": part}), calls=tuple(self.calls))

    @property
    def allowed(self) -> int:
        """The most calls the run may make."""
        settings = self.settings
        most = settings.sample_cap if settings.policy == "fixed" else settings.max_compute_budget
        limit = settings.budget.max_calls or most
        return limit if settings.policy == "fixed" else min(limit, most)

    @property
    def place(self) -> str:
        """What the ids of this branch's calls begin with."""
        return f"{self.leg.step}-{self.branch}-"

    @property
    def own(self) -> list[Call]:
        """The calls of this branch in this leg."""
        return [call for call in self.calls if call.id.startswith(self.place)]

    @property
    def allowance(self) -> int | None:
        """Calls this branch may still make; None is no limit of its own."""
        share = self.leg.allowances.get(self.branch)
        return None if share is None else max(0, share - len(self.own))

    def call(
        self,
        kind: CallKind,
        turn: int,
        index: int = 0,
        *,
        strategy: str = "",
        parents: tuple[str, ...] = (),
        temperature: float | None = None,
    ) -> Call:
        """Describe one call at its place in the run; what is not said here follows from the settings."""
        return Call(
            id=f"{self.place}{turn:03d}-{index:03d}",
            kind=kind,
            branch=self.branch,
            strategy=strategy,
            parents=parents,
            max_tokens=self.settings.max_tokens,
            temperature=self.settings.temperature if temperature is None else temperature,
        )

    def retries(self) -> list[Call]:
        """Return the next attempts of calls that were lost, or failed for a passing reason."""
        known = {call.id for call in self.own}
        failed = [call for call in self.own if call.state == "failed" and call.retry_after is not None]
        again = [call.again() for call in failed if self.failures(call) <= self.settings.retries]
        again += [call.again() for call in self.own if call.state == "lost"]
        return [call for call in again if call.id not in known]

    def failures(self, call: Call) -> int:
        """Count the attempts at a call that have failed; lost ones did not."""
        place = call.candidate_id
        return sum(other.state == "failed" for other in self.calls if other.candidate_id == place)

    def reserve(self, wanted: Sequence[Call]) -> list[Call]:
        """Return the head of `wanted` that fits allowance and budget, each call at its worst case."""
        worst = [call.model_copy(update={"worst_tokens": self.worst_tokens(call)}) for call in wanted]
        return self.share.admit(worst[: self.allowance])

    def worst_tokens(self, call: Call) -> int:
        """Estimate the most tokens that a call can cost."""
        quoted = sum(len(candidate.text) for candidate in self.candidates if candidate.id in call.parents)
        chat = sum(len(str(message.content)) for message in self.problem.messages)
        characters = PROMPT_OVERHEAD + len(self.problem.text) + chat + quoted
        return characters // CHARACTERS_PER_TOKEN + call.max_tokens


def sends(calls: Sequence[Call]) -> list[Send]:
    """Make each call a task of its own, at the node that is named like its kind; it carries only the id."""
    return [Send(call.kind, {"call_id": call.id}) for call in calls]
