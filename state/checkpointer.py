"""`SQLAlchemySaver`: LangGraph checkpoints in a SQL database.

Each value of a channel is stored once, under its version; a checkpoint refers to versions.
"""

import random
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
)
from langgraph.checkpoint.serde.base import SerializerProtocol
from sqlalchemy import Connection, Engine

from . import queries, reading, retention
from .codec import Codec, default_serde, place_of, thread_of
from .growth import Growth
from .history import delta_history
from .journal import CallJournal
from .store import Store

if TYPE_CHECKING:  # needs greenlet, which only asynchronous engines bring
    from sqlalchemy.ext.asyncio import AsyncEngine

Found = list[CheckpointTuple]
Names = list[str]  # inside the class `list` is the method


class SQLAlchemySaver(Store, BaseCheckpointSaver[str]):
    """Keeps checkpoints in a SQL database; every method works sync and async, from any thread and loop.

    Tables are created on first use. Close it, or use it as `with` or `async with`.
    """

    def __init__(self, engine: "Engine | AsyncEngine | str", *, serde: SerializerProtocol | None = None) -> None:
        BaseCheckpointSaver.__init__(self, serde=serde or default_serde())
        Store.__init__(self, engine)
        self.growth = Growth()

    @property
    def codec(self) -> Codec:
        """The serializer in force: `with_allowlist` copies the saver and changes it."""
        return Codec(self.serde, self.growth)

    @classmethod
    def from_conn_string(cls, url: str) -> Self:
        """Open a saver by its URL, for `with` and for `async with`.

        Raises:
            StoreError: the URL cannot be used.

        """
        return cls(url)

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint after the one that `config` names."""
        done: RunnableConfig = self.writer.run(
            self.codec.putting(config, checkpoint, metadata, new_versions), thread_of(config)
        )
        return done

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store what a task has written since the checkpoint that `config` names."""
        self.writer.run(self.codec.putting_writes(config, writes, task_id, task_path), thread_of(config))

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the checkpoint that `config` names, else the newest of its thread and namespace."""
        place, named = place_of(config), config["configurable"].get("checkpoint_id")
        return self.read(lambda connection: reading.one(self.codec, connection, place, named))

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - the base class's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Return checkpoints, newest first; without a namespace those of all, without a config those of all threads."""
        return iter(self.listed(config, filter or {}, before, limit))

    def listed(
        self, config: RunnableConfig | None, wanted: dict[str, Any], before: RunnableConfig | None, limit: int | None
    ) -> Found:
        """Collect what `list` and `alist` return; the filter compares by equality, and the limit counts what passes."""
        given = config["configurable"] if config else {}

        def work(connection: Connection) -> Found:
            found = queries.find(
                connection,
                place_of(config) if config else None,
                all_namespaces="checkpoint_ns" not in given,
                id=given.get("checkpoint_id"),
                before=before["configurable"].get("checkpoint_id") if before else None,
                limit=None if wanted else limit,
            )
            passing = [row for row in found if self.codec.passes(row, wanted)] if wanted else found
            return reading.tuples_of(self.codec, connection, passing[:limit])

        return self.read(work)

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """Return what the ancestors of a checkpoint wrote to channels since each one's last stored value."""
        place, named = place_of(config), config["configurable"].get("checkpoint_id")

        def work(connection: Connection) -> Mapping[str, DeltaChannelHistory]:
            found = queries.find(connection, place, id=named, limit=1)
            return delta_history(self.codec, connection, place, found[0].parent if found else None, channels)

        return self.read(work)

    def delete_thread(self, thread_id: str) -> None:
        """Forget a thread: checkpoints, values and writes in all namespaces, journal and lease."""
        self.write(lambda connection: retention.delete_thread(connection, thread_id))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Forget the checkpoints that runs have made, and what only they refer to."""
        self.write(lambda connection: retention.delete_runs(self.codec, connection, run_ids))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread with its whole history."""
        self.write(lambda connection: retention.copy_thread(connection, source_thread_id, target_thread_id))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Shorten threads: `keep_latest` keeps the newest state and what resuming needs, `delete` keeps nothing."""
        if strategy not in {"keep_latest", "delete", "delete_all"}:
            raise ValueError(f"strategy {strategy!r} is unknown: choose keep_latest, delete or delete_all")
        for thread_id in thread_ids:
            if strategy == "keep_latest":
                self.write(partial(retention.keep_latest, self.codec, thread_id=thread_id))
            else:
                self.delete_thread(thread_id)

    def list_threads(self, limit: int | None = None) -> Names:
        """Return the ids of threads, the newest first."""
        return self.read(lambda connection: queries.list_threads(connection, limit))

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        work = self.codec.putting(config, checkpoint, metadata, new_versions)
        return await self.writer.submit(work, thread_of(config))

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        work = self.codec.putting_writes(config, writes, task_id, task_path)
        await self.writer.submit(work, thread_of(config))

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return await self.threaded(self.get_tuple, config)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        for found in await self.threaded(self.listed, config, filter or {}, before, limit):
            yield found

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        return await self.threaded(self.get_delta_channel_history, config=config, channels=channels)

    async def adelete_thread(self, thread_id: str) -> None:
        await self.threaded(self.delete_thread, thread_id)

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        await self.threaded(self.delete_for_runs, run_ids)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        await self.threaded(self.copy_thread, source_thread_id, target_thread_id)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        await self.threaded(self.prune, thread_ids, strategy=strategy)

    async def alist_threads(self, limit: int | None = None) -> Names:
        return await self.threaded(self.list_threads, limit)

    def journal(self, thread_id: str, way: Mapping[str, str]) -> CallJournal:
        """Return the journal of the calls that a step makes: the thread, and the checkpoint in each namespace above."""
        return CallJournal(self.writer, self.codec, thread_id, way)

    def get_next_version(self, current: str | None, channel: None) -> str:
        """Return a version that sorts after `current`, and after none that another fork makes."""
        number = 0 if current is None else int(str(current).partition(".")[0])
        return f"{number + 1:032}.{random.random():016}"  # noqa: S311 - a tie-break, not a secret
