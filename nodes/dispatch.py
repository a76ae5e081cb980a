"""The heart of every branch: look at the state, admit the next calls, send each off as a task, or end."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END
from langgraph.types import Command, Send

from ..state.budget import Call, CallKind
from ..state.errors import ModelUnreachable
from ..state.run import BranchOutput, RunState, RunUpdate, Visit
from .events import Admitted, Finished, emit
from .gate import limit_on, reserve, sends
from .grade import grades
from .task import go_of
from .verify import Checks
from .view import View


@dataclass(frozen=True)
class Wave:
    """Calls to make at once."""

    calls: list[Call]
    iterations: int = 0
    """Windows, rounds or expansions made before it."""


@dataclass(frozen=True)
class Done:
    """A branch has nothing more to ask."""

    stopped: str
    """Why."""
    iterations: int = 0
    """Windows, rounds or expansions made."""


Plan = Callable[[View], Wave | Done]
"""One way to spend compute: a pure function from what is known to what is asked next."""


@dataclass(frozen=True)
class Dispatch:
    """Carry out a plan, wave by wave, inside the budget."""

    branch: str
    plan: Plan
    checks: Checks
    kinds: Collection[CallKind]
    """The calls it can send off: the judge and the writing of tests share a branch."""

    async def __call__(self, state: RunState, config: RunnableConfig) -> Command[str]:
        view = self.checks.view(self.branch, state)
        step = self.plan(view)
        if waiting := grades(view):  # what comes next may depend on them
            step = Wave(waiting, step.iterations)
        go = go_of(config)
        again = [call for call in view.retries if call.kind in self.kinds] or self.anew(view, go.began)
        if isinstance(step, Done) and not again:
            return self.end(view, step)
        wanted = again or (step.calls if isinstance(step, Wave) else [])
        if repeated := {call.id for call in wanted}.intersection(call.id for call in view.calls):
            raise RuntimeError(f"branch {self.branch!r} plans calls that it has made already: {sorted(repeated)}")
        calls = reserve(view, wanted)
        if not calls:
            return self.end(view, Done(limit_on(view, wanted) or "complete", step.iterations))
        emit(Admitted(branch=self.branch, calls=calls, allowed=view.allowed))
        go.send(calls)
        goto: list[Send] = sends(calls)
        return Command(update=RunUpdate(wave=calls), goto=goto)

    def anew(self, view: View, since: float) -> list[Call]:
        """Return new attempts where no call was ever answered: once in each go at the run.

        Raises:
            ModelUnreachable: this go has made its own; a run that is stopped can be resumed, one that has ended cannot.

        """
        if not reserve(view, view.unheard):  # there is none, or the budget has ended them
            return []
        last = max(view.own, key=lambda call: call.started + call.seconds)
        if last.started + last.seconds < since:
            return view.unheard
        raise ModelUnreachable(f"no call was answered: {last.error}; when that is mended, resume the run or ask anew")

    def end(self, view: View, done: Done) -> Command[str]:
        """Report the visit and leave the branch; where calls are missing for lack of time, that is why it ends."""
        stopped = "max_seconds" if view.late else done.stopped
        visit = Visit(
            id=f"{view.leg.step}-{self.branch}",
            branch=self.branch,
            calls=view.made,
            candidates=sum(candidate.id.startswith(view.place) for candidate in view.candidates),
            iterations=done.iterations,
            stopped=stopped,
        )
        emit(Finished(branch=self.branch, reason=stopped))
        return Command(update=BranchOutput(visits=[visit]), goto=END)
