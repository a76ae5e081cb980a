"""What the saver's rows hold."""

import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from .tables import decode, digest, encode

Record = dict[str, Any]
"""A row to be stored, by column."""


@dataclass(frozen=True)
class Place:
    """A thread and a namespace in it."""

    thread_id: str
    ns: str = ""

    @cached_property
    def key(self) -> dict[str, bytes]:
        """The columns that every row of this place begins with."""
        return {"thread": digest(self.thread_id), "ns": digest(self.ns)}


class Typed(NamedTuple):
    """A serialised value."""

    type: str
    data: bytes


class Found(NamedTuple):
    """A checkpoint as it is stored."""

    thread: bytes
    ns: bytes
    id: bytes
    parent: bytes | None
    thread_id: bytes
    ns_name: bytes
    run: bytes | None
    type: str
    body: bytes

    @property
    def place(self) -> Place:
        """Thread and namespace."""
        return Place(decode(self.thread_id), decode(self.ns_name))


class Stored(NamedTuple):
    """A value as it is stored: whole, or what it has more than the version `prior`."""

    value: Typed
    prior: bytes | None
    base: bytes | None


class Written(NamedTuple):
    """A pending write as it is stored; all of it is None beside a checkpoint that has none."""

    task_path: str
    task_id: str
    idx: int | None
    channel: bytes
    type: str
    data: bytes


Version = tuple[bytes, bytes]
"""Channel (digest) and its version."""
Pending = tuple[str, str, Typed]
"""Task, channel and value of a pending write."""


@lru_cache(maxsize=4096)
def channel_key(channel: str) -> bytes:
    """Return the fixed-length key of a channel; a graph has few, and they come again at each step."""
    return digest(channel)


def version_key(version: object) -> bytes:
    """Store a version as text that keeps its type: 1 and "1" differ."""
    return encode(json.dumps(version))


def checkpoint_row(place: Place, checkpoint_id: str, parent_id: str | None, run_id: object, body: Typed) -> Record:
    """Return the row of a checkpoint."""
    return {
        **place.key,
        "id": encode(checkpoint_id),
        "parent": None if parent_id is None else encode(parent_id),
        "thread_id": encode(place.thread_id),
        "ns_name": encode(place.ns),
        "run": None if run_id is None else digest(str(run_id)),
        "type": body.type,
        "body": body.data,
    }


def blob_row(place: Place, channel: str, version: object) -> Record:
    """Return the row of a channel's version, without its value."""
    return {**place.key, "channel": channel_key(channel), "version": version_key(version)}


def task_row(place: Place, checkpoint_id: str, task_id: str, task_path: str) -> Record:
    """Return what all pending writes of a task have in common."""
    return {
        **place.key,
        "checkpoint": encode(checkpoint_id),
        "task": digest(task_id),
        "task_id": task_id,
        "task_path": task_path,
    }


def write_row(task: Record, idx: int, channel: str, value: Typed) -> Record:
    """Return the row of one pending write of a task."""
    return {**task, "idx": idx, "channel": encode(channel), "type": value.type, "data": value.data}
