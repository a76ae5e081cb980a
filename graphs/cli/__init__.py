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

    Before and after the command nothing can be lost; while it runs, the first Ctrl-C stops it, and one soon after that
    does not keep it from saving. A later one ends what does not come to an end: it can be resumed, as after any kill.
    """
    if isinstance(sys.stdout, TextIOWrapper):  # what its encoding lacks is told by number, as on standard error
        sys.stdout.reconfigure(errors="backslashreplace")
    heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else it was started to ignore Ctrl-C
    if heard:
        signal.signal(signal.SIGINT, leave)
    from .commands import run  # takes a second

    if heard:
        signal.signal(signal.SIGINT, stop)
    try:
        run()
    finally:
        if heard:
            signal.signal(signal.SIGINT, leave)


def leave(*_: object) -> NoReturn:
    """End the process."""
    os._exit(INTERRUPTED)


def stop(*_: object) -> NoReturn:
    """Stop what the command does, and let it save in peace for a while."""
    until = time.monotonic() + PEACE_SECONDS
    signal.signal(signal.SIGINT, lambda *_: leave() if time.monotonic() > until else None)
    raise KeyboardInterrupt
