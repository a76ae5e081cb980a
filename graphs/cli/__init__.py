"""The command line, `ponder`: one file per group of commands."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import NoReturn

SIGNALLED = 128
"""With the number of a signal, the exit code of a command that it has ended."""
ENDINGS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Ctrl-C, a supervisor that stops the process, and a terminal that is closed."""
PEACE_SECONDS = 5.0
"""After a first Ctrl-C, before another one counts."""


def main() -> None:
    """Run the command line; whenever Ctrl-C comes, it ends with the code for that.

    Until a command has something to lose, and after it, Ctrl-C ends the process: an exception may get lost while
    Python imports, which drops those that meet a callback of its own.
    """
    if isinstance(sys.stdout, TextIOWrapper):  # what its encoding lacks is told by number, as on standard error
        sys.stdout.reconfigure(errors="backslashreplace")
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it was started to ignore Ctrl-C
        signal.signal(signal.SIGINT, leave)
    from .commands import run  # takes a second

    run()


def leave(number: int, *_: object) -> NoReturn:
    """End the process."""
    os._exit(SIGNALLED + number)


@contextmanager
def stoppable(*numbers: int) -> Iterator[None]:
    """Meanwhile there is something to save: the first of these signals stops the command, and one soon after lets it.

    A later one ends what does not come to an end: it can be resumed, as after any kill. The command's exit code tells
    the signal.
    """
    before = {number: signal.getsignal(number) for number in numbers}
    heard = [number for number, handler in before.items() if handler in {leave, signal.SIG_DFL}]
    stopped: list[int] = []

    def stop(number: int, *_: object) -> NoReturn:
        stopped.append(number)
        until = time.monotonic() + PEACE_SECONDS
        for each in heard:
            signal.signal(each, lambda number, _: leave(number) if time.monotonic() > until else None)
        raise KeyboardInterrupt

    for number in heard:  # a command that is run by something else has its handlers, or ignores them
        signal.signal(number, stop)
    try:
        yield
    except (KeyboardInterrupt, OSError):  # the second is a terminal that is closed, and cannot be told of it
        if not stopped:
            raise
        sys.exit(SIGNALLED + stopped[0])
    finally:
        for number in heard:
            signal.signal(number, before[number])
