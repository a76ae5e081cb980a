"""What is forgotten, and what has to stay: threads, runs, superseded checkpoints; and copies of threads."""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, and_, delete, literal, select, update

from . import queries
from .codec import Codec, stored_apart
from .errors import unknown
from .history import back_to_values
from .holders import clock
from .rows import Found, Place, Version
from .tables import blobs, checkpoints, digest, encode, journal, leases, writes

OF_PLACE = (checkpoints, blobs, writes)
"""Tables whose rows are in a namespace of a thread."""
FREE = delete(blobs).where(*queries.THIS_BLOB)
LOCK = select(blobs.c.version).where(*queries.HERE_BLOBS).with_for_update()
"""Waits for whoever is about to add to a list, and keeps others from it."""
PRIORS = select(blobs.c.channel, blobs.c.version, blobs.c.prior).where(*queries.HERE_BLOBS)
STORED = select(checkpoints.c.id).where(
    *(checkpoints.c[name] == writes.c[name] for name in ("thread", "ns")), checkpoints.c.id == writes.c.checkpoint
)
"""The checkpoint that a pending write belongs to."""
TIMED = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-6[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")
DELTAS = "counters_since_delta_snapshot"
"""Metadata that names the channels whose value is to be replayed from ancestors."""


def delete_thread(connection: Connection, thread_id: str) -> None:
    """Forget a thread."""
    delete_key(connection, digest(thread_id))


def delete_key(connection: Connection, thread: bytes) -> None:
    """Forget a thread by its digest."""
    for table in (*OF_PLACE, journal, leases):
        connection.execute(delete(table).where(table.c.thread == thread))


def unbegun(connection: Connection, seconds: float) -> int:
    """Count the threads whose lease ended so long ago, and that have stored nothing: their process was killed."""
    return len(connection.scalars(select(leases.c.thread).where(*ended(connection, seconds))).all())


def delete_unbegun(connection: Connection, seconds: float) -> int:
    """Forget them; one that is begun again meanwhile stays."""
    gone = 0
    for thread in connection.scalars(select(leases.c.thread).where(*ended(connection, seconds))).all():
        if connection.execute(delete(leases).where(leases.c.thread == thread, *ended(connection, seconds))).rowcount:
            delete_key(connection, thread)
            gone += 1
    return gone


def ended(connection: Connection, seconds: float) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the conditions that a lease ended so long ago, and that its thread has no checkpoint."""
    stored = select(checkpoints.c.id).where(checkpoints.c.thread == leases.c.thread)
    return leases.c.until <= clock(connection.dialect.name) - seconds, ~stored.exists()


def copy_thread(connection: Connection, source: str, target: str) -> None:
    """Copy everything of a thread under another id, whose own rows go.

    Raises:
        ThreadNotFound: nothing is stored under the first.

    """
    if source == target:
        return
    first = select(checkpoints.c.id).where(checkpoints.c.thread == digest(source)).limit(1)
    if connection.execute(first).first() is None:
        raise unknown(source)
    delete_thread(connection, target)
    changed = {"thread": literal(digest(target)), "thread_id": literal(encode(target))}
    for table in (*OF_PLACE, journal):
        values = [changed.get(column.name, column) for column in table.columns]
        chosen = select(*values).where(table.c.thread == digest(source))
        connection.execute(table.insert().from_select([column.name for column in table.columns], chosen))


def delete_runs(codec: Codec, connection: Connection, run_ids: Iterable[str]) -> None:
    """Forget the checkpoints that runs have made, and what only they refer to."""
    made = checkpoints.c.run.in_([digest(run_id) for run_id in run_ids])
    gone: dict[Place, list[bytes]] = defaultdict(list)
    for row in connection.execute(select(checkpoints).where(made)):
        found = Found._make(row)
        gone[found.place].append(found.id)
    for place, ids in gone.items():
        for part in queries.parts(ids):
            forget(connection, place, partial(among, part))
        free_values(codec, connection, place)
    for thread_id in {place.thread_id for place in gone}:
        free_calls(connection, thread_id)


def keep_latest(codec: Codec, connection: Connection, thread_id: str) -> None:
    """Keep the newest checkpoint of each namespace, and what it cannot do without.

    The namespace of a subgraph's call (its name has a task's id after a colon) goes when the step of the root graph
    that called it is superseded. A step that is newer than the newest one stored is about to be.
    """
    heads = [head_of(codec, connection, thread_id, ns) for ns in namespaces(connection, thread_id)]
    root = next((head.id for head in heads if not head.place.ns), b"")
    stored = set(connection.scalars(select(checkpoints.c.id).where(*rows_of(checkpoints, Place(thread_id)))))
    for head in heads:
        if ":" in head.place.ns and head.called_from is not None and is_past(head.called_from, root, stored):
            delete_place(connection, head.place)
        else:
            shorten(codec, connection, head)
    free_strays(connection, thread_id, root)
    free_calls(connection, thread_id)


@dataclass(frozen=True)
class Head:
    """The newest checkpoint of a namespace."""

    place: Place
    id: bytes
    parent: bytes | None
    about: dict[str, Any]
    """Its metadata."""

    @property
    def called_from(self) -> bytes | None:
        """The checkpoint of the root graph whose step called this graph."""
        root = self.about.get("parents", {}).get("")
        return None if root is None else encode(root)


def namespaces(connection: Connection, thread_id: str) -> Sequence[bytes]:
    """Return the namespaces of a thread, as digests."""
    asked = select(checkpoints.c.ns).where(checkpoints.c.thread == digest(thread_id)).distinct()
    return connection.execute(asked).scalars().all()


def head_of(codec: Codec, connection: Connection, thread_id: str, ns: bytes) -> Head:
    """Return the newest checkpoint of a namespace."""
    newest = queries.finding("thread", "ns", "limit")
    (row,) = connection.execute(newest, {"thread": digest(thread_id), "ns": ns, "limit": 1})
    found = Found._make(row)
    return Head(found.place, found.id, found.parent, codec.body_of(found)["metadata"])


def shorten(codec: Codec, connection: Connection, head: Head) -> None:
    """Forget what is older than the newest checkpoint and not needed by it.

    The value of a delta channel is replayed from its last snapshot: the ancestors back to there stay.
    """
    deltas = list(head.about.get(DELTAS) or ())
    way = back_to_values(codec, connection, head.place, head.parent, deltas) if deltas else ()
    kept = [head.id, *(ancestor.id for ancestor, _ in way)]
    forget(connection, head.place, lambda column: and_(column < head.id, column.not_in(kept)))
    free_values(codec, connection, head.place)


def among(ids: Sequence[bytes], column: Column[bytes]) -> ColumnElement[bool]:
    """Return the condition that a checkpoint is one of these."""
    return column.in_(ids)


def forget(connection: Connection, place: Place, gone: Callable[[Column[bytes]], ColumnElement[bool]]) -> None:
    """Forget checkpoints and their writes; their children have no parent then."""
    connection.execute(delete(writes).where(*rows_of(writes, place), gone(writes.c.checkpoint), STORED.exists()))
    here = rows_of(checkpoints, place)
    connection.execute(delete(checkpoints).where(*here, gone(checkpoints.c.id)))
    connection.execute(update(checkpoints).where(*here, gone(checkpoints.c.parent)).values(parent=None))


def free_values(codec: Codec, connection: Connection, place: Place) -> None:
    """Forget the values of a place that no checkpoint refers to any more, nor a list that is in use."""
    connection.execute(LOCK, place.key).all()
    used: set[Version] = set()
    for row in queries.find(connection, place):
        used.update(stored_apart(codec.body_of(row)["checkpoint"]).values())
    found = connection.execute(PRIORS, place.key)
    priors = {(bytes(channel), bytes(version)): prior for channel, version, prior in found}
    for channel, version in list(used):
        while (prior := priors.get((channel, version))) is not None:
            version = bytes(prior)  # noqa: PLW2901 - walks down the chain
            used.add((channel, version))
    gone = [{**place.key, "channel": channel, "version": version} for channel, version in priors.keys() - used]
    if gone:
        connection.execute(FREE, gone)


def free_strays(connection: Connection, thread_id: str, root: bytes) -> None:
    """Forget pending writes of past steps whose checkpoint is not stored: their run was killed before it was."""
    here = writes.c.thread == digest(thread_id)
    lonely = select(writes.c.checkpoint).where(here, writes.c.checkpoint < root, ~STORED.exists()).distinct()
    past = [id_ for id_ in connection.scalars(lonely) if is_past(id_, root)]
    for part in queries.parts(past):
        connection.execute(delete(writes).where(here, writes.c.checkpoint.in_(part), ~STORED.exists()))


def is_past(step: bytes, newest: bytes, stored: Collection[bytes] = ()) -> bool:
    """Say whether a step came before the newest stored one, and is not about to be stored.

    LangGraph's ids (uuid6) tell by their order; of ids that somebody made, only those that are stored are known.
    """
    return step != newest and (step in stored or (step < newest and all(map(TIMED.fullmatch, (step, newest)))))


def free_calls(connection: Connection, thread_id: str) -> None:
    """Forget the journal of steps whose checkpoint is gone."""
    stored = select(checkpoints.c.id).where(*rows_of(checkpoints, Place(thread_id)), checkpoints.c.id == journal.c.root)
    connection.execute(delete(journal).where(journal.c.thread == digest(thread_id), ~stored.exists()))


def delete_place(connection: Connection, place: Place) -> None:
    """Forget a namespace of a thread."""
    for table in OF_PLACE:
        connection.execute(delete(table).where(*rows_of(table, place)))


def rows_of(table: Table, place: Place) -> list[ColumnElement[bool]]:
    """Return the conditions that a row is of a place."""
    return [table.c[name] == value for name, value in place.key.items()]
