"""What the runs within a block have paid, also where one ends in an exception and tells nobody."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ..state.budget import Call

current: ContextVar[list[Call] | None] = ContextVar("tally", default=None)


@contextmanager
def tallying() -> Iterator[list[Call]]:
    """Collect the calls that end within, however they do; those of a model that is itself a run count with it."""
    made: list[Call] = []
    token = current.set(made)
    try:
        yield made
    finally:
        current.reset(token)


def count(call: Call) -> None:
    """Note how a call ended."""
    if (made := current.get()) is not None:
        made.append(call)
