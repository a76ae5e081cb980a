"""The calls of one go at a run that are in the air in this process, by waves.

Once the vote cannot change, stragglers are let go and what still waits for its turn is not made; before one of them
stops the run, the others are waited for, of all branches.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar
from weakref import WeakValueDictionary

from ..state.budget import Call
from ..state.errors import ModelUnreachable
from ..state.run import Candidate
from .view import View

T = TypeVar("T")

GRACE_SECONDS = 1.0
"""The least that calls still in the air get once the vote cannot change; else as long as the slowest one took."""

Enough = Callable[[View, int], bool]
"""Whether no outcome of so many calls still in the air can change what the branch comes to."""


@dataclass(eq=False)
class Airborne:
    """A call that is being made."""

    limit: asyncio.Timeout
    dropped: bool = False
    """It was let go because the vote cannot change."""


@dataclass(eq=False)
class Go:
    """One go at a run, its first or one that resumes it."""

    began: float = field(default_factory=time.time)
    """Unix time in seconds."""
    key: str = field(default_factory=lambda: secrets.token_hex(8))
    waves: dict[str, "Flight"] = field(default_factory=dict)
    """The last one of each branch of the stretch of the way that runs now."""
    sent: dict[str, set[str]] = field(default_factory=dict)
    """The calls of waves that this go has sent off, and whose tasks have not begun."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """A call has come down, or a doubt is over."""
    doubts: int = 0
    """Refused calls for which it is open whether the model answers others: meanwhile none begins."""
    stopped: str = ""
    """Why no call begins any more; empty: they do."""

    def wave(self, name: str, view: View, enough: Enough | None) -> "Flight":
        """Return the wave of this name, its first call's."""
        step, branch, _ = name.split("-", 2)
        flight = self.waves.get(branch)
        if flight is None or flight.name != name:
            others = {key: other for key, other in self.waves.items() if other.name.startswith(f"{step}-")}
            flight = Flight(self, name, view, enough, aboard=self.sent.pop(name, set()))
            self.waves = others | {branch: flight}
        return flight

    def send(self, calls: Sequence[Call]) -> None:
        """Send a wave off."""
        self.sent[calls[0].id] = {call.id for call in calls}

    async def answers(self) -> bool:
        """Say whether the model answers more calls than it refuses, once that is clear; until then no other begins.

        A run that stops would cancel what is in the air, and nobody would know what it has cost.
        """
        self.doubts += 1
        try:
            while not self.answers_more and any(flight.air for flight in self.waves.values()):
                await self.changed.wait()
        finally:
            self.doubts -= 1
            self.change()
        return self.answers_more

    @property
    def answers_more(self) -> bool:
        """Whether more of the last waves' calls were answered than refused."""
        return sum(flight.answered - flight.refused for flight in self.waves.values()) > 0

    def change(self) -> None:
        """Let those look again who wait."""
        self.changed.set()
        self.changed.clear()

    async def clear(self) -> None:
        """Wait until no doubt is left."""
        while self.doubts:
            await self.changed.wait()

    def stop(self, why: str) -> None:
        """Let no call begin any more."""
        self.stopped = self.stopped or why
        for flight in self.waves.values():
            flight.wake()

    def check(self) -> None:
        """Refuse what was to begin where the run is stopped."""
        if self.stopped:
            raise ModelUnreachable(self.stopped) from None


goes: WeakValueDictionary[str, Go] = WeakValueDictionary()
"""By their keys, which a config holds: what streams out of a run is to be written as JSON."""


@dataclass(eq=False)
class Flight:
    """One wave: what has landed, and the calls that have not."""

    go: Go
    name: str
    view: View
    enough: Enough | None
    """None: each of them is waited for."""
    took_off: float = field(default_factory=time.monotonic)
    landed: list[Candidate] = field(default_factory=list)
    air: set[Airborne] = field(default_factory=set)
    answered: int = 0
    refused: int = 0
    """Calls that say that none can succeed."""
    waiting: set[asyncio.Timeout] = field(default_factory=set)
    """The limits of those that wait for their turn."""
    over: bool = False
    """Nothing that has not begun is to begin."""
    cut_off: float = 0.0
    """Seconds that those were under way which a process took with it when it ended; no state knows of them yet."""
    aboard: set[str] = field(default_factory=set)
    """Calls that are to land yet, whatever they wait for; of a resumed wave, some of which had landed, those begun."""

    def land(self, candidate: Candidate) -> None:
        """Take a candidate in; where it settles the vote, the calls still flying get their last grace, and no other."""
        self.landed.append(candidate)
        if self.enough and self.aboard and self.enough(self.view.having(self.landed), len(self.aboard)):
            self.over = True
            self.wake()
            grace = max(GRACE_SECONDS, time.monotonic() - self.took_off)
            for call in self.air:
                asyncio.get_running_loop().call_later(grace, self.drop, call)

    def wake(self) -> None:
        """End the waiting for a turn that will not come."""
        for limit in self.waiting:
            if not limit.expired():
                limit.reschedule(0)

    def drop(self, call: Airborne) -> None:
        """Let a call go that is still in the air: its time is over."""
        if call in self.air and not call.limit.expired():
            call.dropped = True
            call.limit.reschedule(0)

    @contextmanager
    def flying(self, limit: asyncio.Timeout) -> Iterator[Airborne]:
        """Be in the air meanwhile, as long as the limit lets it."""
        try:
            with among(self.air, Airborne(limit)) as call:
                yield call
        finally:
            self.go.change()

    @asynccontextmanager
    async def turn(self, seconds: float | None) -> AsyncIterator[None]:
        """Wait for a turn, as long as there is time and the call is wanted.

        Raises:
            TimeoutError: there is not, or it is not.
            ModelUnreachable: another call has stopped the run.

        """
        try:
            async with asyncio.timeout(0 if self.over or self.go.stopped else seconds) as limit:
                with among(self.waiting, limit):
                    yield
        except TimeoutError:
            self.go.check()
            raise
        self.go.check()
        if self.over or seconds == 0:  # it came in the same moment, or without any wait
            raise TimeoutError


@contextmanager
def among(group: set[T], one: T) -> Iterator[T]:
    """Belong to a group meanwhile."""
    group.add(one)
    try:
        yield one
    finally:
        group.discard(one)
