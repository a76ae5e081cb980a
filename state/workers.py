"""Threads that take units of work off a queue, and wake the loop or the thread that waits for the outcome.

An executor and the futures between it and a loop take longer than SQLite does.
"""

import asyncio
import os
import queue
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

from .errors import StoreError

T = TypeVar("T")
Waiting = Future[Any] | asyncio.Future[Any]


class Unit(NamedTuple):
    """Something to do, and who waits for it."""

    serve: Callable[[list[Any]], None]
    """Does units, taken off the queue together."""
    work: Callable[..., Any]
    waiting: Waiting


class Outcome(NamedTuple):
    """How a unit ended."""

    waiting: Waiting
    result: Any
    error: BaseException | None = None


Queue = queue.SimpleQueue[Unit | None]


class Workers:
    """Up to so many threads, each of which takes up to `largest` units at once; they start when there is work."""

    def __init__(self, name: str, count: int, largest: int = 1) -> None:
        self.name, self.count, self.largest = name, count, largest
        self.starting = threading.Lock()
        self.renew()

    def renew(self) -> None:
        """Begin without threads: a process that was forked has none of its parent's."""
        self.pid = os.getpid()
        self.queue: Queue = queue.SimpleQueue()
        self.idle: deque[None] = deque()
        """One for each thread that waits for work."""
        self.threads: list[threading.Thread] = []
        self.close = weakref.finalize(self, stop, self.queue, self.threads)
        """Finish what is waiting, and end the threads; by itself when the interpreter exits."""

    def ask(self, serve: Callable[[list[Unit]], None], work: Callable[..., T]) -> asyncio.Future[T]:
        """Have work done; the future belongs to the running loop. What is cancelled before it begins is not done."""
        waiting: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.submit(Unit(serve, work, waiting))
        return waiting

    def run(self, serve: Callable[[list[Unit]], None], work: Callable[..., T]) -> T:
        """Have work done, and wait for it."""
        waiting: Future[T] = Future()
        self.submit(Unit(serve, work, waiting))
        return waiting.result()

    def submit(self, unit: Unit) -> None:
        """Queue a unit."""
        if self.pid != os.getpid():
            self.renew()
        if not self.close.alive:
            raise StoreError("the store is closed: open it again")
        self.queue.put(unit)
        try:
            self.idle.pop()
        except IndexError:
            self.start()

    def start(self) -> None:
        """Start another thread, if there may be one more."""
        with self.starting:
            if len(self.threads) < self.count:
                # A daemon: a program that forgets to close the store ends nevertheless, and `close` runs then.
                arguments = (self.queue, self.idle, self.largest)
                thread = threading.Thread(target=serve, args=arguments, name=self.name, daemon=True)
                self.threads.append(thread)
                thread.start()


def serve(units: Queue, idle: deque[None], largest: int) -> None:
    """Do units until there is a None; holds nothing that belongs to their owner while it waits for more."""
    while True:
        try:
            unit = units.get_nowait()
        except queue.Empty:
            idle.append(None)
            unit = units.get()
        if unit is None:
            return
        group = [unit]
        while len(group) < largest:
            try:
                more = units.get_nowait()
            except queue.Empty:
                break
            if more is None:
                units.put(None)
                break
            group.append(more)
        if wanted := [unit for unit in group if not unit.waiting.cancelled()]:
            unit.serve(wanted)
        del unit, group, wanted


def stop(units: Queue, threads: Sequence[threading.Thread]) -> None:
    """End threads after what is queued."""
    for _ in threads:
        units.put(None)
    for thread in threads:
        if thread is not threading.current_thread():
            thread.join()


def settle(outcomes: Sequence[Outcome]) -> None:
    """Wake those who wait; a loop once for all of its units."""
    loops: dict[asyncio.AbstractEventLoop, list[Outcome]] = {}
    for outcome in outcomes:
        if isinstance(outcome.waiting, Future):
            finish([outcome])
        else:
            loops.setdefault(outcome.waiting.get_loop(), []).append(outcome)
    for loop, its in loops.items():
        with suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits any more
            loop.call_soon_threadsafe(finish, its)


def finish(outcomes: Sequence[Outcome]) -> None:
    """Set results and errors."""
    for waiting, result, error in outcomes:
        if waiting.cancelled():
            continue
        if error is None:
            waiting.set_result(result)
        else:
            waiting.set_exception(error)


def do(units: Sequence[Unit]) -> None:
    """Do units that need nothing."""
    for unit in units:
        try:
            outcome = Outcome(unit.waiting, unit.work())
        except BaseException as error:  # noqa: BLE001 - it is raised where the unit was submitted
            outcome = Outcome(unit.waiting, None, error)
        settle([outcome])
