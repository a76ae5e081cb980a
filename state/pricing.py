"""What models cost: the user's table, from PONDER_PRICES or a file in the user's configuration directory.

A table is TOML or JSON, USD per million tokens, by model name or pattern:

    ["openai:gpt-5-mini"]
    input = 0.25
    cached = 0.025
    output = 2.0
"""

import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import platformdirs
from pydantic import BaseModel, ConfigDict, NonNegativeFloat, TypeAdapter, ValidationError

from .budget import Usage
from .errors import UsageError, complaint

MILLION = 1_000_000


class Price(BaseModel):
    """USD per million tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    input: NonNegativeFloat
    output: NonNegativeFloat
    """Reasoning tokens included."""
    cached: NonNegativeFloat | None = None
    """Input read from the server's cache; None: as `input`."""

    def of(self, usage: Usage) -> float:
        """Return the USD that a call cost."""
        cached = min(usage.cached_tokens, usage.input_tokens)
        fresh = (usage.input_tokens - cached) * self.input
        again = cached * (self.input if self.cached is None else self.cached)
        return (fresh + again + usage.output_tokens * self.output) / MILLION


RUN = "ponder:"
"""Before the name of a model: a run on it, which is itself the model of another run."""

Prices = Mapping[str, Price]
"""Model name or pattern (`openai:gpt-5*`) -> its price."""

TABLE: TypeAdapter[dict[str, Price]] = TypeAdapter(dict[str, Price])
FREE = {"local*": Price(input=0, output=0)}
"""The embedded model and files served here cost electricity only."""


def price_of(model: str, prices: Prices) -> Price | None:
    """Return the price of a model: by its whole name, else by the longest pattern that matches; None is unknown.

    A run has that of the model which it is on.
    """
    if model in prices:  # brackets in it are no pattern
        return prices[model]
    longest = max((name for name in prices if fnmatchcase(model, name)), key=len, default="")
    if model.startswith(RUN) and not longest.startswith(RUN):
        return price_of(model.removeprefix(RUN), prices)
    return prices.get(longest)


def highest(prices: Sequence[Price | None]) -> Price | None:
    """Return a price that none of them exceeds; None where one is unknown."""
    known = [price for price in prices if price is not None]
    if len(known) < len(prices):
        return None
    read = max(max(price.input, price.cached or 0) for price in known)
    return Price(input=read, output=max(price.output for price in known))


def table_path() -> Path:
    """Return the file that is read where PONDER_PRICES names none."""
    return platformdirs.user_config_path("ponder", appauthor=False) / "prices.toml"


def default_table() -> str:
    """Name that file, with the user's own folder as `~`."""
    path, home = table_path(), Path.home()
    return f"~/{path.relative_to(home).as_posix()}" if path.is_relative_to(home) else str(path)


def load_prices() -> Prices:
    """Read the user's table: PONDER_PRICES is a file or JSON itself; else `prices.toml` where ponder is configured.

    Raises:
        UsageError: the table cannot be read.

    """
    given = os.environ.get("PONDER_PRICES", "").strip()
    if given.startswith("{"):
        return FREE | parse(given, "PONDER_PRICES")
    path = Path(given).expanduser() if given else table_path()
    if not given and not path.is_file():
        return FREE
    try:
        return FREE | parse(path.read_text(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"price table {str(path)!r} cannot be read ({error}): mend PONDER_PRICES") from None


def parse(text: str, source: str) -> dict[str, Price]:
    """Read a table from JSON or TOML."""
    try:
        return TABLE.validate_python(json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text))
    except ValidationError as error:
        raise UsageError(f"price table {source!r}: {complaint(error)}") from None
    except ValueError as error:  # of either format
        raise UsageError(f"price table {source!r} is neither TOML nor JSON: {error}") from None
