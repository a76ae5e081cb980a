"""The command line, `ponder`: one file per group of commands."""

import os
import signal
from typing import NoReturn

INTERRUPTED = 130
"""The exit code after Ctrl-C."""


def main() -> None:
    """Run the command line; whenever Ctrl-C comes, it ends with the code for that.

    Before and after the command nothing can be lost; while it runs, the first Ctrl-C stops it, and no other one keeps
    it from saving.
    """
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
    """Stop what the command does, and let it save in peace."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt
