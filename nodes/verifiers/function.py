"""The caller's own function as a verifier."""

import inspect
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ...state.errors import UsageError
from ...state.run import Candidate, Problem, Verdict
from ..loop import in_thread

Judged = bool | float | Verdict
Check = Callable[[Problem, Candidate], Judged | Awaitable[Judged]]


@dataclass(frozen=True)
class Function:
    """Call `check(problem, candidate)`.

    It returns True or False, a score from 0 to 1 (it ranks, and nothing passes or fails by it), or a whole Verdict.
    A plain function runs in a thread of its own, so that it may block; one that hangs is left there.
    """

    check: Check

    def __post_init__(self) -> None:
        """Refuse, before the first call, what cannot be called so.

        Raises:
            UsageError: it does not take a problem and a candidate.

        """
        try:
            inspect.signature(self.check).bind(None, None)
        except TypeError as error:
            name = getattr(self.check, "__qualname__", repr(self.check)[:80])
            raise UsageError(f"function {name!r} cannot be called with a problem and a candidate: {error}") from None
        except ValueError:  # it does not say what it takes
            pass

    async def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        if inspect.iscoroutinefunction(self.check):
            judged = await self.check(problem, candidate)
        else:
            judged = await in_thread(lambda: self.check(problem, candidate))
        if inspect.isawaitable(judged):
            judged = await judged
        if isinstance(judged, Verdict):
            return judged
        if callable(item := getattr(judged, "item", None)):  # NumPy's truth and numbers, a tensor of one
            judged = item()
        if isinstance(judged, bool):
            return Verdict(score=float(judged), passed=judged, feedback="" if judged else "the check refused it")
        if isinstance(judged, int | float) and math.isfinite(judged) and 0 <= judged <= 1:
            return Verdict(score=judged, kind="weak")
        raise TypeError(
            f"the check returned {repr(judged)[:200]}: return True, False, a score from 0 to 1 or a Verdict"
        )
