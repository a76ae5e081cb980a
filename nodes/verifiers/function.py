"""The caller's own function as a verifier."""

import asyncio
import inspect
import math
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass

from ...state.run import Candidate, Problem, Verdict

Judged = bool | float | Verdict
Check = Callable[[Problem, Candidate], Judged | Awaitable[Judged]]


@dataclass(frozen=True)
class Function:
    """Call `check(problem, candidate)`.

    It returns True or False, a score from 0 to 1 (it ranks, and nothing passes or fails by it), or a whole Verdict.
    A plain function runs in a thread of its own, so that it may block; one that hangs is left there.
    """

    check: Check

    async def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        if inspect.iscoroutinefunction(self.check):
            judged = await self.check(problem, candidate)
        else:
            judged = await in_thread(lambda: self.check(problem, candidate))
        if inspect.isawaitable(judged):
            judged = await judged
        if isinstance(judged, Verdict):
            return judged
        if isinstance(judged, bool):
            return Verdict(score=float(judged), passed=judged, feedback="" if judged else "the check refused it")
        if isinstance(judged, int | float) and math.isfinite(judged) and 0 <= judged <= 1:
            return Verdict(score=judged, kind="weak")
        raise TypeError(
            f"the check returned {repr(judged)[:200]}: return True, False, a score from 0 to 1 or a Verdict"
        )


async def in_thread(function: Callable[[], object]) -> object:
    """Run a function in a thread of its own: one that hangs takes none of the pool's, and no process waits for it."""
    loop, context = asyncio.get_running_loop(), copy_context()
    done: asyncio.Future[object] = loop.create_future()

    def settle(value: object, error: BaseException | None) -> None:
        if done.done():  # nobody waits any more
            return
        if error is None:
            done.set_result(value)
        else:
            done.set_exception(error if isinstance(error, Exception) else RuntimeError(f"{error!r} was raised"))

    def work() -> None:
        value: object = None
        failure: BaseException | None = None
        try:
            value = context.run(function)
        except BaseException as error:  # noqa: BLE001 - raised where it is awaited
            failure = error
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, value, failure)

    threading.Thread(target=work, name="verifier", daemon=True).start()
    return await done
