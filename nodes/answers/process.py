"""A process of its own for SymPy: started when first needed, used again, killed when it takes too long."""

import atexit
import json
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

logger = logging.getLogger(__name__)

WORKER = Path(__file__).with_name("worker.py")
PATIENCE = 1.2
"""Seconds of an expression before the process is killed; it stops by itself earlier (see worker.py)."""
STARTUP = 60.0
"""Seconds that the process may take to import SymPy, which on a busy machine and a cold disk is long."""


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

    def key(self, latex: str) -> str | None:
        """Return the key of an expression; None where it has none, or not within the limits."""
        with self.lock:
            for _ in range(2):
                process = self.running()
                if process is None:
                    return None
                begun = time.monotonic()
                if answer := ask(process, latex, self.patience):
                    reply = json.loads(answer)
                    return reply if reply is None else str(reply)
                self.stop()
                if time.monotonic() - begun >= self.patience:
                    return None
                # It ended by itself: after a while without questions it does, and then asking again helps.
            return None

    def running(self) -> subprocess.Popen[bytes] | None:
        """Return the process, started if need be; None where it cannot be."""
        if self.process is not None and self.process.poll() is not None:
            self.stop()
        if self.process is None:
            self.process = start(self.program)
            if not ask(self.process, "x+1", STARTUP):
                logger.warning("symbolic equality is off: the process for SymPy does not start")
                self.stop()
        return self.process

    def stop(self) -> None:
        """End the process."""
        process, self.process = self.process, None
        if process is None:
            return
        process.kill()
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
        [sys.executable, "-P", str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )


def ask(process: subprocess.Popen[bytes], latex: str, patience: float) -> bytes:
    """Send an expression and return the reply; empty where the process ended or was killed for its slowness."""
    assert process.stdin is not None  # noqa: S101
    assert process.stdout is not None  # noqa: S101
    timer = threading.Timer(patience, process.kill)
    timer.daemon = True
    timer.start()
    try:
        process.stdin.write(json.dumps(latex).encode() + b"\n")
        process.stdin.flush()
        return process.stdout.readline()
    except BrokenPipeError:
        return b""
    finally:
        timer.cancel()


evaluator = Evaluator()
atexit.register(evaluator.stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=evaluator.forget)
