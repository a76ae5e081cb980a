"""One owner per thread: a lease in the store, renewed while the run lives, free when it ends or its process is gone."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable
from typing import TypeVar

from .checkpointer import SQLAlchemySaver
from .errors import StoreError
from .owner import Owner, left_behind
from .term import RENEWALS, Term
from .writer import Held

T = TypeVar("T")

LEASE_SECONDS = 30.0
"""A lease that is not renewed for so long is free: its owner is gone, or on a machine that is."""
RETRIES = 30
"""In the time of one lease, while the store is away."""


@contextlib.asynccontextmanager
async def hold(saver: SQLAlchemySaver, thread_id: str, *, seconds: float = LEASE_SECONDS) -> AsyncIterator[None]:
    """Own a thread: take its lease, renew it meanwhile, give it back. What runs inside is stopped when it is lost.

    Raises:
        ThreadBusy: somebody else holds it, or took it over while this process was away; says who, and until when.
        StoreError: the store was away for longer than a lease lasts.

    """
    term = Term(saver, thread_id, str(Owner.new()), seconds)
    begun = asyncio.get_running_loop().time()
    try:
        ended = await finished(saver.writer.submit(term.taking))
        saver.writer.held[thread_id] = Held(term.owner, ended)
        async with renewed(term, begun):
            yield
    finally:
        left_behind.add(term.owner)
        try:
            with contextlib.suppress(StoreError):  # it expires by itself, and the outcome of the run matters more
                await finished(saver.writer.submit(term.releasing))
                left_behind.discard(term.owner)
        finally:
            held = saver.writer.held.get(thread_id)
            if held and held.owner == term.owner:
                del saver.writer.held[thread_id]


@contextlib.asynccontextmanager
async def renewed(term: Term, begun: float) -> AsyncIterator[None]:
    """Renew a lease beside what runs inside, and stop that when the lease is lost."""
    limit = asyncio.timeout(None)
    renewing = asyncio.create_task(renew(term, begun, limit))
    try:
        async with limit:
            yield
    except TimeoutError:
        if limit.expired():
            await renewing  # raises why the lease is lost
        raise
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)


async def renew(term: Term, begun: float, limit: asyncio.Timeout) -> None:
    """Extend a lease again and again; when it is lost, end the limit and say why."""
    now = asyncio.get_running_loop().time
    pause, good = term.seconds / RENEWALS, begun
    try:
        while True:
            await asyncio.sleep(pause)
            tried, pause = now(), term.seconds / RENEWALS
            over = good + term.seconds
            try:
                # A process that was suspended wakes late, and still has to ask whether somebody took over.
                async with asyncio.timeout_at(max(over, tried + pause)):
                    await term.store.writer.submit(term.extending)
                good = tried
            except (StoreError, TimeoutError) as error:
                pause = term.seconds / RETRIES
                if now() + pause >= over:
                    raise term.over() from error
    except Exception:
        limit.reschedule(0)
        raise


async def finished(work: Awaitable[T]) -> T:
    """Wait for work to its end even when cancelled: a lease on its way must have come before it is given back."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
