"""The caller's own function as a verifier."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ...state.run import Candidate, Problem, Verdict

Judged = bool | float | Verdict
Check = Callable[[Problem, Candidate], Judged | Awaitable[Judged]]


@dataclass(frozen=True)
class Function:
    """Call `check(problem, candidate)`.

    It returns True or False, a score from 0 to 1 (it ranks, and nothing passes or fails by it), or a whole Verdict.
    A plain function runs in a thread, so that it may block.
    """

    check: Check

    async def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        if inspect.iscoroutinefunction(self.check):
            judged = await self.check(problem, candidate)
        else:
            judged = await asyncio.to_thread(self.check, problem, candidate)
        if isinstance(judged, Verdict):
            return judged
        if isinstance(judged, bool):
            return Verdict(score=float(judged), passed=judged, feedback="" if judged else "the check refused it")
        if isinstance(judged, int | float):
            return Verdict(score=judged, kind="weak")
        raise TypeError(f"the check returned {judged!r}: return True, False, a score from 0 to 1 or a Verdict")
