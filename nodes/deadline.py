"""How long a call may take: its time begins when its request is sent, whatever it waited for in this process before.

An adapter that may have to load a model or to wait for a connection says by `sending` when its request leaves, on
whichever thread and loop it does.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

GRACE_SECONDS = 1.0
"""For a call to end once it is cancelled."""
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
        self.unsent = True
        """It is known that no request has left, or none since the last one failed."""
        self.left = False
        """A request has left, as far as is known."""
        self.given_up = False
        """Nobody waits any more: what has not left until now does not leave."""
        self.leaving = threading.Lock()
        self.loop = asyncio.get_running_loop()
        self.limit = asyncio.timeout(most)
        self.timer = self.loop.call_later(seconds, self.look)

    def look(self) -> None:
        """End the call if its time is over; else look again when it may be."""
        left = max(self.seconds, SHORTEST_LOOK) if self.unsent else self.began + self.seconds - time.monotonic()
        if left > 0:
            self.timer = self.loop.call_later(left, self.look)
        elif not self.limit.expired():
            self.limit.reschedule(self.loop.time())

    def sent(self) -> None:
        """Begin again, once: the request leaves now.

        Raises:
            CancelledError: the call was given up meanwhile, as one that was not sent; the request must not leave.

        """
        with self.leaving:
            if self.given_up:
                raise asyncio.CancelledError
            self.left = True
            if self.unsent:
                self.unsent, self.began = False, time.monotonic()

    @property
    def never_left(self) -> bool:
        """Whether it is known that no request has left at all."""
        return self.unsent and not self.left

    async def over(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make the call, in a task of its own that `sending` finds this limit in."""
        current.set(self)
        self.unsent = False
        return await call()

    async def __aenter__(self) -> None:
        await self.limit.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.timer.cancel()
        with self.leaving:
            self.given_up = True
        await self.limit.__aexit__(kind, error, trace)


async def come_down(call: "asyncio.Future[T]") -> None:
    """Wait until a call has ended; one that goes on although it is cancelled is left to itself after a moment."""
    try:
        await asyncio.wait([call])
    except asyncio.CancelledError:
        if call.cancel():
            left_alone.add(call)
            call.add_done_callback(forget)
            await asyncio.wait([call], timeout=GRACE_SECONDS)
        raise


left_alone: set["asyncio.Future[Any]"] = set()
"""asyncio itself does not hold on to a task."""


def forget(call: "asyncio.Future[Any]") -> None:
    """Let go of a call that has ended after all; nobody wants to know how."""
    left_alone.discard(call)
    if not call.cancelled():
        call.exception()


class Leaving(Protocol):
    """Who wants to know when a request leaves: the call's deadline, or those of several calls that share it."""

    unsent: bool

    def sent(self) -> None:
        """Take note that the request leaves now; raise CancelledError where it must not."""
        ...


current: ContextVar[Leaving | None] = ContextVar("deadline", default=None)


@contextmanager
def sending() -> Iterator[Callable[[], None]]:
    """Send a request; what this yields is to be called when it leaves, and the time of its call begins then."""
    deadline = current.get()
    if deadline is None:
        yield lambda: None
        return
    deadline.unsent = True
    try:
        yield deadline.sent
    except asyncio.CancelledError:  # given up before it was sent, it stays so
        raise
    except BaseException:
        with suppress(Exception, asyncio.CancelledError):  # that it must not leave matters no more
            deadline.sent()
        raise
