"""Runs units of writing, functions of a connection: in groups where a database has one writer, else side by side."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")
Begin = Callable[[], AbstractContextManager[Connection]]

LARGEST_GROUP = 64
"""Units in one transaction: it holds the database's only write lock."""


@dataclass(frozen=True)
class Unit:
    """What is to be written, and who waits for it."""

    work: Callable[[Connection], Any]
    waiting: Future[Any]


class Writer:
    """Writes side by side, each unit in a transaction of its own."""

    def __init__(self, begin: Begin, threads: int) -> None:
        self.begin = begin
        self.threads = ThreadPoolExecutor(threads, thread_name_prefix="ponder-writer")

    def submit(self, work: Callable[[Connection], T]) -> Future[T]:
        """Have a unit written; the future is done when it is committed."""
        return self.threads.submit(self.alone, work)

    def run(self, work: Callable[[Connection], T]) -> T:
        """Write a unit, and wait for it."""
        return self.alone(work)

    def alone(self, work: Callable[[Connection], T]) -> T:
        """Write one unit in a transaction."""
        with self.begin() as connection:
            return work(connection)

    def close(self) -> None:
        """Finish what is waiting."""
        self.threads.shutdown()


class GroupWriter(Writer):
    """Writes from one thread: what has come in meanwhile shares a transaction, and so the wait for the disk."""

    def __init__(self, begin: Begin) -> None:
        super().__init__(begin, threads=1)
        self.units: deque[Unit] = deque()

    def submit(self, work: Callable[[Connection], T]) -> Future[T]:
        waiting: Future[T] = Future()
        self.units.append(Unit(work, waiting))
        self.threads.submit(self.drain)
        return waiting

    def run(self, work: Callable[[Connection], T]) -> T:
        return self.submit(work).result()

    def drain(self) -> None:
        """Write what waits; a unit that fails takes none of its group with it."""
        group = self.next_group()
        if not group:
            return
        try:
            with self.begin() as connection:
                results = [unit.work(connection) for unit in group]
        except Exception:  # noqa: BLE001 - whose error it is shows when each is written alone
            self.separately(group)
        else:
            for unit, result in zip(group, results, strict=True):
                unit.waiting.set_result(result)

    def next_group(self) -> list[Unit]:
        """Take units off the queue, but not those that nobody waits for any more."""
        group: list[Unit] = []
        while self.units and len(group) < LARGEST_GROUP:
            unit = self.units.popleft()
            if unit.waiting.set_running_or_notify_cancel():
                group.append(unit)
        return group

    def separately(self, group: list[Unit]) -> None:
        """Write units one by one, and tell each its own outcome."""
        for unit in group:
            try:
                unit.waiting.set_result(self.alone(unit.work))
            except Exception as error:  # noqa: BLE001 - it is raised where the unit was submitted
                unit.waiting.set_exception(error)
