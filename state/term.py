"""A lease in SQL: each step is one transaction, and the database decides who holds it, by its own clock."""

from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import Connection, Float, Insert, String, bindparam, case, delete, select, update
from sqlalchemy.dialects import mysql, postgresql, sqlite

from .errors import StoreError, ThreadBusy
from .holders import Holder, clock, holder, lost
from .statements import change, fetch
from .store import Store
from .tables import digest, leases

RENEWALS = 3
"""In the time of one lease."""
UNTIL = select(leases.c.until).where(leases.c.thread == bindparam("thread"))
RELEASE = delete(leases).where(leases.c.thread == bindparam("thread"), leases.c.owner == bindparam("owner"))


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

    def taking(self, connection: Connection) -> float | None:
        """Take the lease in a transaction that others may share, and with it the wait for the disk.

        Return when an owner that did not give it back was to renew it next (Unix time): it had ended by then.
        """
        before = fetch(connection, UNTIL, {"thread": digest(self.thread_id)})
        now = self.claimed(connection)
        if now is not None and str(now.owner) != self.owner and now.owner.gone:
            now = self.claimed(connection, gone=str(now.owner))
        if now is None or str(now.owner) != self.owner:
            raise ThreadBusy(f"thread {self.thread_id!r} is worked on by {now}: wait for it, or stop it first")
        return before[0][0] - self.seconds + self.seconds / RENEWALS if before else None

    def extending(self, connection: Connection) -> None:
        """Extend the lease.

        Raises:
            ThreadBusy: it is no longer ours; says whose.

        """
        mine = (leases.c.thread == digest(self.thread_id)) & (leases.c.owner == self.owner)
        until = clock(connection.dialect.name) + self.seconds
        if not connection.execute(update(leases).where(mine).values(until=until)).rowcount:
            raise lost(connection, self.thread_id)

    def releasing(self, connection: Connection) -> None:
        """Give the lease back, where it is still ours."""
        change(connection, RELEASE, {"thread": digest(self.thread_id), "owner": self.owner})

    def over(self) -> StoreError:
        """Say that the lease ended because it could not be renewed."""
        return StoreError(
            f"the store has been away for longer than the lease of thread {self.thread_id!r} lasts: "
            "resume it when the store is back"
        )

    def claimed(self, connection: Connection, gone: str = "") -> Holder | None:
        """Write ours over none, an expired one, or that of `gone`; return whose it is then."""
        named = {"thread": digest(self.thread_id), "owner": self.owner, "seconds": self.seconds, "gone": gone}
        change(connection, claim(connection.dialect.name), named)
        return holder(connection, self.thread_id, locked=True)


@lru_cache
def claim(dialect: str) -> Insert:
    """Write the claim: one statement, so that of two at once one wins."""
    now = clock(dialect)
    free = (leases.c.until <= now) | (leases.c.owner == bindparam("gone", type_=String))
    row = {"thread": bindparam("thread"), "owner": bindparam("owner"), "until": now + bindparam("seconds", type_=Float)}
    if dialect in {"mysql", "mariadb"}:
        made = mysql.insert(leases).values(row)
        new = made.inserted
        # Set from left to right: the second sees whether the first has made the lease ours.
        owner = case((free, new.owner), else_=leases.c.owner)
        until = case((leases.c.owner == new.owner, new.until), else_=leases.c.until)
        return made.on_duplicate_key_update([("owner", owner), ("until", until)])
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    over = insert(leases).values(row)
    new_values = {"owner": over.excluded.owner, "until": over.excluded.until}
    return over.on_conflict_do_update(index_elements=["thread"], set_=new_values, where=free)
