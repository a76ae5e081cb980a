"""The limits of a budget as options, and how an error names them and other settings."""

import math
import re
from typing import Annotated

import typer

from ...state.errors import UsageError

MaxCalls = Annotated[
    int | None, typer.Option(help="Most model calls, of every kind; default: 100, or for `fixed` its samples.")
]
MaxTokens = Annotated[int | None, typer.Option(help="Most tokens, input and output together.")]
MaxUsd = Annotated[float | None, typer.Option(help="Most US dollars; prices come from PONDER_PRICES, see README.")]
MaxSeconds = Annotated[float | None, typer.Option(help="Most seconds of work.")]


RENAMED = {"choice": "choose", "thread_id": "thread"}


def option(name: str) -> str:
    """Return the option for a limit, or another setting or argument of Python's."""
    return "--" + RENAMED.get(name, name).replace("_", "-")


def as_options(told: str) -> str:
    """Return an error that begins with a setting and its value with the setting's option."""
    named = re.match(r"(?:budget\.)?([a-z_]+)(?:=True|(?==))", told)
    return option(named[1]) + told[named.end() :] if named else told


def limits(**given: float | None) -> dict[str, float | None]:
    """Return limits as a budget takes them.

    Raises:
        UsageError: one is no amount.

    """
    for name, amount in given.items():
        if amount is not None and not 0 < amount < math.inf:
            raise UsageError(f"{option(name)}={amount:g} cannot be used: give a number above 0")
    return given
