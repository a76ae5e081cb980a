"""Open the store of a run, and own the run's thread meanwhile."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import platformdirs
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver

from ..state.errors import StoreError, ThreadBusy, ThreadNotFound, UsageError, unknown

Saver = BaseCheckpointSaver[Any]
StoreLike = str | Path | Saver
"""A database URL, a SQLite file, or a checkpointer."""


@asynccontextmanager
async def held(saver: object, thread_id: str) -> AsyncIterator[None]:
    """Own a thread while its state is read and it runs; a checkpointer that is not ours has no leases: none is held.

    Raises:
        ThreadBusy: another process works on the thread.

    """
    from ..state.checkpointer import SQLAlchemySaver
    from ..state.lease import hold

    configured(thread_id)
    if not isinstance(saver, SQLAlchemySaver):
        yield
        return
    async with hold(saver, thread_id):
        yield


def configured(thread_id: str) -> RunnableConfig:
    """Name a thread the way LangGraph wants it.

    Raises:
        UsageError: it is no name.

    """
    if not isinstance(thread_id, str) or not thread_id:
        raise UsageError(f"thread_id={thread_id!r} cannot be used: give a text")
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}


async def absent(saver: object, thread_id: str) -> ThreadNotFound | ThreadBusy:
    """Say why nothing is stored under a thread, as far as its checkpointer knows."""
    from ..state.checkpointer import SQLAlchemySaver
    from ..state.threads import missing

    if isinstance(saver, SQLAlchemySaver):
        return await saver.threaded(missing, saver, thread_id)
    return unknown(thread_id)


@asynccontextmanager
async def opened(store: StoreLike | None) -> AsyncIterator[Saver]:
    """Open a store by its URL (`:memory:` is one for this run alone), and close it; a checkpointer is used as it is."""
    if isinstance(store, BaseCheckpointSaver):
        yield store
        return
    from ..state.checkpointer import SQLAlchemySaver  # SQLAlchemy, only where a store is opened

    url = f"sqlite:///{store}" if isinstance(store, Path) else store or default_store()
    if not isinstance(url, str):
        raise StoreError(f"store {str(url)[:80]!r} is no store: give a database URL, a path or a checkpointer")
    async with SQLAlchemySaver.from_conn_string("sqlite://" if url == ":memory:" else url) as saver:
        yield saver


def default_store() -> str:
    """Return the URL of the store: PONDER_STORE, else one SQLite file in the user's data directory.

    Raises:
        StoreError: that directory cannot be made.

    """
    given = os.environ.get("PONDER_STORE")
    if given:
        return given
    folder = platformdirs.user_data_path("ponder", appauthor=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"folder {str(folder)!r} for the store cannot be made ({error.strerror}): set PONDER_STORE to a URL "
            "such as sqlite:///ponder.db"
        ) from None
    return f"sqlite:///{folder / 'ponder.db'}"
