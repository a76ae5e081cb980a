"""What each key of the endpoint has spent, kept in the store: a restart of the server forgets none of it."""

from collections.abc import Mapping

from sqlalchemy import Connection, select, update

from .statements import Rows, insert
from .tables import digest, spending

Amounts = Mapping[str, float]
"""Limit of a budget -> how much of it is used."""
COLUMNS = {"max_calls": spending.c.calls, "max_tokens": spending.c.tokens, "max_usd": spending.c.usd}


def spent_by(connection: Connection, key: str) -> dict[str, float]:
    """Return what a key has spent, and make its row: from then on amounts are added to it."""
    row = {"key": digest(key), **{column.name: 0.0 for column in COLUMNS.values()}}
    insert(connection, [Rows(spending, [row])])
    found = connection.execute(select(spending).where(spending.c.key == digest(key))).mappings().one()
    return {name: found[column] for name, column in COLUMNS.items()}


def add(connection: Connection, key: str, amounts: Amounts) -> None:
    """Add to what a key has spent, whichever process does."""
    more = {column: column + amounts[name] for name, column in COLUMNS.items()}
    connection.execute(update(spending).where(spending.c.key == digest(key)).values(more))
