"""Put leases into the states that tests need."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import select, update

from ponder.state import SQLAlchemySaver, ThreadBusy
from ponder.state.lease import hold
from ponder.state.owner import Owner
from ponder.state.tables import leases
from ponder.state.term import Term


def elsewhere() -> Owner:
    return replace(Owner.new(), host="elsewhere", pid=1, world="another")


def leave(saver: SQLAlchemySaver, owner: Owner, seconds: float = 30) -> None:
    """Leave a lease behind as if that owner had taken it."""
    Term(saver, "t", str(owner), seconds).take()


def change(saver: SQLAlchemySaver, **values: object) -> None:
    """Write into every lease, as only a test does."""
    with saver.writes() as connection:
        connection.execute(update(leases).values(values))


def expire(saver: SQLAlchemySaver) -> None:
    """Let the time of every lease pass."""
    change(saver, until=leases.c.until - 30)


def until(saver: SQLAlchemySaver) -> float | None:
    """Return when the lease ends."""
    with saver.reads() as connection:
        return connection.scalar(select(leases.c.until))


def poll(take: Callable[[], None]) -> None:
    """Try until the lease has expired."""
    for _ in range(3000):
        try:
            take()
        except ThreadBusy:
            time.sleep(0.01)
        else:
            return
    raise AssertionError("the lease did not expire within 30 s")


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


async def take_over(saver: SQLAlchemySaver) -> None:
    async with hold(saver, "t"):
        pass


async def hold_through(saver: SQLAlchemySaver, seconds: float, change: Callable[[], object]) -> None:
    """Hold the thread for ever; something changes meanwhile."""
    async with hold(saver, "t", seconds=seconds):
        change()
        await forever()
