"""Between LangGraph's objects and the store's rows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    get_serializable_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer

from . import rows
from .batch import Batch, Grown
from .errors import Unreadable
from .growth import Growth, grows
from .rows import Found, Place, Record, Typed, Version
from .run import PERSISTED
from .serde import make_serde
from .tables import decode

SMALLEST = 64
"""Characters or bytes: about what a row needs for its key."""


def default_serde() -> SerializerProtocol:
    """Trust ponder's own classes and LangChain's messages, and no other; encrypt when a key is set."""
    return make_serde(PERSISTED)


@dataclass(frozen=True)
class Codec:
    """Serialises values, and puts checkpoints together."""

    serde: SerializerProtocol
    growth: Growth

    def dump(self, value: object) -> Typed:
        """Serialise a value."""
        return Typed(*self.serde.dumps_typed(value))

    def load(self, typed: Typed, what: str = "a stored value") -> Any:
        """Bring a value back."""
        with readable(what):
            return self.serde.loads_typed(typed)

    def dump_plain(self, value: object) -> Typed:
        """Serialise a value, but do not encrypt it yet."""
        serde = self.serde.serde if type(self.serde) is EncryptedSerializer else self.serde
        return Typed(*serde.dumps_typed(value))

    def seal(self, plain: Typed) -> Typed:
        """Encrypt a serialised value, where this is wanted."""
        if type(self.serde) is not EncryptedSerializer:
            return plain
        cipher, data = self.serde.cipher.encrypt(plain.data)
        return Typed(f"{plain.type}+{cipher}", data)

    def unseal(self, typed: Typed) -> Typed:
        """Decrypt a serialised value, where it is encrypted."""
        if type(self.serde) is not EncryptedSerializer or "+" not in typed.type:
            return typed
        kind, _, cipher = typed.type.partition("+")
        with readable("a stored value"):
            return Typed(kind, self.serde.cipher.decrypt(cipher, typed.data))

    def body_of(self, row: Found) -> dict[str, Any]:
        """Return the checkpoint (without its channels' values) and the metadata of a row."""
        return self.frame(Typed(row.type, row.body), row.thread_id)

    def frame(self, typed: Typed, thread: bytes) -> dict[str, Any]:
        """Bring a checkpoint's body back; an error names its thread."""
        body: dict[str, Any] = self.load(typed, f"thread {decode(thread)!r}")
        return body

    def passes(self, row: Found, wanted: dict[str, Any]) -> bool:
        """Say whether a checkpoint's metadata has all these values."""
        about = self.body_of(row)["metadata"]
        return all(name in about and about[name] == value for name, value in wanted.items())

    def putting(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata, new: ChannelVersions
    ) -> Batch:
        """Serialise a checkpoint at once, before anybody changes it; return what stores it."""
        place, values = place_of(config), checkpoint["channel_values"]
        about = get_serializable_checkpoint_metadata(config, metadata)
        inline = {name: value for name, value in values.items() if is_small(value)}
        apart = [name for name in values if name not in inline]
        body = self.dump({"checkpoint": {**checkpoint, "channel_values": inline}, "apart": apart, "metadata": about})
        parent = config["configurable"].get("checkpoint_id")
        made = rows.checkpoint_row(place, checkpoint["id"], parent, about.get("run_id"), body)
        fresh = [self.value_row(place, name, new[name], values[name]) for name in apart if name in new]
        return Batch(values=fresh, checkpoints=[made], result=config_of(place, checkpoint["id"]))

    def value_row(self, place: Place, channel: str, version: object, value: object) -> Record | Grown:
        """Serialise a channel's value; a list that has grown can be stored as what is new in it."""
        plain = self.dump_plain(value)
        row = rows.blob_row(place, channel, version)
        if grows(value, plain, row["version"]):
            added = self.growth.next((place, channel), row["version"], plain.data)
            if added is not None:
                return Grown(row, lambda: self.seal(plain), self.seal(Typed(plain.type, added.items)), added.prior)
        return {**row, **self.seal(plain)._asdict()}

    def putting_writes(
        self, config: RunnableConfig, made: Sequence[tuple[str, Any]], task_id: str, task_path: str
    ) -> Batch:
        """Serialise what a task has written; return what stores it."""
        task = rows.task_row(place_of(config), config["configurable"]["checkpoint_id"], task_id, task_path)
        indexed = [(WRITES_IDX_MAP.get(channel, index), channel, value) for index, (channel, value) in enumerate(made)]
        return Batch(
            writes=[rows.write_row(task, index, channel, self.dump(value)) for index, channel, value in indexed]
        )


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Turn what a serializer says of bytes that it cannot read into our error."""
    try:
        yield
    except (ValueError, NotImplementedError) as error:
        raise Unreadable(what, error) from error


def is_small(value: object) -> bool:
    """Say whether a value takes less room in each checkpoint than in a row of its own."""
    return (
        value is None
        or type(value) in {bool, int, float}
        or (isinstance(value, (str, bytes)) and len(value) <= SMALLEST)
    )


def stored_apart(checkpoint: Checkpoint) -> dict[str, Version]:
    """Channel -> where its value is stored, if it has one that the checkpoint itself does not hold."""
    inline, named = checkpoint["channel_values"], checkpoint["channel_versions"].items()
    return {name: (rows.channel_key(name), rows.version_key(version)) for name, version in named if name not in inline}


def thread_of(config: RunnableConfig) -> str:
    """Read the thread off a config."""
    return str(config["configurable"]["thread_id"])


def place_of(config: RunnableConfig) -> Place:
    """Read thread and namespace off a config."""
    return Place(thread_of(config), config["configurable"].get("checkpoint_ns", ""))


def config_of(place: Place, checkpoint_id: str) -> RunnableConfig:
    """Name a checkpoint."""
    return {"configurable": {"thread_id": place.thread_id, "checkpoint_ns": place.ns, "checkpoint_id": checkpoint_id}}
