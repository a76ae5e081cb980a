"""A lease in SQL: each step is one transaction, and the database decides who holds it, by its own clock."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Insert, case, delete, update
from sqlalchemy.dialects import mysql, postgresql, sqlite

from .errors import StoreError, ThreadBusy
from .holders import clock, holder, lost
from .store import Store
from .tables import digest, leases


@dataclass(frozen=True)
class Term:
    """One owner's lease of one thread."""

    store: Store
    thread_id: str
    owner: str
    seconds: float

    def take(self) -> None:
        """Take a lease that is free, expired, or of a process that has ended on this machine.

        Raises:
            ThreadBusy: somebody else holds it; says who, and until when.

        """
        self.store.writer.run(self.taking)

    def taking(self, connection: Connection) -> None:
        """Take the lease in a transaction that others may share, and with it the wait for the disk."""
        connection.execute(self.claim(connection))
        now = holder(connection, self.thread_id, locked=True)
        if now is not None and now.owner.gone:
            connection.execute(self.claim(connection, str(now.owner)))
            now = holder(connection, self.thread_id, locked=True)
        if now is None or str(now.owner) != self.owner:
            raise ThreadBusy(f"thread {self.thread_id!r} is worked on by {now}: wait for it, or stop it first")

    def extending(self, connection: Connection) -> None:
        """Extend the lease.

        Raises:
            ThreadBusy: it is no longer ours; says whose.

        """
        until = clock(connection) + self.seconds
        if not connection.execute(update(leases).where(self.mine).values(until=until)).rowcount:
            raise lost(connection, self.thread_id)

    def releasing(self, connection: Connection) -> None:
        """Give the lease back, where it is still ours."""
        connection.execute(delete(leases).where(self.mine))

    @property
    def mine(self) -> ColumnElement[bool]:
        """Return the condition that names our lease."""
        return (leases.c.thread == digest(self.thread_id)) & (leases.c.owner == self.owner)

    def over(self) -> StoreError:
        """Say that the lease ended because it could not be renewed."""
        return StoreError(
            f"the store has been away for longer than the lease of thread {self.thread_id!r} lasts: "
            "resume it when the store is back"
        )

    def claim(self, connection: Connection, gone: str = "") -> Insert:
        """Write ours over none, an expired one, or that of `gone`: one statement, so that of two at once one wins."""
        now = clock(connection)
        free = (leases.c.until <= now) | (leases.c.owner == gone)
        row = {"thread": digest(self.thread_id), "owner": self.owner, "until": now + self.seconds}
        if connection.dialect.name in {"mysql", "mariadb"}:
            made = mysql.insert(leases).values(row)
            new = made.inserted
            # Set from left to right: the second sees whether the first has made the lease ours.
            owner = case((free, new.owner), else_=leases.c.owner)
            until = case((leases.c.owner == new.owner, new.until), else_=leases.c.until)
            return made.on_duplicate_key_update([("owner", owner), ("until", until)])
        insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        over = insert(leases).values(row)
        new_values = {"owner": over.excluded.owner, "until": over.excluded.until}
        return over.on_conflict_do_update(index_elements=["thread"], set_=new_values, where=free)
