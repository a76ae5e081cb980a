"""How long a call may take: its time begins when its request is sent, whatever it waited for in this process before.

An adapter that may have to load a model or to wait for a connection says by `sending` when its request leaves, on
whichever thread and loop it does.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
log = logging.getLogger("ponder.call")

MOMENT_SECONDS = 1.0
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
        self.broken_off = False
        """It was cancelled before it had ended by itself."""
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

    async def come_down(self, call: asyncio.Future[Any]) -> None:
        """Wait until a call has ended; where its time is over, or who waits is cancelled, it is cancelled itself.

        One that goes on all the same is left alone after a moment, however often who waits is cancelled meanwhile.
        """
        try:
            await asyncio.wait([call])
        except asyncio.CancelledError:
            self.give_up()
            self.broken_off = call.cancel()
            lingering.add(call)
            call.add_done_callback(gone)
            over = time.monotonic() + MOMENT_SECONDS
            while not call.done() and (left := over - time.monotonic()) > 0:
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([call], timeout=left)
            if not call.done():
                log.warning("a model goes on although its call was cancelled: it is left alone, and may cost more")
            raise

    def give_up(self) -> None:
        """Let nothing leave any more that has not left yet."""
        with self.leaving:
            self.given_up = True

    async def __aenter__(self) -> None:
        await self.limit.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.timer.cancel()
        self.give_up()
        await self.limit.__aexit__(kind, error, trace)


lingering: set[asyncio.Future[Any]] = set()
"""Calls that were cancelled and have not ended yet: asyncio itself holds on to no task."""


def gone(call: asyncio.Future[Any]) -> None:
    """Let go of one that has ended; nobody wants to know how, which asyncio would print."""
    lingering.discard(call)
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
