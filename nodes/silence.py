"""Whether a run hears anything at all: where every call of a wave fails for good, and none was answered, it is stopped.

An outage would end it without an answer, for good; a run that is stopped can be resumed, and makes new attempts.
"""

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from ..state.budget import Call


@dataclass(eq=False)
class Silence:
    """The calls of one run that this process makes now, and whether one of them has broken it."""

    under_way: set[str] = field(default_factory=set)
    hopeless: set[str] = field(default_factory=set)
    """Those that the server has failed, and no attempt is left for; not awaited yet is how the others end."""
    in_vain: dict[str, Call] = field(default_factory=dict)
    """Those of them that are settled."""
    broken: bool = False
    """One has ended otherwise: answered, or to be tried again."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """It was broken, or all have ended."""

    @contextmanager
    def during(self, call_id: str) -> Iterator[None]:
        """Be under way meanwhile."""
        self.under_way.add(call_id)
        try:
            yield
            if call_id not in self.in_vain:
                self.broken = True
                self.over.set()
        finally:
            self.leave(call_id)

    def leave(self, call_id: str) -> None:
        """Be under way no longer."""
        self.under_way.discard(call_id)
        if not self.under_way:
            self.over.set()

    async def lasts(self, call: Call, needed: Collection[str]) -> bool:
        """Wait for the others, once a call has failed for good; say whether nothing came, and all needed have failed.

        Those of a wave need not all be under way at once, where the caller limits that or threads are few.
        """
        self.in_vain[call.id] = call
        self.leave(call.id)
        await self.over.wait()
        return not self.broken and self.in_vain.keys() >= set(needed)


silences: WeakValueDictionary[str, Silence] = WeakValueDictionary()
"""Run -> its silence, as long as one of its calls holds it."""


def silence_of(epoch: str) -> Silence:
    """Return what the calls of a run share that are under way together; they all run on one event loop."""
    silence = silences.get(epoch)
    if silence is None or not silence.under_way:
        silence = silences[epoch] = Silence()
    return silence
