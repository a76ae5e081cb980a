"""A process of its own for SymPy: started when first needed, used again, bounded (see worker.py)."""

import atexit
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..loop import after_fork

logger = logging.getLogger(__name__)

WORKER = Path(__file__).with_name("worker.py")
PATIENCE = 10.0
"""Seconds by the clock before the process is killed: of processor time it gets far less, and then ends by itself."""
STARTUP = 60.0
"""Seconds that the process may take to import SymPy, which on a busy machine and a cold disk is long."""


class WouldWait(Exception):  # noqa: N818 - reads as the fact it states
    """The process would have to be asked."""


waits: ContextVar[bool] = ContextVar("waits", default=True)
"""Whether who asks can wait."""


@contextmanager
def unwaiting() -> Iterator[None]:
    """Read answers without waiting for the process, or raise `WouldWait`."""
    token = waits.set(False)
    try:
        yield
    finally:
        waits.reset(token)


@dataclass(frozen=True)
class Named:
    """What the process says of an expression."""

    key: str | None
    seconds: float
    """Processor time that it took."""
    late: bool = False
    """It was ended before it had a key."""


class Evaluator:
    """Asks the process, one expression at a time, from any thread.

    A killed process is replaced at the next question. It ends with this one: its input is closed then, and where it
    is busy at that moment its limit on processor time ends it.
    """

    def __init__(self, program: Path = WORKER, patience: float = PATIENCE) -> None:
        self.program = program
        self.patience = patience
        self.forget()

    def forget(self) -> None:
        """Begin anew: in a fork's copy the process answers the parent, and the lock may be held by no one."""
        self.lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None

    def key(self, latex: str, seconds: float) -> Named:
        """Return the key of an expression, if it has one, within so much processor time."""
        if not waits.get():
            raise WouldWait
        with self.lock:
            for _ in range(2):
                process = self.running()
                if process is None:
                    return Named(None, 0)
                begun = time.monotonic()
                if answer := ask(process, [latex, seconds], self.patience):
                    found, took = json.loads(answer)
                    return Named(found, seconds if took is None else took, late=took is None)
                self.stop()
                if time.monotonic() - begun >= self.patience:
                    break
                # It ended by itself: after a while without questions it does, and then asking again helps.
            return Named(None, seconds, late=True)

    def running(self) -> subprocess.Popen[bytes] | None:
        """Return the process, started if need be; None where it cannot be."""
        if self.process is not None and self.process.poll() is not None:
            self.stop()
        if self.process is None:
            self.process = start(self.program)
            if not read(self.process, STARTUP):
                logger.warning("symbolic equality is off: the process for SymPy does not start")
                self.stop()
        return self.process

    def stop(self) -> None:
        """End the process."""
        process, self.process = self.process, None
        if process is None:
            return
        kill(process)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                close(pipe)


def close(pipe: IO[bytes]) -> None:
    """Close a pipe whose other end is gone."""
    try:
        pipe.close()
    except BrokenPipeError:
        logger.debug("the process for SymPy ended before its question was written")


def start(program: Path) -> subprocess.Popen[bytes]:
    """Start the process."""
    # -P: the folder of the script, whose modules are named as they please, is no place to import from.
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-P", str(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and its copy, which are a group of their own."""
    if not hasattr(os, "killpg"):
        process.kill()
    elif process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


def ask(process: subprocess.Popen[bytes], question: object, patience: float) -> bytes:
    """Send a question and return the reply; empty where the process ended."""
    assert process.stdin is not None  # noqa: S101
    try:
        process.stdin.write(json.dumps(question).encode() + b"\n")
        process.stdin.flush()
    except BrokenPipeError:
        return b""
    return read(process, patience)


def read(process: subprocess.Popen[bytes], patience: float) -> bytes:
    """Return the next line that the process writes; empty where it ended, or was killed for its slowness."""
    assert process.stdout is not None  # noqa: S101
    timer = threading.Timer(patience, kill, [process])
    timer.daemon = True
    timer.start()
    try:
        return process.stdout.readline()
    finally:
        timer.cancel()


evaluator = Evaluator()
atexit.register(evaluator.stop)
after_fork(evaluator.forget)
