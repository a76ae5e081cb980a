"""Functions in processes of their own, forked off one that has imported everything: milliseconds each, not seconds.

Sound only where the forking process has one thread and holds no loop, engine or connection: it does nothing but fork.
"""

import os
import pickle
import select
import signal
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 60.0


class Killed(Exception):  # noqa: N818 - it is what was wanted
    """The process was gone before it had a result."""


@dataclass(frozen=True)
class Fork(Generic[T]):
    """A function at work in a process of its own."""

    pid: int
    pipe: int

    def kill_after(self, seconds: float) -> None:
        """Let it run that long, and no longer."""
        select.select([self.pipe], [], [], seconds)
        self.kill()

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def result(self) -> T:
        """Wait for what the function returned.

        Raises:
            Killed: the process was killed before.
            RuntimeError: the function failed, or hangs.

        """
        if not select.select([self.pipe], [], [], PATIENCE_SECONDS)[0]:
            self.kill()
            self.gone()
            raise RuntimeError(f"a process hung for {PATIENCE_SECONDS:g} s")
        said = self.gone()
        try:
            done, outcome = pickle.loads(said)  # noqa: S301 - our own process wrote it
        except (EOFError, pickle.UnpicklingError):
            raise Killed from None
        if not done:
            raise RuntimeError(outcome)
        return outcome

    def gone(self) -> bytes:
        """Read to the end, and reap: a process that nobody has reaped looks alive to its successor."""
        with os.fdopen(self.pipe, "rb") as pipe:
            said = pipe.read()
        os.waitpid(self.pid, 0)
        return said


def fork(function: Callable[[], T]) -> Fork[T]:
    """Start a function."""
    if threading.active_count() > 1:
        raise RuntimeError(f"not sound to fork: {threading.enumerate()} are running")
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return Fork(pid, reading)
    try:
        os.close(reading)
        try:
            outcome = (True, function())
        except BaseException:  # noqa: BLE001 - it is raised in the parent
            outcome = (False, traceback.format_exc())
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(outcome, pipe)
    finally:
        os._exit(0)


def apart(function: Callable[[], T]) -> T:
    """Call a function in a process of its own."""
    return fork(function).result()
