"""New runs begin in turn: many at once would else all begin before the first one makes a call, and all end together.

Nor may one be waited for on the loop of another.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field

from ..state.errors import UsageError
from .limits import Limits, Turn, limiter_for
from .loop import is_background

PATIENCE_SECONDS = 60.0
"""The longest that a new run waits for others: nothing is held up for good, whatever waits for what."""


@dataclass
class Entry:
    """A new run's way in."""

    turn: Turn = field(default_factory=Turn)
    begun: bool = False
    loop: asyncio.AbstractEventLoop | None = field(default_factory=asyncio.get_running_loop)
    """Where it is at work; None once it has ended."""


entry: ContextVar[Entry | None] = ContextVar("entry", default=None)
"""That of the run that is at work."""


@contextmanager
def entering() -> Iterator[None]:
    """Let a new run begin in its turn; what it holds is given back at the end, however that comes."""
    mine = Entry()
    token = entry.set(mine)
    try:
        yield
    finally:
        entry.reset(token)
        mine.loop = None
        mine.turn.drop()


async def begin(model: str, concurrency: int | None) -> None:
    """Wait until fewer others wait for their first call than calls may be in flight, or patience ends."""
    mine = entry.get()
    if mine is None or mine.begun:  # a graph of the user's, or one within the run
        return
    mine.begun = True
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_SECONDS):
            await mine.turn.near(limiter_for(f"runs of {model}", Limits(concurrency)).slot())
            await mine.turn.come()


def give_way() -> None:
    """Let the next run begin: a call of this one was called up, or was given up."""
    if mine := entry.get():
        mine.turn.drop()


def check_waiting() -> None:
    """Refuse to wait for a run on the loop of one that is at work: both would wait for ever.

    Raises:
        UsageError: this is the thread of such a loop.

    """
    if is_background() or is_at_work():
        raise UsageError(
            "solve(), resume(), preview() and invoke() cannot wait here, on the loop of a run that is at work: "
            "await asolve(…) or ainvoke(…), or call them in a thread"
        )


def is_at_work() -> bool:
    """Say whether this is the thread of the loop that the run which calls is at work on."""
    mine = entry.get()
    try:
        return mine is not None and mine.loop is asyncio.get_running_loop()
    except RuntimeError:  # no loop runs here
        return False
