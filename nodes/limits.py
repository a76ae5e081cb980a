"""How many calls of one model may be in flight and begin within a minute, for all runs, threads and loops together.

A minute is a sliding window: a call counts from its start for 60 seconds. langchain-core's rate limiter polls and knows
neither tokens nor order, and aiolimiter belongs to one event loop, so neither would do.
"""

import asyncio
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import NamedTuple, Self

from .loop import after_fork, background_loop

MINUTE = 60.0
"""Seconds."""
AHEAD = 2
"""Of the calls that wait, one for so many that may be in flight is called up early, to get ready before its turn."""

Later = Callable[[float, Callable[[], None]], object]
"""Calls a function after so many seconds, on any thread."""


class Limits(NamedTuple):
    """What one model may be asked; None is no limit."""

    concurrency: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


def on_background(seconds: float, call: Callable[[], None]) -> None:
    """Set a timer on the loop that lives as long as the process: a waiter's own loop may end first."""
    loop = background_loop()
    loop.call_soon_threadsafe(loop.call_later, seconds, call)


class Slot:
    """One call's place in the line."""

    def __init__(self, limiter: "Limiter", tokens: int) -> None:
        """Ask for a place and for the most tokens that the call may take."""
        self.limiter = limiter
        self.tokens = tokens
        self.called = False
        """Its turn is near, or has come."""
        self.admitted = False
        self.woken: asyncio.Future[None] | None = None

    def wake(self) -> bool:
        """Let the waiter go on; its loop may be closed, and nobody waits."""
        if self.woken is None:  # it does not wait
            return True
        try:
            self.woken.get_loop().call_soon_threadsafe(finish, self.woken)
        except RuntimeError:
            return False
        return True


class Turn:
    """The place that a call holds at the model that is asked; who stands in for that one has limits of its own."""

    def __init__(self) -> None:
        """Hold none."""
        self.slot: Slot | None = None
        self.has_come = False
        """A call may have been made."""

    async def near(self, slot: Slot) -> None:
        """Stand in line until the turn is near; no other place is held meanwhile, or two calls could wait for both."""
        self.drop()
        self.slot = slot
        await slot.limiter.wait(slot, lambda: slot.called)

    async def come(self) -> None:
        """Wait until the turn has come: the call may begin."""
        if slot := self.slot:
            await slot.limiter.wait(slot, lambda: slot.admitted)
            self.has_come = True

    def drop(self) -> None:
        """Leave the line, or the place: no call was made there."""
        if self.slot:
            self.slot.limiter.withdraw(self.slot)
            self.slot = None

    def settle(self, tokens: int) -> None:
        """Give the place back, and replace the tokens that were asked for by those that the call took."""
        if self.slot and self.slot.admitted:
            self.slot.limiter.settle(self.slot, tokens)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.has_come and self.slot:
            self.slot.limiter.leave(self.slot)
        else:
            self.drop()


def finish(woken: asyncio.Future[None]) -> None:
    """Resolve a future that may have been cancelled meanwhile."""
    if not woken.done():
        woken.set_result(None)


class Limiter:
    """Lets calls begin in the order in which they asked; nobody overtakes.

    A call that wants more tokens than a whole minute has begins when the minute before it is empty.
    """

    def __init__(
        self,
        concurrency: int | None = None,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        later: Later = on_background,
    ) -> None:
        """Start with nothing in flight and an empty minute."""
        self.limits = Limits(concurrency, requests_per_minute, tokens_per_minute)
        # Where a minute is what calls wait for, they would be written down long before they are made.
        self.ahead = (concurrency or 0) // AHEAD if self.limits[1:] == (None, None) else 0
        self.clock, self.later = clock, later
        self.lock = threading.Lock()
        self.waiting: OrderedDict[Slot, None] = OrderedDict()
        self.minute: OrderedDict[Slot, float] = OrderedDict()
        """Calls that began within the last 60 seconds, and when; empty where no limit needs it."""
        self.flying = 0
        self.tokens = 0
        """Of the calls in `minute`."""
        self.alarm = math.inf
        """When the one timer goes off."""

    def slot(self, tokens: int = 0) -> Slot:
        """Return a place in the line for a call of at most so many tokens."""
        return Slot(self, tokens)

    async def wait(self, slot: Slot, over: Callable[[], bool]) -> None:
        """Stand in line; a call that is cancelled meanwhile leaves it."""
        with self.lock:
            if not slot.called:
                self.waiting[slot] = None
                self.admit()
            if over():
                return
            slot.woken = asyncio.get_running_loop().create_future()
        try:
            await slot.woken
        except BaseException:  # cancelled, perhaps after it was let in
            self.withdraw(slot)
            raise

    def leave(self, slot: Slot) -> None:
        """Give the place back, once; the minute remembers the call."""
        with self.lock:
            self.release(slot)
            self.admit()

    def withdraw(self, slot: Slot) -> None:
        """Take a call out that will not be made."""
        with self.lock:
            if self.release(slot):
                self.forget(slot)
            self.admit()

    def release(self, slot: Slot) -> bool:
        """Take a call out of the line or its place, and say whether it had one; the caller holds the lock."""
        self.waiting.pop(slot, None)
        had, slot.admitted = slot.admitted, False
        self.flying -= had
        return had

    def settle(self, slot: Slot, tokens: int) -> None:
        """Give the place back, and count what the call took, while its minute lasts."""
        with self.lock:
            if slot in self.minute:
                self.tokens += tokens - slot.tokens
            slot.tokens = tokens
        self.leave(slot)

    def admit(self) -> None:
        """Let in whoever stands first and fits, call up those behind, and set the timer; the caller holds the lock."""
        now = self.clock()
        while self.minute and self.next_expiry() <= now:
            self.forget(next(iter(self.minute)))
        while self.waiting and self.fits(slot := next(iter(self.waiting))):
            del self.waiting[slot]
            if slot.wake():
                self.begin(slot, now)
        for slot in islice(self.waiting, self.ahead):
            if not slot.called:
                slot.called = True
                slot.wake()
        if self.waiting and self.minute:
            self.set_alarm(self.next_expiry(), now)

    def next_expiry(self) -> float:
        """Return when the oldest call leaves the minute."""
        return next(iter(self.minute.values())) + MINUTE

    def fits(self, slot: Slot) -> bool:
        """Say whether a call may begin now."""
        most, requests, tokens = self.limits
        return (
            (most is None or self.flying < most)
            and (requests is None or len(self.minute) < requests)
            and (tokens is None or not self.tokens or self.tokens + slot.tokens <= tokens)
        )

    def begin(self, slot: Slot, now: float) -> None:
        """Count a call as begun."""
        slot.called = slot.admitted = True
        self.flying += 1
        if self.limits[1:] != (None, None):
            self.minute[slot] = now
            self.tokens += slot.tokens

    def forget(self, slot: Slot) -> None:
        """Drop a call out of the minute."""
        if slot in self.minute:
            del self.minute[slot]
            self.tokens -= slot.tokens

    def set_alarm(self, due: float, now: float) -> None:
        """Look again when the oldest call leaves the minute."""
        if due < self.alarm:
            self.alarm = due
            self.later(max(0.0, due - now), partial(self.ring, due))

    def ring(self, due: float) -> None:
        """Look again; a timer that an earlier one has replaced does nothing."""
        with self.lock:
            if due == self.alarm:
                self.alarm = math.inf
                self.admit()


limiters: dict[tuple[str, Limits], Limiter] = {}
lock = threading.Lock()
after_fork(limiters.clear)  # calls in flight are the parent's


def limiter_for(model: str, limits: Limits) -> Limiter:
    """Return the one limiter that the process has for a model under these limits."""
    with lock:
        if (model, limits) not in limiters:
            limiters[model, limits] = Limiter(*limits)
        return limiters[model, limits]
