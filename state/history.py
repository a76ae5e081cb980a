"""How a checkpoint came about: its ancestors, and what they wrote to channels that are not stored at each step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from langgraph.checkpoint.base import DeltaChannelHistory
from sqlalchemy import Connection

from . import queries
from .codec import Codec, stored_apart
from .reading import Values
from .rows import Place, Version

PAGE = 64
"""Checkpoints read at once: an ancestor is most often the next one down."""


@dataclass(frozen=True)
class Ancestor:
    """A checkpoint on the way to another."""

    id: bytes
    inline: dict[str, Any]
    """Values of channels that it holds itself."""
    apart: dict[str, Version]
    """Where those of the other channels are, if they have any."""


Way = list[tuple[Ancestor, set[str]]]
"""Ancestors, the nearest first, and the channels whose nearest value each has."""


def back_to_values(
    codec: Codec, connection: Connection, place: Place, parent: bytes | None, channels: Sequence[str]
) -> Way:
    """Go back from a checkpoint's parent until each channel has a value."""
    way: Way = []
    missing = set(channels)
    pages = ancestors(codec, connection, place, parent)
    while missing and (page := next(pages, None)):
        wanted = {ancestor.apart[name] for ancestor in page for name in missing & ancestor.apart.keys()}
        stored = queries.which_are_stored(connection, place, wanted)
        for ancestor in page:
            apart = {name for name, key in ancestor.apart.items() if key in stored}
            way.append((ancestor, missing & (ancestor.inline.keys() | apart)))
            missing -= way[-1][1]
            if not missing:
                break
    return way


def ancestors(codec: Codec, connection: Connection, place: Place, parent: bytes | None) -> Iterator[list[Ancestor]]:
    """Go back from a checkpoint's parent to the first one, a page at a time."""
    while parent is not None:
        page = {row.id: row for row in queries.find(connection, place, until=parent, limit=PAGE)}
        way: list[Ancestor] = []
        while parent is not None and parent in page:
            row = page[parent]
            checkpoint = codec.body_of(row)["checkpoint"]
            way.append(Ancestor(row.id, checkpoint["channel_values"], stored_apart(checkpoint)))
            parent = row.parent
        if not way:
            return
        yield way


def delta_history(
    codec: Codec, connection: Connection, place: Place, parent: bytes | None, channels: Sequence[str]
) -> dict[str, DeltaChannelHistory]:
    """Return for each channel the nearest value among the ancestors, and what was written to it since."""
    way = back_to_values(codec, connection, place, parent, channels)
    apart = {name: ancestor.apart[name] for ancestor, found in way for name in found & ancestor.apart.keys()}
    values = Values.read(codec, connection, place, set(apart.values()))
    written = queries.load_writes(connection, place, [ancestor.id for ancestor, _ in way])
    history: dict[str, DeltaChannelHistory] = {name: {"writes": []} for name in channels}
    for ancestor, found in reversed(way):
        for name in found:
            seed = values.load(apart[name]) if name in apart else ancestor.inline[name]
            history[name] = {"writes": [], "seed": seed}
        for task, channel, value in written.get(ancestor.id, []):
            if channel in history:
                history[channel]["writes"].append((task, channel, codec.load(value)))
    return history
