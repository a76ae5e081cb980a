"""The command line, `ponder`: one file per group of commands."""

import os
import signal
import sys
import time
from io import TextIOWrapper
from typing import NoReturn

INTERRUPTED = 130
"""The exit code after Ctrl-C."""
PEACE_SECONDS = 5.0
"""After a first Ctrl-C, before another one counts."""


def main() -> None:
    """Run the command line; whenever Ctrl-C comes, it ends with the code for that.

    Until a command has something to lose, and after it, Ctrl-C ends the process: an exception may get lost while
    Python imports, which drops those that meet a callback of its own.
    """
    if isinstance(sys.stdout, TextIOWrapper):  # what its encoding lacks is told by number, as on standard error
        sys.stdout.reconfigure(errors="backslashreplace")
    heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else it was started to ignore Ctrl-C
    if heard:
        signal.signal(signal.SIGINT, leave)
    from .commands import run  # takes a second

    try:
        run()
    finally:
        if heard:
            signal.signal(signal.SIGINT, leave)


def leave(*_: object) -> NoReturn:
    """End the process."""
    os._exit(INTERRUPTED)


def stoppable() -> None:
    """From now on there is something to save: the first Ctrl-C stops the command, and one soon after lets it save.

    A later one ends what does not come to an end: it can be resumed, as after any kill.
    """
    if signal.getsignal(signal.SIGINT) is leave:  # else the command is run by something else, or ignores Ctrl-C
        signal.signal(signal.SIGINT, stop)


def stop(*_: object) -> NoReturn:
    """Stop what the command does, and let it save in peace for a while."""
    until = time.monotonic() + PEACE_SECONDS
    signal.signal(signal.SIGINT, lambda *_: leave() if time.monotonic() > until else None)
    raise KeyboardInterrupt
