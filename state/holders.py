"""Who holds a lease, by the database's own clock."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Float, Select, bindparam, literal_column, select

from .errors import ThreadBusy
from .owner import Owner
from .statements import fetch
from .tables import digest, leases

CLOCKS = {
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) AS double precision)",
    "mariadb": "(timestampdiff(microsecond, '1970-01-01', utc_timestamp(6)) / 1e6)",
    "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
}
"""Unix time in seconds, with its fraction."""


@dataclass(frozen=True)
class Holder:
    """Who works on a thread, and until when at least (Unix time in seconds, by the database's clock)."""

    owner: Owner
    until: float

    @property
    def time(self) -> str:
        """The end of the lease, in UTC."""
        return datetime.fromtimestamp(self.until, UTC).isoformat(timespec="seconds")

    def __str__(self) -> str:
        return f"process {self.owner.pid} on {self.owner.host!r} until {self.time} at least"


def clock(dialect: str) -> ColumnElement[float]:
    """Return the time where the leases are: machines' clocks differ."""
    return literal_column(CLOCKS[{"mysql": "mariadb"}.get(dialect, dialect)], Float)


@lru_cache
def unexpired(dialect: str, *, locked: bool) -> "Select[*tuple[Any, ...]]":
    """Write the query for a thread's lease that has not expired."""
    here = leases.c.thread == bindparam("thread")
    found = select(leases.c.owner, leases.c.until).where(here, leases.c.until > clock(dialect))
    return found.with_for_update() if locked else found


def holder(connection: Connection, thread_id: str, *, locked: bool = False) -> Holder | None:
    """Return who has a lease that has not expired; locked, as it is now and not as a snapshot has it."""
    query = unexpired(connection.dialect.name, locked=locked)
    rows = fetch(connection, query, {"thread": digest(thread_id)})
    return Holder(Owner.parse(rows[0][0]), rows[0][1]) if rows else None


def holders(connection: Connection) -> dict[bytes, Holder]:
    """Return who works on which thread (digest) now."""
    rows = connection.execute(select(leases).where(leases.c.until > clock(connection.dialect.name)))
    found = {bytes(row.thread): Holder(Owner.parse(row.owner), row.until) for row in rows}
    return {thread: held for thread, held in found.items() if not held.owner.gone}


def lost(connection: Connection, thread_id: str) -> ThreadBusy:
    """Say that a thread is no longer held by this process, and whose it is."""
    now = holder(connection, thread_id)
    return ThreadBusy(
        f"thread {thread_id!r} is no longer held by this process, which did not renew its lease in time: "
        + (f"it is worked on by {now}" if now else "resume it")
    )
