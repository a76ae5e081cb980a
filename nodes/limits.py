"""How many calls of one model may be in flight and begin within a minute, for all runs, threads and loops together.

Each combination of limits has a line of its own, and lines that have a limit in common count together.
"""

import asyncio
import math
import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import NamedTuple, Self

from .loop import after_fork, background_loop
from .minute import Minute

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
        self.since = math.inf
        """When it took its place in the line."""
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
            self.slot, self.has_come = None, False

    def settle(self, tokens: int) -> None:
        """Give the place back, and replace the tokens that were asked for by those that the call took."""
        if self.slot and self.slot.admitted:
            self.slot.limiter.settle(self.slot, tokens)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        slot = self.slot
        if self.has_come and slot:
            slot.limiter.leave(slot)
        else:
            self.drop()
        if slot and slot.woken:
            slot.woken.cancel()  # a call that was left alone waits in vain


def finish(woken: asyncio.Future[None]) -> None:
    """Resolve a future that may have been cancelled meanwhile."""
    if not woken.done():
        woken.set_result(None)


class Counts:
    """What is in flight and has begun at one model, by limit; and the lines that count it."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.lock = threading.Lock()
        self.lines: list[Limiter] = []
        self.flying: dict[int | None, int] = defaultdict(int)
        self.known: dict[tuple[int, bool], Minute] = {}

    def minutes(self, requests: int | None, tokens: int | None) -> list[Minute]:
        """Return the minutes of these limits."""
        wanted = [(most, of_tokens) for most, of_tokens in ((requests, False), (tokens, True)) if most is not None]
        return [self.known.setdefault(limit, Minute(*limit)) for limit in wanted]


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
        counts: Counts | None = None,
        clock: Callable[[], float] = time.monotonic,
        later: Later = on_background,
    ) -> None:
        """Start with nobody in line; `counts` are the model's."""
        self.limits = Limits(concurrency, requests_per_minute, tokens_per_minute)
        # Where a minute is what calls wait for, they would be written down long before they are made.
        self.ahead = (concurrency or 0) // AHEAD if self.limits[1:] == (None, None) else 0
        self.clock, self.later = clock, later
        self.counts = counts or Counts()
        self.lock = self.counts.lock
        self.waiting: OrderedDict[Slot, None] = OrderedDict()
        self.minutes = self.counts.minutes(requests_per_minute, tokens_per_minute)
        self.alarm = math.inf
        """When the one timer goes off."""
        with self.lock:
            self.counts.lines.append(self)

    @property
    def flying(self) -> int:
        """Calls in flight that count against the line's limit."""
        return self.counts.flying[self.limits.concurrency]

    def slot(self, tokens: int = 0) -> Slot:
        """Return a place in the line for a call of at most so many tokens."""
        return Slot(self, tokens)

    async def wait(self, slot: Slot, over: Callable[[], bool]) -> None:
        """Stand in line; a call that is cancelled meanwhile leaves it."""
        with self.lock:
            if not slot.called:
                slot.since = self.clock()
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
                for minute in self.minutes:
                    minute.forget(slot)
            self.admit()

    def release(self, slot: Slot) -> bool:
        """Take a call out of the line or its place, and say whether it had one; the caller holds the lock."""
        self.waiting.pop(slot, None)
        had, slot.admitted = slot.admitted, False
        self.counts.flying[self.limits.concurrency] -= had
        return had

    def settle(self, slot: Slot, tokens: int) -> None:
        """Give the place back, and count what the call took, while its minute lasts."""
        with self.lock:
            for minute in self.minutes:
                minute.settle(slot, tokens)
        self.leave(slot)

    def admit(self) -> None:
        """Let in whoever fits, of all lines the one that asked first, and set the timers; the caller holds the lock."""
        now = self.clock()
        waiting, full = {line for line in self.counts.lines if line.waiting}, set[object]()
        for line in waiting:
            for minute in line.minutes:
                minute.tidy(now)
        while waiting:
            line = min(waiting, key=lambda line: next(iter(line.waiting)).since)
            slot = next(iter(line.waiting))
            full.update(lacking := line.lacking(slot))
            if lacking or full.intersection(line.minutes) or line.limits.concurrency in full:
                waiting.discard(line)  # and nobody overtakes it who counts against the limit that it waits for
                line.call_up(now)
                continue
            del line.waiting[slot]
            if slot.wake():
                line.begin(slot, now)
            if not line.waiting:
                waiting.discard(line)

    def lacking(self, slot: Slot) -> list[object]:
        """Return the limits that a call has to wait for: minutes, or a number in flight."""
        most = self.limits.concurrency
        over = [most] if most is not None and self.flying >= most else []
        return [*over, *(minute for minute in self.minutes if not minute.fits(slot.tokens))]

    def call_up(self, now: float) -> None:
        """Call up those who stand first, and look again when a minute is over."""
        for slot in islice(self.waiting, self.ahead):
            if not slot.called:
                slot.called = True
                slot.wake()
        self.set_alarm(min((minute.over for minute in self.minutes), default=math.inf), now)

    def begin(self, slot: Slot, now: float) -> None:
        """Count a call as begun."""
        slot.called = slot.admitted = True
        self.counts.flying[self.limits.concurrency] += 1
        for minute in self.minutes:
            minute.begin(slot, slot.tokens, now)

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
counts: dict[str, Counts] = defaultdict(Counts)
lock = threading.Lock()
after_fork(limiters.clear)  # calls in flight are the parent's
after_fork(counts.clear)


def limiter_for(model: str, limits: Limits) -> Limiter:
    """Return the one limiter that the process has for a model under these limits."""
    with lock:
        if (model, limits) not in limiters:
            limiters[model, limits] = Limiter(*limits, counts=counts[model])
        return limiters[model, limits]
