"""The calls of one wave that are in the air in this process.

Once the vote cannot change, stragglers are let go and what still waits for its turn is not made; before one of them
stops the run, the others are waited for.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar
from weakref import WeakValueDictionary

from ..state.run import Candidate
from .ports import Reply
from .view import View

T = TypeVar("T")

GRACE_SECONDS = 1.0
"""The least that calls still in the air get once the vote cannot change; else as long as the slowest one took."""

Enough = Callable[[View, int], bool]
"""Whether no outcome of so many calls still in the air can change what the branch comes to."""


@dataclass(eq=False)
class Flight:
    """One wave: what has landed, and the calls that have not."""

    view: View
    enough: Enough | None
    """None: each of them is waited for."""
    took_off: float = field(default_factory=time.monotonic)
    landed: list[Candidate] = field(default_factory=list)
    flying: dict["asyncio.Future[Reply]", asyncio.Timeout] = field(default_factory=dict)
    """Calls that are made now, and their limits."""
    dropped: set["asyncio.Future[Reply]"] = field(default_factory=set)
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
    """Calls that are to land yet, whatever they wait for; those of a resumed wave that had landed are not."""

    def land(self, candidate: Candidate) -> None:
        """Take a candidate in; where it settles the vote, the calls still flying get their last grace, and no other."""
        self.landed.append(candidate)
        if self.enough and self.aboard and self.enough(self.view.having(self.landed), len(self.aboard)):
            self.over = True
            for limit in self.waiting:
                if not limit.expired():
                    limit.reschedule(0)
            grace = max(GRACE_SECONDS, time.monotonic() - self.took_off)
            for call in self.flying:
                asyncio.get_running_loop().call_later(grace, self.drop, call)

    def drop(self, call: "asyncio.Future[Reply]") -> None:
        """Let a call go that is still in the air: its time is over."""
        limit = self.flying.get(call)
        if limit and not limit.expired():
            self.dropped.add(call)
            limit.reschedule(0)

    @asynccontextmanager
    async def turn(self, seconds: float | None) -> AsyncIterator[None]:
        """Wait for a turn, as long as there is time and the call is wanted.

        Raises:
            TimeoutError: there is not, or it is not.

        """
        async with asyncio.timeout(0 if self.over else seconds) as limit:
            with among(self.waiting, limit):
                yield
            if self.over:  # it came in the same moment
                raise TimeoutError

    async def answers(self) -> bool:
        """Say whether the model answers most of the wave, when what is in the air has come down.

        A run that stops would cancel it, and nobody would know what it has cost.
        """
        if self.flying:
            await asyncio.wait(self.flying)
        return self.answered > self.refused


flights: WeakValueDictionary[tuple[str, float, str], Flight] = WeakValueDictionary()
"""(run, go at it, wave) -> its flight, as long as one of its tasks holds it."""


@contextmanager
def among(group: set[T], one: T) -> Iterator[None]:
    """Belong to a group meanwhile."""
    group.add(one)
    try:
        yield
    finally:
        group.discard(one)


def board(view: View, began: float, wave: str, enough: Enough | None) -> Flight:
    """Return the flight of a wave, by when the go at the run began and its first call's id; its tasks share a loop."""
    key = (view.problem.epoch, began, wave)
    flight = flights.get(key)
    if flight is None:
        flight = flights[key] = Flight(view, enough)
    return flight
