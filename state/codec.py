"""Between LangGraph's objects and the store's rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_serializable_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol
from sqlalchemy import Connection, Row

from . import rows
from .rows import Place, Typed, Version
from .run import PERSISTED
from .serde import make_serde
from .tables import decode, digest


def default_serde() -> SerializerProtocol:
    """Trust ponder's own classes and LangChain's messages, and no other; encrypt when a key is set."""
    return make_serde(PERSISTED)


@dataclass(frozen=True)
class Codec:
    """Serialises values, and puts checkpoints together."""

    serde: SerializerProtocol

    def dump(self, value: object) -> Typed:
        """Serialise a value."""
        return Typed(*self.serde.dumps_typed(value))

    def load(self, typed: Typed) -> Any:
        """Bring a value back."""
        return self.serde.loads_typed((typed.type, bytes(typed.data)))

    def body_of(self, row: Row[Any]) -> dict[str, Any]:
        """Return the checkpoint (without its channels' values) and the metadata of a row."""
        body: dict[str, Any] = self.load(Typed(row.type, row.body))
        return body

    def passes(self, row: Row[Any], wanted: dict[str, Any]) -> bool:
        """Say whether a checkpoint's metadata has all these values."""
        about = self.body_of(row)["metadata"]
        return all(name in about and about[name] == value for name, value in wanted.items())

    def putting(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, new: ChannelVersions
    ) -> Callable[[Connection], RunnableConfig]:
        """Serialise a checkpoint at once, before anybody changes it; return what stores it."""
        place, values = place_of(config), checkpoint["channel_values"]
        about = get_serializable_checkpoint_metadata(config, metadata)
        body = self.dump({"checkpoint": {**checkpoint, "channel_values": {}}, "metadata": about})
        fresh = [
            (name, version, self.dump(values[name]) if name in values else Typed(rows.ABSENT, b""))
            for name, version in new.items()
        ]

        def put(connection: Connection) -> RunnableConfig:
            rows.put_blobs(connection, place, fresh)
            parent = config["configurable"].get("checkpoint_id")
            rows.put(connection, place, checkpoint["id"], parent, about.get("run_id"), body)
            return config_of(place, checkpoint["id"])

        return put

    def putting_writes(
        self, config: RunnableConfig, made: Sequence[tuple[str, Any]], task_id: str, task_path: str
    ) -> Callable[[Connection], None]:
        """Serialise what a task has written; return what stores it."""
        place, checkpoint_id = place_of(config), config["configurable"]["checkpoint_id"]
        dumped = [
            rows.Write(WRITES_IDX_MAP.get(channel, index), channel, self.dump(value))
            for index, (channel, value) in enumerate(made)
        ]
        return lambda connection: rows.put_writes(connection, place, checkpoint_id, task_id, task_path, dumped)

    def tuples_of(self, connection: Connection, rows_: Sequence[Row[Any]]) -> list[CheckpointTuple]:
        """Put checkpoints together from their rows, values and pending writes; a few queries for all of a place."""
        bodies = [self.body_of(row) for row in rows_]
        values: dict[Place, dict[Version, Typed]] = {}
        pending: dict[Place, dict[bytes, list[rows.Pending]]] = {}
        for place in dict.fromkeys(place_in(row) for row in rows_):
            here = [(row, body) for row, body in zip(rows_, bodies, strict=True) if place_in(row) == place]
            wanted = {key for _, body in here for key in versions_in(body["checkpoint"]).values()}
            values[place] = rows.load_blobs(connection, place, list(wanted))
            pending[place] = rows.load_writes(connection, place, [bytes(row.id) for row, _ in here])
        return [
            self.joined(row, body, values[place_in(row)], pending[place_in(row)].get(bytes(row.id), []))
            for row, body in zip(rows_, bodies, strict=True)
        ]

    def joined(
        self, row: Row[Any], body: dict[str, Any], stored: dict[Version, Typed], pending: list[rows.Pending]
    ) -> CheckpointTuple:
        """Put one checkpoint together."""
        checkpoint, place = body["checkpoint"], place_in(row)
        checkpoint["channel_values"] = {
            name: self.load(stored[key])
            for name, key in versions_in(checkpoint).items()
            if key in stored and stored[key].type != rows.ABSENT
        }
        return CheckpointTuple(
            config=config_of(place, decode(row.id)),
            checkpoint=checkpoint,
            metadata=body["metadata"],
            parent_config=None if row.parent is None else config_of(place, decode(row.parent)),
            pending_writes=[(task, channel, self.load(value)) for task, channel, value in pending],
        )


def place_in(row: Row[Any]) -> Place:
    """Read thread and namespace off a checkpoint's row."""
    return Place(decode(row.thread_id), decode(row.ns_name))


def versions_in(checkpoint: Checkpoint) -> dict[str, Version]:
    """Channel -> where its value is stored."""
    named = checkpoint["channel_versions"].items()
    return {name: (digest(name), rows.version_key(version)) for name, version in named}


def place_of(config: RunnableConfig) -> Place:
    """Read thread and namespace off a config."""
    given = config["configurable"]
    return Place(str(given["thread_id"]), given.get("checkpoint_ns", ""))


def config_of(place: Place, checkpoint_id: str) -> RunnableConfig:
    """Name a checkpoint."""
    return {"configurable": {"thread_id": place.thread_id, "checkpoint_ns": place.ns, "checkpoint_id": checkpoint_id}}
