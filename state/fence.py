"""A fence around the threads that a process holds: once somebody else has taken one over, it is not written there.

A process that was suspended goes on in the middle of a step, before it learns that its lease is lost.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select

from .batch import Batch
from .holders import lost
from .statements import fetch
from .tables import digest, leases


@dataclass(frozen=True)
class Fenced:
    """A unit of writing that counts only while its thread has this owner."""

    work: Callable[[Connection], Any] | Batch
    thread_id: str
    owner: str


def stand(connection: Connection, units: Sequence[Fenced]) -> None:
    """See that threads still have their owners, and keep them until the transaction has ended.

    Raises:
        ThreadBusy: one was taken over; says by whom.

    """
    owners = {unit.thread_id: unit.owner for unit in units}
    asked = {f"thread_{number}": digest(thread_id) for number, thread_id in enumerate(owners)}
    now = {bytes(thread): owner for thread, owner in fetch(connection, owners_of(len(owners)), asked)}
    for thread_id, owner in owners.items():
        if now.get(digest(thread_id)) != owner:
            raise lost(connection, thread_id)


@lru_cache
def owners_of(count: int) -> Select[Any, Any]:
    """Write the query for the owners of so many threads; whoever wants to take one over waits."""
    threads: list[Any] = [bindparam(f"thread_{number}") for number in range(count)]
    return select(leases.c.thread, leases.c.owner).where(leases.c.thread.in_(threads)).with_for_update(read=True)
