"""Find the runs of a store, and load those that are asked for."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from ...state.checkpointer import SQLAlchemySaver
    from ...state.run import RunState
    from ...state.threads import Thread
    from .stored import Stored

AT_ONCE = 100
"""Threads that are looked at in one query."""


@asynccontextmanager
async def opened(store: str | None) -> AsyncIterator["SQLAlchemySaver"]:
    """Open a store by its URL: that is always a saver of ours."""
    from .. import stores

    async with stores.opened(store) as saver:
        yield cast("SQLAlchemySaver", saver)


@asynccontextmanager
async def existing(store: str | None) -> AsyncIterator["SQLAlchemySaver"]:
    """Open a store of whose runs one is named; to read makes no store.

    Raises:
        StoreError: it does not exist.

    """
    check_there(store)
    async with opened(store) as saver:
        yield saver


@asynccontextmanager
async def listing(store: str | None) -> AsyncIterator["SQLAlchemySaver"]:
    """Open a store to go through its runs; before the first run there is none, unless one is named.

    Raises:
        StoreError: the one that is named does not exist.

    """
    from ..stores import default_store

    if store:
        check_there(store)
    elif not is_there(default_store()):
        store = ":memory:"
    async with opened(store) as saver:
        yield saver


def check_there(store: str | None) -> None:
    """Refuse a file that does not exist.

    Raises:
        StoreError: it does not.

    """
    from ...state.engine import masked
    from ...state.errors import StoreError
    from ..stores import default_store

    url = store or default_store()
    if not is_there(url):
        raise StoreError(f"store {masked(url)!r} does not exist: check its name; `ponder solve` makes one")


def is_there(url: str) -> bool:
    """Say whether a store exists: of a database on a server, or a URL that is none, it is told when it is opened."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        named = make_url(url)
    except (ArgumentError, ValueError):
        return True
    file = named.database if named.get_backend_name() == "sqlite" else None
    return not file or file.startswith((":memory:", "file:")) or os.path.exists(file)  # noqa: PTH110 - it raises nothing


async def each_thread(saver: "SQLAlchemySaver") -> AsyncIterator["Thread"]:
    """Go through a store, the thread that changed last first, without loading a state."""
    from ...state.threads import look, recent

    keys = await saver.threaded(recent, saver)
    for start in range(0, len(keys), AT_ONCE):
        for thread in await saver.threaded(look, saver, keys[start : start + AT_ONCE]):
            yield thread


async def named_threads(saver: "SQLAlchemySaver", names: Sequence[str]) -> list["Thread"]:
    """Return these threads.

    Raises:
        ThreadNotFound: one of them does not exist.
        ThreadBusy: one has just been begun.

    """
    from ...state.tables import digest
    from ...state.threads import look, missing

    found = await saver.threaded(look, saver, [digest(name) for name in names])
    for name in names:
        if name not in {thread.id for thread in found}:
            raise await saver.threaded(missing, saver, name)
    return found


async def newest(saver: "SQLAlchemySaver", status: str | None, limit: int) -> "tuple[list[Stored], bool]":
    """Load the newest runs, all or those with one status; say whether there are more."""
    found: list[Stored] = []
    async for thread in each_thread(saver):
        if status not in possible(thread):
            continue
        sure = status in {None, thread.status}  # of the others the state tells
        if sure and len(found) == limit:
            return found, True
        run = await load(saver, thread)
        if status in {None, run.status, run.thread.status}:
            if len(found) == limit:
                return found, True
            found.append(run)
    return found, False


def possible(thread: "Thread") -> set[str | None]:
    """Return the statuses that a run may turn out to have when its state is loaded, and None for any."""
    more = {"unfinished": {"waiting", "unreadable"}, "finished": {"unreadable"}}
    return {None, thread.status, *more.get(thread.status, set())}


async def load(saver: "SQLAlchemySaver", thread: "Thread") -> "Stored":
    """Load a run; the state of a graph that is not ponder's, and one that cannot be read, stay where they are."""
    from ...nodes.view import View
    from ...state.errors import Unreadable
    from .stored import Stored

    if thread.unreadable:
        return Stored(thread, View("", {}))
    try:
        return await loaded(saver, thread)
    except Unreadable as error:
        if thread.status != "running":
            thread = replace(thread, status="unreadable")
        return Stored(replace(thread, unreadable=error.why), View("", {}))


async def loaded(saver: "SQLAlchemySaver", thread: "Thread") -> "Stored":
    """Load a run that can be read."""
    from ...nodes.view import View
    from ..stores import configured
    from .stored import Stored

    state: RunState = {}
    question = None
    if thread.status == "finished":  # all of it is in one checkpoint, and needs no graph to be read
        found = await saver.aget_tuple(configured(thread.id))
        state = cast("RunState", found.checkpoint["channel_values"] if found else {})
    elif thread.status != "foreign":
        from ..app import prepare
        from ..solver import asked_in

        machine = prepare("local").machine(saver)  # its model is never called
        snapshot = await machine.aget_state(configured(thread.id), subgraphs=True)
        state, question = joined(snapshot), asked_in(snapshot)
    return Stored(thread, View("", state), question)


def joined(snapshot: Any) -> "RunState":
    """Return a state, with what its unfinished subgraphs know beyond it."""
    from ...state.merge import merge

    values: dict[str, Any] = dict(snapshot.values)
    for task in snapshot.tasks:
        inner: dict[str, Any] = dict(joined(task.state)) if hasattr(task.state, "values") else {}
        for name in ("candidates", "calls", "wave", "visits"):
            values[name] = merge(values.get(name) or [], inner.get(name) or [])
    return cast("RunState", values)
