"""Runs units of writing, functions of a connection, on few threads.

What comes in while a transaction is on its way shares the next one, and so the wait for the disk.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection

from .batch import Batch, store

T = TypeVar("T")
Work = Callable[[Connection], T]

LARGEST_GROUP = 64
"""Units in one transaction: on SQLite it holds the only write lock."""


@dataclass(frozen=True)
class Unit:
    """What is to be written, and who waits for it."""

    work: Work[Any]
    waiting: Future[Any]


class Writer:
    """Writes units in groups, each group in one transaction."""

    def __init__(self, transact: Callable[[Work[Any]], Any], threads: int) -> None:
        self.transact = transact
        self.units: deque[Unit] = deque()
        self.threads = ThreadPoolExecutor(threads, thread_name_prefix="ponder-writer")
        self.idle = threading.Semaphore(threads)

    def submit(self, work: Work[T]) -> Future[T]:
        """Have a unit written; the future is done when it is committed."""
        waiting: Future[T] = Future()
        self.units.append(Unit(work, waiting))
        if self.wanted():
            self.threads.submit(self.drain)
        return waiting

    def run(self, work: Work[T]) -> T:
        """Write a unit, and wait for it."""
        return self.submit(work).result()

    def close(self) -> None:
        """Finish what is waiting."""
        self.threads.shutdown()

    def wanted(self) -> bool:
        """Say whether there is work and a thread that has none; that thread is taken."""
        return bool(self.units) and self.idle.acquire(blocking=False)

    def drain(self) -> None:
        """Write what waits, group after group; look once more when free, for what came in between."""
        while True:
            while group := self.next_group():
                self.write(group)
            self.idle.release()
            if not self.wanted():
                return

    def next_group(self) -> list[Unit]:
        """Take units off the queue, but not those that nobody waits for any more."""
        group: list[Unit] = []
        while len(group) < LARGEST_GROUP:
            try:
                unit = self.units.popleft()
            except IndexError:
                break
            if unit.waiting.set_running_or_notify_cancel():
                group.append(unit)
        return group

    def write(self, group: Sequence[Unit]) -> None:
        """Write units together; one that fails takes none of its group with it."""
        try:
            results = self.transact(lambda connection: together(connection, group))
        except Exception as error:  # noqa: BLE001 - it is raised where the unit was submitted
            if len(group) == 1:
                group[0].waiting.set_exception(error)
                return
            for unit in group:
                self.write([unit])
        else:
            for unit, result in zip(group, results, strict=True):
                unit.waiting.set_result(result)


def together(connection: Connection, group: Sequence[Unit]) -> list[Any]:
    """Do the work of a group on one connection."""
    store(connection, [unit.work for unit in group if isinstance(unit.work, Batch)])
    return [unit.work.result if isinstance(unit.work, Batch) else unit.work(connection) for unit in group]
