"""What the saver reads and writes, as SQL on one connection."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, delete, func, literal, select, tuple_

from .engine import insert
from .tables import blobs, checkpoints, decode, digest, encode, journal, leases, writes

T = TypeVar("T")

IN_ONE_QUERY = 400
"""Bound parameters are limited: long lists are asked for in parts."""
ABSENT = "absent"
"""Type of a channel's version that holds no value."""


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


class Write(NamedTuple):
    """One pending write of a task."""

    idx: int
    channel: str
    value: Typed


Version = tuple[bytes, bytes]
"""Channel (digest) and its version."""
Pending = tuple[str, str, Typed]
"""Task, channel and value of a pending write."""

BLOBS = select(blobs.c.channel, blobs.c.version, blobs.c.type, blobs.c.data).where(
    blobs.c.thread == bindparam("thread"),
    blobs.c.ns == bindparam("ns"),
    tuple_(blobs.c.channel, blobs.c.version).in_(bindparam("wanted", expanding=True)),
)
WRITES = select(writes).where(
    writes.c.thread == bindparam("thread"),
    writes.c.ns == bindparam("ns"),
    writes.c.checkpoint.in_(bindparam("wanted", expanding=True)),
)


def version_key(version: object) -> bytes:
    """Store a version as text that keeps its type: 1 and "1" differ."""
    return encode(json.dumps(version))


def put(
    connection: Connection, place: Place, checkpoint_id: str, parent_id: str | None, run_id: object, body: Typed
) -> None:
    """Store a checkpoint, or store it again."""
    row = {
        **place.key,
        "id": encode(checkpoint_id),
        "parent": None if parent_id is None else encode(parent_id),
        "thread_id": encode(place.thread_id),
        "ns_name": encode(place.ns),
        "run": None if run_id is None else digest(str(run_id)),
        "type": body.type,
        "body": body.data,
    }
    insert(connection, checkpoints, [row], replace=True)


def put_blobs(connection: Connection, place: Place, values: Sequence[tuple[str, object, Typed]]) -> None:
    """Store new versions of channels; a version that is there is the same value."""
    made = [
        {**place.key, "channel": digest(channel), "version": version_key(version), "type": type_, "data": data}
        for channel, version, (type_, data) in values
    ]
    insert(connection, blobs, made, replace=False)


def put_writes(
    connection: Connection, place: Place, checkpoint_id: str, task_id: str, task_path: str, made: Iterable[Write]
) -> None:
    """Store what a task wrote: ordinary writes once, special ones (errors, interrupts, resumes) over the old."""
    rows = [
        {
            **place.key,
            "checkpoint": encode(checkpoint_id),
            "task": digest(task_id),
            "idx": write.idx,
            "task_id": task_id,
            "task_path": task_path,
            "channel": encode(write.channel),
            "type": write.value.type,
            "data": write.value.data,
        }
        for write in made
    ]
    insert(connection, writes, [row for row in rows if row["idx"] >= 0], replace=False)  # type: ignore[operator]
    insert(connection, writes, [row for row in rows if row["idx"] < 0], replace=True)  # type: ignore[operator]


def find(
    connection: Connection,
    place: Place | None,
    *,
    all_namespaces: bool = False,
    checkpoint_id: str | None = None,
    before: str | None = None,
    limit: int | None = None,
) -> Sequence[Row[Any]]:
    """Return checkpoint rows, newest first; without a place those of all threads."""
    wanted: list[ColumnElement[bool]] = []
    if place is not None:
        wanted.append(checkpoints.c.thread == place.key["thread"])
        if not all_namespaces:
            wanted.append(checkpoints.c.ns == place.key["ns"])
    if checkpoint_id is not None:
        wanted.append(checkpoints.c.id == encode(checkpoint_id))
    if before is not None:
        wanted.append(checkpoints.c.id < encode(before))
    order = (checkpoints.c.id.desc(), checkpoints.c.thread, checkpoints.c.ns)
    return connection.execute(select(checkpoints).where(*wanted).order_by(*order).limit(limit)).all()


def load_blobs(connection: Connection, place: Place, wanted: Sequence[Version]) -> dict[Version, Typed]:
    """Return the values of channels' versions in a place."""
    found: dict[Version, Typed] = {}
    for part in parts(wanted):
        for channel, version, type_, data in connection.execute(BLOBS, {**place.key, "wanted": part}):
            found[bytes(channel), bytes(version)] = Typed(type_, bytes(data))
    return found


def load_writes(connection: Connection, place: Place, ids: Sequence[bytes]) -> dict[bytes, list[Pending]]:
    """Return the pending writes of checkpoints, in the order in which a step applies them."""
    found = [row for part in parts(ids) for row in connection.execute(WRITES, {**place.key, "wanted": part})]
    ordered: dict[bytes, list[Pending]] = defaultdict(list)
    for row in sorted(found, key=lambda write: (write.task_path, write.task_id, write.idx)):
        pending = (row.task_id, decode(row.channel), Typed(row.type, bytes(row.data)))
        ordered[bytes(row.checkpoint)].append(pending)
    return ordered


def parts(wanted: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut a list into what one query may ask for."""
    return (wanted[start : start + IN_ONE_QUERY] for start in range(0, len(wanted), IN_ONE_QUERY))


def delete_thread(connection: Connection, thread_id: str) -> None:
    """Forget a thread."""
    for table in (checkpoints, blobs, writes, journal, leases):
        connection.execute(delete(table).where(table.c.thread == digest(thread_id)))


def delete_checkpoints(connection: Connection, rows: Iterable[Row[Any]]) -> set[tuple[bytes, bytes]]:
    """Forget checkpoints and their writes; return the places they were in."""
    places = set()
    for row in rows:
        place = (checkpoints.c.thread == row.thread, checkpoints.c.ns == row.ns)
        connection.execute(delete(checkpoints).where(*place, checkpoints.c.id == row.id))
        here = and_(writes.c.thread == row.thread, writes.c.ns == row.ns, writes.c.checkpoint == row.id)
        connection.execute(delete(writes).where(here))
        places.add((row.thread, row.ns))
    return places


def free_blobs(connection: Connection, place: tuple[bytes, bytes], used: set[Version]) -> None:
    """Forget the values of a place that no checkpoint refers to any more."""
    here = and_(blobs.c.thread == place[0], blobs.c.ns == place[1])
    found = connection.execute(select(blobs.c.channel, blobs.c.version).where(here)).all()
    for channel, version in found:
        if (bytes(channel), bytes(version)) not in used:
            connection.execute(delete(blobs).where(here, blobs.c.channel == channel, blobs.c.version == version))


def in_place(connection: Connection, place: tuple[bytes, bytes]) -> Sequence[Row[Any]]:
    """Return the checkpoints of a place, newest first."""
    here = (checkpoints.c.thread == place[0], checkpoints.c.ns == place[1])
    return connection.execute(select(checkpoints).where(*here).order_by(checkpoints.c.id.desc())).all()


def of_runs(connection: Connection, run_ids: Iterable[str]) -> Sequence[Row[Any]]:
    """Return the checkpoints that runs have made."""
    wanted = checkpoints.c.run.in_([digest(run_id) for run_id in run_ids])
    return connection.execute(select(checkpoints).where(wanted)).all()


def superseded(connection: Connection, thread_id: str) -> Sequence[Row[Any]]:
    """Return the checkpoints of a thread that are not the newest of their namespace."""
    rows = connection.execute(select(checkpoints).where(checkpoints.c.thread == digest(thread_id))).all()
    newest: dict[bytes, bytes] = defaultdict(bytes)
    for row in rows:
        newest[row.ns] = max(newest[row.ns], row.id)
    return [row for row in rows if row.id != newest[row.ns]]


def copy_thread(connection: Connection, source: str, target: str) -> None:
    """Copy everything of a thread under another id."""
    changed = {"thread": literal(digest(target)), "thread_id": literal(encode(target))}
    for table in (checkpoints, blobs, writes):
        values = [changed.get(column.name, column) for column in table.columns]
        chosen = select(*values).where(table.c.thread == digest(source))
        connection.execute(table.insert().from_select([column.name for column in table.columns], chosen))


def list_threads(connection: Connection, limit: int | None) -> list[str]:
    """Return the ids of threads, the newest first; ranks them by an index and reads one checkpoint a thread."""
    latest_first = func.row_number().over(partition_by=checkpoints.c.thread, order_by=checkpoints.c.id.desc())
    root = checkpoints.c.ns == digest("")
    ranked = select(checkpoints.c.thread, checkpoints.c.id, latest_first.label("rank")).where(root).subquery()
    newest = select(ranked).where(ranked.c.rank == 1).order_by(ranked.c.id.desc()).limit(limit).subquery()
    here = and_(checkpoints.c.thread == newest.c.thread, root, checkpoints.c.id == newest.c.id)
    asked = select(checkpoints.c.thread_id).join(newest, here).order_by(newest.c.id.desc())
    return [decode(thread_id) for (thread_id,) in connection.execute(asked)]
