"""One owner per thread: a lease in the store, renewed while the run lives, free when it ends or its process is gone."""

import asyncio
import contextlib
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from sqlalchemy import Connection, delete, select, update

from .checkpointer import SQLAlchemySaver
from .engine import insert
from .errors import ThreadBusy
from .tables import digest, leases

LEASE_SECONDS = 30.0
"""A lease that is not renewed for so long is free: its owner is gone, or on a machine that is."""
RENEW_SECONDS = 10.0


@contextlib.asynccontextmanager
async def hold(saver: SQLAlchemySaver, thread_id: str) -> AsyncIterator[None]:
    """Own a thread: take its lease, renew it meanwhile, give it back.

    Raises:
        ThreadBusy: somebody else holds it; says who, and until when.

    """
    owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
    await saver.threaded(take, saver, thread_id, owner)
    renewing = asyncio.create_task(renew(saver, thread_id, owner))
    try:
        yield
    finally:
        renewing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await renewing
        await asyncio.shield(saver.threaded(release, saver, thread_id, owner))


def take(saver: SQLAlchemySaver, thread_id: str, owner: str) -> None:
    """Take a lease that is free, expired, or of a process that no longer lives on this machine."""
    with saver.writes() as connection:
        found = connection.execute(select(leases).where(leases.c.thread == digest(thread_id))).first()
        if found and found.until > time.time() and alive(found.owner):
            until = datetime.fromtimestamp(found.until, UTC).isoformat(timespec="seconds")
            host, pid, _ = found.owner.rsplit(":", 2)
            raise ThreadBusy(
                f"thread {thread_id!r} is worked on by process {pid} on {host!r} until {until} at least: "
                "wait for it, or stop it and resume then"
            )
        put(connection, thread_id, owner)


async def renew(saver: SQLAlchemySaver, thread_id: str, owner: str) -> None:
    """Extend the lease again and again."""
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        await saver.threaded(extend, saver, thread_id, owner)


def extend(saver: SQLAlchemySaver, thread_id: str, owner: str) -> None:
    """Extend a lease that is still ours."""
    mine = (leases.c.thread == digest(thread_id)) & (leases.c.owner == owner)
    with saver.writes() as connection:
        connection.execute(update(leases).where(mine).values(until=time.time() + LEASE_SECONDS))


def release(saver: SQLAlchemySaver, thread_id: str, owner: str) -> None:
    """Give a lease back that is still ours."""
    with saver.writes() as connection:
        connection.execute(delete(leases).where(leases.c.thread == digest(thread_id), leases.c.owner == owner))


def put(connection: Connection, thread_id: str, owner: str) -> None:
    """Write the lease down."""
    row = {"thread": digest(thread_id), "owner": owner, "until": time.time() + LEASE_SECONDS}
    insert(connection, leases, [row], replace=True)


def alive(owner: str) -> bool:
    """Say whether an owner may still be at work: only a process of this machine can be known to be gone."""
    host, pid, _ = owner.rsplit(":", 2)
    if host != socket.gethostname():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
