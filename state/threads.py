"""What a store holds, thread by thread, told from the frames of its newest checkpoints: no state is loaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from langgraph.checkpoint.base.id import UUID
from sqlalchemy import Row, Select, case, func, select

from .checkpointer import SQLAlchemySaver
from .errors import ThreadBusy, ThreadNotFound, Unreadable, unknown
from .holders import Holder, holder, holders
from .queries import LATEST_FIRST
from .rows import Typed
from .tables import checkpoints, decode, digest, leases

Status = Literal["running", "unfinished", "finished", "foreign", "unreadable"]

UUID6 = 6
GREGORIAN = 0x01B21DD213814000
"""Of such an id's time, which counts tenths of a microsecond: where other clocks begin."""
INPUT, TO_NODE = "__start__", "branch:to:"
"""The channel of a run's input, and what those are called that send it to its nodes."""
BEGIN = f"{TO_NODE}begin"
"""The one that sends it to the first."""
SETTINGS = "ponder_settings"
"""In the metadata of every run that `solve` has started: it may have been killed before its first node."""


@dataclass(frozen=True)
class Thread:
    """One thread of a store."""

    id: str
    status: Status
    """`running`: somebody works on it now; `foreign`: a graph that is not ponder's wrote it."""
    changed: datetime
    checkpoints: int
    """In all its namespaces."""
    holder: Holder | None
    """Who works on it."""
    unreadable: str = ""
    """What to do where it was written under another key, or is damaged."""

    @property
    def age(self) -> float:
        """Seconds since its last change."""
        return max(0.0, (datetime.now(UTC) - self.changed).total_seconds())


def recent(saver: SQLAlchemySaver) -> list[bytes]:
    """Return the keys of all threads, the one that changed last first; reads an index alone."""
    ranked = select(checkpoints.c.thread, checkpoints.c.id, LATEST_FIRST.label("place")).subquery()
    with saver.reads() as connection:
        found = connection.scalars(select(ranked.c.thread).where(ranked.c.place == 1).order_by(ranked.c.id.desc()))
        return [bytes(key) for key in found]


def look(saver: SQLAlchemySaver, keys: Sequence[bytes]) -> list[Thread]:
    """Describe those of these threads that exist, in this order."""
    with saver.reads() as connection:
        working = holders(connection)
        found = connection.execute(newest_of(keys)).all()
    of: dict[bytes, list[Row[Any]]] = {key: [] for key in keys}
    for row in found:
        of[bytes(row.thread)].append(row)
    return [described(saver, own, working.get(key)) for key, own in of.items() if own]


def newest_of(keys: Sequence[bytes]) -> Select[Any]:
    """Ask for two checkpoints a thread: the newest of its root, then the newest of its subgraphs."""
    nested = case((checkpoints.c.ns == digest(""), 0), else_=1)
    latest_first = func.row_number().over(partition_by=(checkpoints.c.thread, nested), order_by=checkpoints.c.id.desc())
    count = func.count().over(partition_by=checkpoints.c.thread)
    named = (latest_first.label("place"), nested.label("nested"), count.label("many"))
    key = (checkpoints.c.thread, checkpoints.c.ns, checkpoints.c.id)
    ranked = select(*key, *named).where(checkpoints.c.thread.in_(keys)).subquery()
    same = [column == ranked.c[column.name] for column in key]
    asked = select(checkpoints, ranked.c.nested, ranked.c.many)
    return asked.join(ranked, same[0] & same[1] & same[2]).where(ranked.c.place == 1).order_by(ranked.c.nested)


def described(saver: SQLAlchemySaver, found: Sequence[Row[Any]], holder: Holder | None) -> Thread:
    """Describe a thread by its newest checkpoints."""
    status: Status
    unreadable = ""
    try:
        bodies = [saver.codec.frame(Typed(row.type, bytes(row.body)), row.thread_id) for row in found]
        status = status_of(bodies[0]) if found[0].nested == 0 else "foreign"
        changed = max(time_of(body["checkpoint"]["ts"]) for body in bodies)
    except Unreadable as error:
        status, unreadable = "unreadable", error.why
        changed = max(made_at(decode(row.id)) for row in found)
    return Thread(
        id=decode(found[0].thread_id),
        status="running" if holder else status,
        changed=changed,
        checkpoints=found[0].many,
        holder=holder,
        unreadable=unreadable,
    )


def missing(saver: SQLAlchemySaver, thread_id: str) -> ThreadNotFound | ThreadBusy:
    """Say what is known of a thread of which nothing is stored: it was never begun, has just been, or was killed."""
    with saver.reads() as connection:
        held = holder(connection, thread_id)
        begun = connection.scalar(select(leases.c.owner).where(leases.c.thread == digest(thread_id)))
    if held and not held.owner.gone:
        return ThreadBusy(f"thread {thread_id!r} is worked on by {held}, and nothing is stored yet: wait for it")
    if begun:
        return ThreadNotFound(
            f"thread {thread_id!r} was begun by a process that ended before anything was stored: "
            "nothing was paid, solve its problem again"
        )
    return unknown(thread_id)


def status_of(body: Mapping[str, Any]) -> Status:
    """Tell from the frame of a thread's root how far it is: from the versions of its channels, and from its metadata.

    `begin` writes settings and an empty answer in one step, `select` the answer in the last one: a run is finished when
    its settings are older than its answer, and nothing has sent it to a node since. Whatever else is newer was put
    beside the answer by hand.
    """
    versions = body["checkpoint"]["channel_versions"]
    if "settings" in versions and "visits" in versions:
        answered = versions.get("answer", versions["settings"])
        sent = (version for name, version in versions.items() if name.startswith(TO_NODE) or name == INPUT)
        finished = versions["settings"] < answered and max(sent) <= answered
        return "finished" if finished else "unfinished"
    begun = BEGIN in versions or SETTINGS in body["metadata"]
    return "unfinished" if begun else "foreign"


def made_at(checkpoint_id: str) -> datetime:
    """Read a checkpoint's time off its id, as LangGraph makes them (uuid6)."""
    try:
        made = UUID(checkpoint_id)
    except ValueError:
        made = UUID(int=0)
    seconds = (made.time - GREGORIAN) / 10_000_000 if made.version == UUID6 else 0
    return datetime.fromtimestamp(seconds, UTC)


def time_of(text: str) -> datetime:
    """Read a checkpoint's time; one without a zone is in UTC, and what another graph wrote may be none at all."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
    return when if when.tzinfo else when.replace(tzinfo=UTC)
