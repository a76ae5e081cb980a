"""Between LangGraph's objects and the store's rows."""

from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import Checkpoint, CheckpointTuple
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from sqlalchemy import Connection, Row

from . import rows
from .rows import Place, Typed, Version
from .run import PERSISTED
from .tables import decode, digest


def default_serde() -> SerializerProtocol:
    """Trust ponder's own classes and LangChain's messages, and no other."""
    return JsonPlusSerializer(allowed_msgpack_modules=[(kind.__module__, kind.__name__) for kind in PERSISTED])


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

    def tuple_of(self, connection: Connection, row: Row[Any]) -> CheckpointTuple:
        """Put a checkpoint together from its row, its values and its pending writes."""
        body = self.body_of(row)
        checkpoint = body["checkpoint"]
        keys = versions_in(checkpoint)
        stored = rows.load_blobs(connection, row, list(keys.values()))
        checkpoint["channel_values"] = {
            name: self.load(stored[key])
            for name, key in keys.items()
            if key in stored and stored[key].type != rows.ABSENT
        }
        place = Place(decode(row.thread_id), decode(row.ns_name))
        pending = rows.load_writes(connection, row)
        return CheckpointTuple(
            config=config_of(place, decode(row.id)),
            checkpoint=checkpoint,
            metadata=body["metadata"],
            parent_config=None if row.parent is None else config_of(place, decode(row.parent)),
            pending_writes=[(task, channel, self.load(value)) for task, channel, value in pending],
        )


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
