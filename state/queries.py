"""How the saver's rows are found.

No transaction is needed to read. Values are only ever forgotten together with the checkpoint that refers to them, so
what is read after a checkpoint is whole if the checkpoint is still there then.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Connection,
    FromClause,
    LargeBinary,
    Select,
    and_,
    any_,
    bindparam,
    func,
    null,
    or_,
    select,
    union_all,
)

from .rows import Found, Pending, Place, Stored, Typed, Version, Written
from .statements import fetch
from .tables import blobs, checkpoints, decode, digest, encode, writes

if TYPE_CHECKING:
    from .statements import Query

T = TypeVar("T")
OneOf = Callable[[Column[bytes]], ColumnElement[bool]]

IN_ONE_QUERY = 400
"""Bound parameters are limited: long lists are asked for in parts."""
FEW = 32
"""Versions that are looked up one by one."""

HERE_BLOBS = (blobs.c.thread == bindparam("thread"), blobs.c.ns == bindparam("ns"))
THIS_BLOB = (*HERE_BLOBS, blobs.c.channel == bindparam("channel"), blobs.c.version == bindparam("version"))
VALUE = (blobs.c.channel, blobs.c.version, blobs.c.type, blobs.c.data, blobs.c.prior, blobs.c.base)
OF_CHANNEL = (*HERE_BLOBS, blobs.c.channel == bindparam("channel"))
CHAIN = select(*VALUE).where(
    *OF_CHANNEL,
    blobs.c.version.between(bindparam("base"), bindparam("last")),
    or_(blobs.c.base == bindparam("base"), blobs.c.version == bindparam("base")),
)
LATEST_FIRST = func.row_number().over(partition_by=checkpoints.c.thread, order_by=checkpoints.c.id.desc())
"""The rank of a checkpoint among those of its thread."""
WRITE = (writes.c.task_path, writes.c.task_id, writes.c.idx, writes.c.channel, writes.c.type, writes.c.data)


def with_writes(found: FromClause, columns: Iterable[ColumnElement[Any]]) -> Select[Any]:
    """Write the query for checkpoints' columns beside their pending writes; one without any has a row of nulls."""
    same = [writes.c[name] == found.c[name] for name in ("thread", "ns")]
    joined = found.outerjoin(writes, and_(*same, writes.c.checkpoint == found.c.id))
    return select(*columns, *WRITE).select_from(joined)


def versions(one_of: OneOf) -> "Query":
    """Write the query for values of a channel."""
    return select(*VALUE).where(*OF_CHANNEL, one_of(blobs.c.version))


def stored_versions(one_of: OneOf) -> "Query":
    """Write the query for which versions of a channel are stored."""
    return select(blobs.c.channel, blobs.c.version).where(*OF_CHANNEL, one_of(blobs.c.version))


def writes_of(one_of: OneOf) -> "Query":
    """Write the query for pending writes, and for which checkpoints are there: by a join it would compare all of them.

    The range is what an index finds, where a database does not look each of the ids up in it.
    """
    here = [
        [table.c.thread == bindparam("thread"), table.c.ns == bindparam("ns"), id_ >= bindparam("first"), one_of(id_)]
        for table, id_ in ((writes, writes.c.checkpoint), (checkpoints, checkpoints.c.id))
    ]
    return union_all(
        select(writes.c.checkpoint, *WRITE).where(*here[0]),
        select(checkpoints.c.id, *(null() for _ in WRITE)).where(*here[1]),
    )


@lru_cache
def finding(*given: str) -> Select[Any]:
    """Write the query for checkpoints, newest first, once for each combination of conditions."""
    column = checkpoints.c
    conditions = {
        "thread": column.thread == bindparam("thread"),
        "ns": column.ns == bindparam("ns"),
        "id": column.id == bindparam("id"),
        "before": column.id < bindparam("before"),
        "until": column.id <= bindparam("until"),
    }
    wanted = [condition for name, condition in conditions.items() if name in given]
    query = select(checkpoints).where(*wanted)
    order = (column.id.desc(),) if "ns" in given else (column.id.desc(), column.thread, column.ns)
    return query.order_by(*order).limit(bindparam("limit")) if "limit" in given else query.order_by(*order)


def find(
    connection: Connection, place: Place | None, *, all_namespaces: bool = False, **wanted: str | bytes | int | None
) -> list[Found]:
    """Return checkpoints, newest first, of a place, of a whole thread, or without a place of all threads.

    `id`, `before` and `until` are ids of checkpoints, `limit` is a number of them.
    """
    asked: dict[str, bytes | int] = {} if place is None else dict(place.key)
    if all_namespaces:
        asked.pop("ns", None)
    for name, value in wanted.items():
        if value is not None:
            asked[name] = encode(value) if isinstance(value, str) else value
    return [Found._make(row) for row in fetch(connection, finding(*asked), asked)]


def find_one(connection: Connection, place: Place, checkpoint_id: str | None) -> tuple[Found, list[Pending]] | None:
    """Return one checkpoint, by default the newest, and its pending writes."""
    asked: dict[str, Any] = {**place.key, "limit": 1}
    if checkpoint_id is not None:
        asked["id"] = encode(checkpoint_id)
    rows = fetch(connection, finding_one(*asked), asked)
    columns = len(Found._fields)
    return (Found._make(rows[0][:columns]), pending(row[columns:] for row in rows)) if rows else None


@lru_cache
def finding_one(*given: str) -> Select[Any]:
    """Write the query for one checkpoint and its pending writes."""
    found = finding(*given).subquery()
    return with_writes(found, found.c)


def load_blobs(connection: Connection, place: Place, wanted: Collection[Version]) -> dict[Version, Stored]:
    """Return the stored values of channels' versions in a place.

    No database is sure to use its index for a list of pairs, so each version is looked up, or each channel's are.
    """
    if not wanted:
        return {}
    if len(wanted) <= FEW:
        return stored(fetch(connection, looking_up(len(wanted)), {**place.key, **numbered(wanted)}))
    return stored(by_channel(connection, versions, place, wanted))


def which_are_stored(connection: Connection, place: Place, wanted: Collection[Version]) -> set[Version]:
    """Return those of channels' versions that are stored."""
    return {(row[0], row[1]) for row in by_channel(connection, stored_versions, place, wanted)}


def by_channel(
    connection: Connection, query: Callable[[OneOf], "Query"], place: Place, wanted: Collection[Version]
) -> Iterator[Sequence[Any]]:
    """Ask for channels' versions, a channel at a time."""
    channels: dict[bytes, list[bytes]] = defaultdict(list)
    for channel, version in wanted:
        channels[channel].append(version)
    for channel, named in channels.items():
        yield from each(connection, query, {**place.key, "channel": channel}, named)


def each(
    connection: Connection, query: Callable[[OneOf], "Query"], given: Mapping[str, bytes], wanted: Sequence[bytes]
) -> Iterator[Sequence[Any]]:
    """Run a query for many keys: PostgreSQL takes them as one value, others in parts."""
    if connection.dialect.driver == "psycopg":
        yield from fetch(connection, asking(query, in_array), {**given, "wanted": list(wanted)})
        return
    for part in parts(wanted):
        yield from connection.execute(asking(query, in_list), {**given, "wanted": part})


@lru_cache
def asking(query: Callable[[OneOf], "Query"], one_of: OneOf) -> "Query":
    """Write a query once for each way to ask for many keys."""
    return query(one_of)


def in_array(column: Column[bytes]) -> ColumnElement[bool]:
    """Return the condition that a column is one of the elements of an array."""
    return column == any_(bindparam("wanted", type_=ARRAY(LargeBinary)))


def in_list(column: Column[bytes]) -> ColumnElement[bool]:
    """Return the condition that a column is one of several parameters."""
    return column.in_(bindparam("wanted", expanding=True))


@lru_cache
def looking_up(count: int) -> "Query":
    """Write the query for so many versions, each by its whole primary key."""
    one = [
        select(*VALUE).where(
            *HERE_BLOBS, blobs.c.channel == bindparam(f"channel_{n}"), blobs.c.version == bindparam(f"version_{n}")
        )
        for n in range(count)
    ]
    return union_all(*one)


def numbered(wanted: Collection[Version]) -> dict[str, bytes]:
    """Name the parameters of a query for several versions."""
    channels = {f"channel_{n}": channel for n, (channel, _) in enumerate(wanted)}
    return channels | {f"version_{n}": version for n, (_, version) in enumerate(wanted)}


def load_chain(connection: Connection, place: Place, channel: bytes, base: bytes, last: bytes) -> dict[Version, Stored]:
    """Return what lists of a channel are put together from, up to the version `last`."""
    return stored(fetch(connection, CHAIN, {**place.key, "channel": channel, "base": base, "last": last}))


def stored(found: Iterable[Sequence[Any]]) -> dict[Version, Stored]:
    """Read values off their rows."""
    return {(row[0], row[1]): Stored(Typed(row[2], row[3]), row[4], row[5]) for row in found}


def load_writes(connection: Connection, place: Place, ids: Sequence[bytes]) -> dict[bytes, list[Pending]]:
    """Return the pending writes of those checkpoints that are still there."""
    found: dict[bytes, list[Sequence[Any]]] = defaultdict(list)
    for row in each(connection, writes_of, {**place.key, "first": min(ids)}, ids) if ids else ():
        found[row[0]].append(row[1:])
    there = {checkpoint: rows for checkpoint, rows in found.items() if any(row[2] is None for row in rows)}
    return {checkpoint: pending(rows) for checkpoint, rows in there.items()}


def pending(found: Iterable[Sequence[Any]]) -> list[Pending]:
    """Read pending writes off their rows, in the order in which a step applies them."""
    made = sorted(Written._make(row) for row in found if row[2] is not None)
    return [(write.task_id, decode(write.channel), Typed(write.type, write.data)) for write in made]


def parts(wanted: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut a list into what one query may ask for."""
    return (wanted[start : start + IN_ONE_QUERY] for start in range(0, len(wanted), IN_ONE_QUERY))


def list_threads(connection: Connection, limit: int | None) -> list[str]:
    """Return the ids of threads, the newest first; ranks them by an index and reads one checkpoint a thread."""
    root = checkpoints.c.ns == digest("")
    ranked = select(checkpoints.c.thread, checkpoints.c.id, LATEST_FIRST.label("rank")).where(root).subquery()
    newest = select(ranked).where(ranked.c.rank == 1).order_by(ranked.c.id.desc()).limit(limit).subquery()
    here = and_(checkpoints.c.thread == newest.c.thread, root, checkpoints.c.id == newest.c.id)
    asked = select(checkpoints.c.thread_id).join(newest, here).order_by(newest.c.id.desc())
    return [decode(thread_id) for (thread_id,) in connection.execute(asked)]
