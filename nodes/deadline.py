"""How long a call may take: its time begins when its request is sent, whatever it waited for in this process before.

An adapter that waits for something of ours, a connection of a full pool or a model that is being loaded, says so by
`waiting`, on whichever thread and loop it does.
"""

import asyncio
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import TypeVar

T = TypeVar("T")

SHORTEST_LOOK = 0.02
"""Seconds, at least, after which a call that waits is looked at again."""


class Deadline:
    """The limit of one call in seconds; `most` is one that waiting counts against, too.

    What runs inside `async with` ends with TimeoutError when its time is over.
    """

    def __init__(self, seconds: float, most: float | None) -> None:
        """Begin now."""
        self.seconds = seconds
        self.began = time.monotonic()
        self.waits = 0
        """Things of ours that it waits for now; where its time ended with some, it was never sent."""
        self.loop = asyncio.get_running_loop()
        self.limit = asyncio.timeout(most)
        self.timer = self.loop.call_later(seconds, self.look)

    def look(self) -> None:
        """End the call if its time is over; else look again when it may be."""
        left = max(self.seconds, SHORTEST_LOOK) if self.waits else self.began + self.seconds - time.monotonic()
        if left > 0:
            self.timer = self.loop.call_later(left, self.look)
        else:
            self.limit.reschedule(self.loop.time())

    async def over(self, call: Awaitable[T]) -> T:
        """Await the call, in a task of its own that `waiting` finds this limit in."""
        current.set(self)
        return await call

    async def __aenter__(self) -> None:
        await self.limit.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.timer.cancel()
        await self.limit.__aexit__(kind, error, trace)


current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


@contextmanager
def waiting() -> Iterator[None]:
    """Wait for something of ours; the time of the call begins after it."""
    deadline = current.get()
    if deadline is None:
        yield
        return
    deadline.waits += 1
    try:
        yield
    except asyncio.CancelledError:  # given up meanwhile, it was never sent: it still waits
        deadline.waits += 1
        raise
    finally:
        deadline.began = time.monotonic()
        deadline.waits -= 1
