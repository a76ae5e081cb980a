"""The call journal: a row per model call, written before it begins and when it has ended, so that none is paid twice.

LangGraph writes what a task has done in the background, even with `durability="sync"`: a process that is killed in
between has paid for a reply that no checkpoint holds. A task that runs again finds its reply here, or learns that the
call was begun and nobody knows how it ended.
"""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from weakref import WeakValueDictionary

from sqlalchemy import Connection, Delete, Update, bindparam, delete, select, union_all, update

from .budget import CallKey
from .codec import Codec
from .errors import StoreError
from .rows import Typed
from .run import Asked
from .statements import Rows, change, fetch, insert
from .tables import DIGEST_BYTES, checkpoints, digest, encode, journal
from .writer import Writer

if TYPE_CHECKING:
    from .statements import Query

T = TypeVar("T")

PATIENCE_SECONDS = 30.0
"""For a checkpoint that is being written."""
HALF = DIGEST_BYTES // 2
SHORTEST_PAUSE, LONGEST_PAUSE = 0.001, 0.05
"""Seconds before looking again whether the checkpoints that lead to a call are stored; they mostly are at once."""
NAMED = (journal.c.thread == bindparam("thread"), journal.c.key == bindparam("key"))
HERE = (journal.c.thread == bindparam("thread"), journal.c.key.between(bindparam("first"), bindparam("last")))
CALLS = select(journal.c.key, journal.c.root, journal.c.begun, journal.c.type, journal.c.data).where(*HERE)
OUTER = (checkpoints.c.thread == bindparam("thread"), checkpoints.c.ns == digest(""))
NEXT = select(checkpoints.c.id).where(*OUTER, checkpoints.c.parent == bindparam("root")).limit(1)
ENDED = update(journal).where(*NAMED).values(type=bindparam("kind"), data=bindparam("reply"))
UNMADE = delete(journal).where(*NAMED)


@dataclass(frozen=True)
class Begun:
    """What the journal holds of a call at the moment somebody wants to make it."""

    first: bool
    """Nobody has begun it before: it is the caller's to make."""
    asked: Asked | None = None
    """How it ended; None, unless `first`, is a call that was lost."""
    at: float = 0.0
    """Unix time in seconds at which a lost one began."""
    seconds: float = 0.0
    """The most that it can have been under way; 0 where the lease does not tell when its process ended."""


class Known(NamedTuple):
    """A row of a call."""

    begun: float
    type: str | None
    data: bytes | None


@dataclass(frozen=True)
class CallJournal:
    """The calls made in one step of a thread."""

    writer: Writer
    codec: Codec
    thread_id: str
    way: Mapping[str, str]
    """Namespace -> its checkpoint, from the thread's own, whose rows go when it goes, to that whose step makes them."""

    async def begin(self, key: CallKey) -> Begun:
        """Write down that a call begins, unless it was begun before, as soon as the way to it is stored.

        With LangGraph's default durability a run is ahead of its checkpoints. One that is killed then does not come to
        the same step again, and would never look for what is written down here. Where the caller is cancelled
        meanwhile, what was written down is struck out: the call is not made.
        """
        named = self.named(key)
        row = {**named, "root": encode(self.way[""]), "begun": time.time()}
        first = False

        def work(connection: Connection) -> Known | bool:
            nonlocal first
            if known := self.known(connection, named):
                return known
            first = self.stored(connection)
            if first:
                insert(connection, [Rows(journal, [row])])
            return first

        def undo(connection: Connection) -> None:
            if first:
                change(connection, UNMADE, named)

        try:
            found = await self.looked_up(work, named)
        except asyncio.CancelledError:
            # Behind it, and not awaited, since who is cancelled may be cancelled again; what is left counts as lost.
            unheard(self.writer.submit(undo))
            raise
        if not found:
            raise StoreError(
                f"a checkpoint of thread {self.thread_id!r} is not stored after {PATIENCE_SECONDS:g} s: "
                "its writing failed, or the thread was deleted meanwhile"
            )
        if isinstance(found, Known):
            return self.told(found)
        if (task := asyncio.current_task()) is not None:
            making[own(named)] = task
        return Begun(first=True)

    async def looked_up(self, work: Callable[[Connection], Known | bool], named: Mapping[str, object]) -> Known | bool:
        """Look until the way to a call is stored, and one that this process makes itself has ended, or patience has.

        A graph may be resumed while tasks of the go before are still at work. A database does not signal.
        """
        over, pause = time.monotonic() + PATIENCE_SECONDS, SHORTEST_PAUSE
        while True:
            found = await self.writer.submit(work, self.thread_id)
            made_here = isinstance(found, Known) and found.type is None and is_made(named)
            if (found and not made_here) or time.monotonic() > over:
                return found
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def told(self, found: Known) -> Begun:
        """Say what is known of a call that was begun before."""
        if found.type is None or found.data is None:
            return Begun(first=False, at=found.begun, seconds=self.under_way(found.begun))
        return Begun(first=False, asked=self.codec.load(Typed(found.type, found.data)))

    def under_way(self, begun: float) -> float:
        """Return the most seconds that a call can have been under way whose process has ended."""
        held = self.writer.held.get(self.thread_id)
        return max(0.0, min(held.ended, time.time()) - begun) if held and held.ended else 0.0

    def known(self, connection: Connection, named: Mapping[str, bytes]) -> Known | None:
        """Return what is known of a call that was begun before, if with another request: by another model, say.

        Where a step that was cut off goes on, what was made counts, and what was paid is kept; a fork, whose step has
        ended before, pays for what differs.
        """
        place, here = named["key"][:HALF], encode(self.way[""])
        around = {"thread": named["thread"], "first": place + bytes(HALF), "last": place + b"\xff" * HALF}
        others = []
        for key, root, *found in fetch(connection, CALLS, around):
            if bytes(key) == named["key"]:
                return Known(*found)
            if bytes(root) == here:
                others.append(Known(*found))
        if others and not fetch(connection, NEXT, {"thread": named["thread"], "root": here}):
            return others[0]
        return None

    def stored(self, connection: Connection) -> bool:
        """Say whether the whole way is there."""
        asked = {"thread": digest(self.thread_id)}
        for number, (ns, id_) in enumerate(self.way.items()):
            asked |= {f"ns_{number}": digest(ns), f"id_{number}": encode(id_)}
        return len(fetch(connection, looking_up(len(self.way)), asked)) == len(self.way)

    async def finish(self, key: CallKey, asked: Asked) -> None:
        """Write down how a call ended."""
        type_, data = self.codec.dump(asked)
        await self.write(ENDED, {**self.named(key), "kind": type_, "reply": data})

    async def forget(self, key: CallKey) -> None:
        """Strike out a call that never reached the model: nothing was paid."""
        await self.write(UNMADE, self.named(key))

    async def write(self, statement: Update | Delete, given: Mapping[str, object]) -> None:
        """Have a statement committed, also where the caller is cancelled meanwhile: what was paid is to be kept.

        Even of a thread that was taken over: a call is its beginner's to end, and who runs the step again may use it.
        """
        written = unheard(self.writer.submit(lambda connection: change(connection, statement, given)))
        await asyncio.wait([written])
        written.result()

    def named(self, key: CallKey) -> dict[str, bytes]:
        """Return the parameters that name a call: half of its key is the place, half the request."""
        return {"thread": digest(self.thread_id), "key": digest(key.place)[:HALF] + digest(key.request)[:HALF]}


making: WeakValueDictionary[tuple[object, ...], asyncio.Task[object]] = WeakValueDictionary()
"""Call of this process -> the task that makes it, as long as somebody holds it."""


def is_made(named: Mapping[str, object]) -> bool:
    """Say whether another task of this process makes a call now."""
    task = making.get(own(named))
    return task is not None and task is not asyncio.current_task() and not task.done()


def own(named: Mapping[str, object]) -> tuple[object, ...]:
    """Name a call of this process; a fork of it makes none of them."""
    return os.getpid(), named["thread"], named["key"]


def unheard(work: asyncio.Future[T]) -> asyncio.Future[T]:
    """Let work fail though its caller was cancelled and nobody hears of it; asyncio would print that."""
    work.add_done_callback(lambda done: done.cancelled() or done.exception())
    return work


@lru_cache
def looking_up(count: int) -> "Query":
    """Write the query for so many checkpoints of a thread; each by its whole primary key, as for values."""
    here = checkpoints.c.thread == bindparam("thread")
    return union_all(
        *(
            select(checkpoints.c.id).where(
                here, checkpoints.c.ns == bindparam(f"ns_{n}"), checkpoints.c.id == bindparam(f"id_{n}")
            )
            for n in range(count)
        )
    )
