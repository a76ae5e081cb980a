"""What a unit of writing stores, and how several units go into the database together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from .queries import THIS_BLOB
from .rows import Record, Typed
from .statements import Rows, fetch, insert, is_few
from .tables import blobs, checkpoints, writes

PRIOR = select(blobs.c.base).where(*THIS_BLOB).with_for_update(read=True, key_share=True)
"""The lock keeps a version until what is added to it is stored."""


@dataclass(frozen=True)
class Grown:
    """A version of a list that can be stored as what it has more than another one, or whole."""

    row: Record
    whole: Callable[[], Typed]
    """Seldom wanted, and dear where it is to be encrypted."""
    added: Typed
    prior: bytes

    def stored(self, connection: Connection) -> Record:
        """Return the row to store: the addition only where the version that it is added to is there."""
        found = fetch(connection, PRIOR, {**self.row, "version": self.prior})
        if not found:
            return {**self.row, **self.whole()._asdict()}
        return {**self.row, **self.added._asdict(), "prior": self.prior, "base": found[0][0] or self.prior}


@dataclass(frozen=True)
class Batch:
    """The rows of one unit."""

    values: Sequence[Record | Grown] = ()
    """A version that is there already is the same value."""
    checkpoints: Sequence[Record] = ()
    writes: Sequence[Record] = ()
    """Ordinary ones are stored once, special ones (errors, interrupts, resumes) over the old."""
    result: Any = None
    """What whoever waits for it gets."""


def store(connection: Connection, batches: Sequence[Batch]) -> None:
    """Store the rows of several units together."""
    values = [row for batch in batches for row in batch.values]
    insert(connection, rows_of(batches, [row.stored(connection) if isinstance(row, Grown) else row for row in values]))


def is_alone(units: Sequence[Any]) -> bool:
    """Say whether what units store needs no transaction where one statement can hold rows of several tables."""
    batches = [unit for unit in units if isinstance(unit, Batch)]
    values = [row for batch in batches for row in batch.values if not isinstance(row, Grown)]
    whole = len(values) == sum(len(batch.values) for batch in batches)
    return len(batches) == len(units) and whole and is_few(rows_of(batches, values))


def rows_of(batches: Sequence[Batch], values: Sequence[Record]) -> list[Rows]:
    """Sort the rows of batches, and their values, by what is to be done with them."""
    made = [row for batch in batches for row in batch.writes]
    return [
        Rows(blobs, values),
        Rows(checkpoints, [row for batch in batches for row in batch.checkpoints], replace=True),
        Rows(writes, [row for row in made if row["idx"] >= 0]),
        Rows(writes, [row for row in made if row["idx"] < 0], replace=True),
    ]
