"""What the formulas of one answer may cost together: a list of many is no way around the limit of one."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

SECONDS = 0.6
"""Processor time of the process for SymPy, not of the clock: what an answer is called must not depend on the load."""

left: ContextVar[float | None] = ContextVar("left", default=None)
"""Seconds that are left for the answer that is read; None: none is."""


@contextmanager
def allowance() -> Iterator[None]:
    """Let the answer that is read, or found and read, have its time; inside another one it shares that."""
    if left.get() is not None:
        yield
        return
    token = left.set(SECONDS)
    try:
        yield
    finally:
        left.reset(token)


def untouched() -> bool:
    """Say whether all of the time is there."""
    return left.get() in {None, SECONDS}


def time_left() -> float:
    """Return the seconds that are left."""
    return SECONDS if (seconds := left.get()) is None else seconds


def use(seconds: float) -> None:
    """Take off what was used."""
    if left.get() is not None:
        left.set(max(0.0, time_left() - seconds))
