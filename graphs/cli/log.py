"""What `--verbose` and PONDER_LOG show of a run: ponder's own log, as plain lines on standard error."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from ...state.errors import UsageError

Verbose = Annotated[
    int,
    typer.Option(
        "--verbose", "-v", count=True, show_default=False, help="Log the run to standard error; twice: every call too."
    ),
]
LEVELS = {"warning": logging.WARNING, "info": logging.INFO, "debug": logging.DEBUG}


class Lines(logging.Handler):
    """Prints to what standard error is at the moment: the live picture puts lines above itself."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr, flush=True)  # noqa: T201 - what a command does


@contextmanager
def logged(verbose: int) -> Iterator[None]:
    """Show the log meanwhile, from the level asked for on; by default nothing of it."""
    level = level_of(verbose)
    if level is None:
        yield
        return
    log, handler = logging.getLogger("ponder"), Lines()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    before = log.level
    log.setLevel(level)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


def level_of(verbose: int) -> int | None:
    """Return the level of `-v`, `-vv`, else of PONDER_LOG."""
    if verbose:
        return logging.DEBUG if verbose > 1 else logging.INFO
    given = os.environ.get("PONDER_LOG", "")
    if given and given.lower() not in LEVELS:
        raise UsageError(f"PONDER_LOG={given!r} is no level: set it to {', '.join(LEVELS)}")
    return LEVELS.get(given.lower())
