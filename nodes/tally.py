"""What the runs within a block have paid, also where one ends in an exception and tells nobody."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ..state.budget import Call

current: ContextVar[list[Call] | None] = ContextVar("tally", default=None)


@contextmanager
def tallying() -> Iterator[list[Call]]:
    """Collect the calls that end within, however they do."""
    made: list[Call] = []
    token = current.set(made)
    try:
        yield made
    finally:
        current.reset(token)


def apart() -> None:
    """Count no more in this task: what a model makes that is itself a run is in the cost of its own call."""
    current.set(None)


def count(call: Call) -> None:
    """Note how a call ended."""
    if (made := current.get()) is not None:
        made.append(call)
