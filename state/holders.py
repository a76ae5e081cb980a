"""Who holds a lease, by the database's own clock."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, Float, literal, literal_column, select

from .errors import ThreadBusy
from .owner import Owner
from .tables import digest, leases

CLOCKS = {
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) AS double precision)",
    "mariadb": "(timestampdiff(microsecond, '1970-01-01', utc_timestamp(6)) / 1e6)",
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


def clock(connection: Connection) -> ColumnElement[float]:
    """Return the time where the leases are: machines' clocks differ. A SQLite file is on this machine."""
    if connection.dialect.name == "sqlite":
        return literal(time.time(), Float)
    return literal_column(CLOCKS["postgresql" if connection.dialect.name == "postgresql" else "mariadb"], Float)


def holder(connection: Connection, thread_id: str, *, locked: bool = False) -> Holder | None:
    """Return who has a lease that has not expired; locked, as it is now and not as a snapshot has it."""
    unexpired = select(leases).where(leases.c.thread == digest(thread_id), leases.c.until > clock(connection))
    row = connection.execute(unexpired.with_for_update() if locked else unexpired).first()
    return Holder(Owner.parse(row.owner), row.until) if row else None


def holders(connection: Connection) -> dict[bytes, Holder]:
    """Return who works on which thread (digest) now."""
    rows = connection.execute(select(leases).where(leases.c.until > clock(connection)))
    found = {bytes(row.thread): Holder(Owner.parse(row.owner), row.until) for row in rows}
    return {thread: held for thread, held in found.items() if not held.owner.gone}


def lost(connection: Connection, thread_id: str) -> ThreadBusy:
    """Say that a thread is no longer held by this process, and whose it is."""
    now = holder(connection, thread_id)
    return ThreadBusy(
        f"thread {thread_id!r} is no longer held by this process, which did not renew its lease in time: "
        + (f"it is worked on by {now}" if now else "resume it")
    )
