"""Runs units of writing, functions of a connection, on few threads.

What comes in while a transaction is on its way shares the next one, and so the wait for the disk.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from sqlalchemy import Connection

from .batch import Batch, is_alone, store
from .fence import Fenced, stand
from .workers import Outcome, Unit, Workers, settle

T = TypeVar("T")
Work = Callable[[Connection], T]

LARGEST_GROUP = 64
"""Units in one transaction: on SQLite it holds the only write lock."""


class Held(NamedTuple):
    """What is known of a thread that this process holds."""

    owner: str
    """In its lease."""
    ended: float | None = None
    """Unix time by which the owner before had ended, where that one did not give it back."""


class Transact(Protocol):
    """Does work in a transaction; what is `alone` may come down to one statement, which is one by itself."""

    def __call__(self, work: Work[Any], *, alone: bool = False) -> Any: ...


class Writer:
    """Writes units in groups, each group in one transaction."""

    def __init__(self, transact: Transact, threads: int, *, joins: bool) -> None:
        self.transact = transact
        self.joins = joins
        """The database takes rows of several tables in one statement."""
        self.workers = Workers("ponder-writer", threads, LARGEST_GROUP)
        self.held: dict[str, Held] = {}
        """Threads that this process holds."""

    def submit(self, work: Work[T] | Batch, thread_id: str | None = None) -> asyncio.Future[T]:
        """Have a unit written; the future is done when it is committed.

        A unit of a thread that this process holds fails with `ThreadBusy` once it was taken over.
        """
        return self.workers.ask(self.write, self.fenced(work, thread_id))

    def run(self, work: Work[T] | Batch, thread_id: str | None = None) -> T:
        """Write a unit, and wait for it."""
        done: T = self.workers.run(self.write, self.fenced(work, thread_id))
        return done

    def fenced(self, work: Work[T] | Batch, thread_id: str | None) -> Any:
        """Put a fence around a unit of a thread that is held."""
        held = None if thread_id is None else self.held.get(thread_id)
        return work if thread_id is None or held is None else Fenced(work, thread_id, held.owner)

    def close(self) -> None:
        """Finish what is waiting."""
        self.workers.close()

    def write(self, group: Sequence[Unit]) -> None:
        """Write units together; one that fails takes none of its group with it."""
        works = [unit.work for unit in group]
        try:
            results = self.transact(
                lambda connection: together(connection, works), alone=self.joins and is_alone(works)
            )
        except BaseException as error:  # noqa: BLE001 - it is raised where the unit was submitted
            if len(group) == 1:
                settle([Outcome(group[0].waiting, None, error)])
                return
            for unit in group:
                self.write([unit])
        else:
            settle([Outcome(unit.waiting, result) for unit, result in zip(group, results, strict=True)])


def together(connection: Connection, works: Sequence[Any]) -> list[Any]:
    """Do the work of a group on one connection."""
    if fenced := [work for work in works if isinstance(work, Fenced)]:
        stand(connection, fenced)
    works = [work.work if isinstance(work, Fenced) else work for work in works]
    store(connection, [work for work in works if isinstance(work, Batch)])
    return [work.result if isinstance(work, Batch) else work(connection) for work in works]
