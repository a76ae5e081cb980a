"""Runs units of writing, functions of a connection, on few threads.

What comes in while a transaction is on its way shares the next one, and so the wait for the disk.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection

from .batch import Batch, store
from .workers import Outcome, Unit, Workers, settle

T = TypeVar("T")
Work = Callable[[Connection], T]

LARGEST_GROUP = 64
"""Units in one transaction: on SQLite it holds the only write lock."""


class Writer:
    """Writes units in groups, each group in one transaction."""

    def __init__(self, transact: Callable[[Work[Any]], Any], threads: int) -> None:
        self.transact = transact
        self.workers = Workers("ponder-writer", threads, LARGEST_GROUP)

    def submit(self, work: Work[T]) -> asyncio.Future[T]:
        """Have a unit written; the future is done when it is committed."""
        return self.workers.ask(self.write, work)

    def run(self, work: Work[T]) -> T:
        """Write a unit, and wait for it."""
        return self.workers.run(self.write, work)

    def close(self) -> None:
        """Finish what is waiting."""
        self.workers.close()

    def write(self, group: Sequence[Unit]) -> None:
        """Write units together; one that fails takes none of its group with it."""
        try:
            results = self.transact(lambda connection: together(connection, group))
        except BaseException as error:  # noqa: BLE001 - it is raised where the unit was submitted
            if len(group) == 1:
                settle([Outcome(group[0].waiting, None, error)])
                return
            for unit in group:
                self.write([unit])
        else:
            settle([Outcome(unit.waiting, result) for unit, result in zip(group, results, strict=True)])


def together(connection: Connection, group: Sequence[Unit]) -> list[Any]:
    """Do the work of a group on one connection."""
    store(connection, [unit.work for unit in group if isinstance(unit.work, Batch)])
    return [unit.work.result if isinstance(unit.work, Batch) else unit.work(connection) for unit in group]
