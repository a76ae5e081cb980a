"""The call journal: a row per model call, written before it begins and when it has ended, so that none is paid twice.

LangGraph writes what a task has done in the background, even with `durability="sync"`: a process that is killed in
between has paid for a reply that no checkpoint holds. A task that runs again finds its reply here, or learns that the
call was begun and nobody knows how it ended.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Delete, Select, Update, and_, delete, func, select, tuple_, update

from .codec import Codec
from .engine import insert
from .rows import Typed
from .run import Asked
from .tables import checkpoints, digest, encode, journal
from .writer import Writer

PAUSE_SECONDS = 0.01
"""Before looking again whether the checkpoints that lead to a call are stored."""


@dataclass(frozen=True)
class Begun:
    """What the journal holds of a call at the moment somebody wants to make it."""

    first: bool
    """Nobody has begun it before: it is the caller's to make."""
    asked: Asked | None = None
    """How it ended; None, unless `first`, is a call that was lost."""


@dataclass(frozen=True)
class CallJournal:
    """The calls made in one step of a thread."""

    writer: Writer
    codec: Codec
    thread_id: str
    way: Mapping[str, str]
    """Namespace -> its checkpoint, from the thread's own, whose rows go when it goes, to that whose step makes them."""

    async def begin(self, key: str) -> Begun:
        """Write down that a call begins, unless it was begun before, as soon as the way to it is stored.

        With LangGraph's default durability a run is ahead of its checkpoints. One that is killed then does not come to
        the same step again, and would never look for what is written down here.
        """
        root = encode(self.way[""])
        row = {"thread": digest(self.thread_id), "key": digest(key), "root": root, "begun": time.time()}
        mine = select(journal.c.type, journal.c.data).where(self.named(key))

        def work(connection: Connection) -> Typed | bool:
            found = connection.execute(mine).first()
            if found is not None:
                return Typed(found.type, found.data)
            stored: bool = connection.scalar(self.stored()) == len(self.way)
            if stored:
                insert(connection, journal, [row], replace=False)
            return stored

        # A database does not signal.
        while (found := await self.writer.submit(work, self.thread_id)) is False:  # noqa: ASYNC110
            await asyncio.sleep(PAUSE_SECONDS)
        if isinstance(found, bool):
            return Begun(first=True)
        return Begun(first=False, asked=None if found.type is None else self.codec.load(found))

    def stored(self) -> Select[Any]:
        """Count the checkpoints of the way that are there."""
        way = tuple_(checkpoints.c.ns, checkpoints.c.id).in_(
            [(digest(ns), encode(id_)) for ns, id_ in self.way.items()]
        )
        return select(func.count()).where(checkpoints.c.thread == digest(self.thread_id), way)

    async def finish(self, key: str, asked: Asked) -> None:
        """Write down how a call ended."""
        type_, data = self.codec.dump(asked)
        await self.write(update(journal).where(self.named(key)).values(type=type_, data=data))

    async def forget(self, key: str) -> None:
        """Strike out a call that never reached the model: nothing was paid."""
        await self.write(delete(journal).where(self.named(key)))

    async def write(self, statement: Update | Delete) -> None:
        """Have a statement committed, also where the caller is cancelled meanwhile: what was paid is to be kept.

        Even of a thread that was taken over: a call is its beginner's to end, and who runs the step again may use it.
        """
        await asyncio.shield(self.writer.submit(lambda connection: connection.execute(statement)))

    def named(self, key: str) -> ColumnElement[bool]:
        """Return the condition that names a call."""
        return and_(journal.c.thread == digest(self.thread_id), journal.c.key == digest(key))
