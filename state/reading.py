"""Puts checkpoints together from their rows, values and pending writes; a few queries for all of a place."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langgraph.checkpoint.base import CheckpointTuple
from sqlalchemy import Connection

from . import queries
from .codec import Codec, config_of, stored_apart
from .errors import StoreError
from .growth import grows, joined
from .rows import Found, Pending, Place, Stored, Typed, Version
from .tables import decode


@dataclass(frozen=True)
class Values:
    """Values of a place's channels as they are stored, and brought back."""

    codec: Codec
    stored: dict[Version, Stored]
    unsealed: dict[Version, Typed] = field(default_factory=dict)

    @classmethod
    def read(cls, codec: Codec, connection: Connection, place: Place, wanted: set[Version]) -> "Values":
        """Read what is wanted, and what lists that are stored in parts are put together from."""
        stored = queries.load_blobs(connection, place, list(wanted))
        ends: dict[Version, bytes] = {}
        for (channel, version), value in stored.items():
            if value.base is not None:
                ends[channel, value.base] = max(version, ends.get((channel, value.base), b""))
        for (channel, base), last in ends.items():
            stored |= queries.load_chain(connection, place, channel, base, last)
        return cls(codec, stored)

    def load(self, version: Version) -> Any:
        """Bring a value back."""
        return self.codec.load(self.plain(version))

    def remember(self, place: Place, versions: Mapping[str, Version], values: Mapping[str, Any]) -> None:
        """Know lists again when they grow."""
        for channel in values.keys() & versions.keys():
            version, value = versions[channel], values[channel]
            if type(value) is list and not self.codec.growth.knows((place, channel), version[1]):
                plain = self.plain(version)
                if grows(value, plain, version[1]):
                    whole = self.unseal(self.chain(version)[0]).data
                    self.codec.growth.seen((place, channel), version[1], plain.data, len(whole))

    def plain(self, version: Version) -> Typed:
        """Return a value as it was serialised, put together and not encrypted."""
        parts = [self.unseal(part) for part in self.chain(version)]
        return parts[0] if len(parts) == 1 else Typed(parts[0].type, joined([part.data for part in parts]))

    def complete(self, versions: Iterable[Version]) -> bool:
        """Say whether all of these have been found, with all that they are put together from."""
        return all(version in self.stored for named in versions for version in self.chain(named))

    def chain(self, version: Version) -> list[Version]:
        """Return the versions that a value is put together from, the whole one first, or the first one missing."""
        found = [version]
        while (stored := self.stored.get(found[-1])) and stored.prior is not None:
            found.append((version[0], stored.prior))
        return found[::-1]

    def unseal(self, version: Version) -> Typed:
        """Decrypt a stored value, once."""
        if version not in self.stored:
            raise StoreError(f"a list cannot be put together: its version {version[1]!r} is gone; restore a backup")
        if version not in self.unsealed:
            self.unsealed[version] = self.codec.unseal(self.stored[version].value)
        return self.unsealed[version]


def tuples_of(codec: Codec, connection: Connection, found: Sequence[Found]) -> list[CheckpointTuple]:
    """Put checkpoints together; those that are deleted meanwhile are left out."""
    places: dict[tuple[bytes, bytes], list[Found]] = defaultdict(list)
    for row in found:
        places[row.thread, row.ns].append(row)
    made: dict[Found, CheckpointTuple] = {}
    for here in places.values():
        made |= in_place(codec, connection, here)
    return [made[row] for row in found if row in made]


def in_place(codec: Codec, connection: Connection, found: Sequence[Found]) -> dict[Found, CheckpointTuple]:
    """Put the checkpoints of one place together."""
    place = found[0].place
    bodies = [codec.body_of(row) for row in found]
    wanted = {key for body in bodies for key in stored_apart(body["checkpoint"]).values()}
    values = Values.read(codec, connection, place, wanted)
    pending = queries.load_writes(connection, place, [row.id for row in found])
    return {
        row: together(place, row, body, values, pending[row.id])
        for row, body in zip(found, bodies, strict=True)
        if row.id in pending
    }


def together(place: Place, row: Found, body: dict[str, Any], values: Values, pending: list[Pending]) -> CheckpointTuple:
    """Put one checkpoint together."""
    checkpoint, load = body["checkpoint"], values.codec.load
    apart = {name: values.load(key) for name, key in stored_apart(checkpoint).items() if key in values.stored}
    checkpoint["channel_values"].update(apart)
    return CheckpointTuple(
        config=config_of(place, decode(row.id)),
        checkpoint=checkpoint,
        metadata=body["metadata"],
        parent_config=None if row.parent is None else config_of(place, decode(row.parent)),
        pending_writes=[(task, channel, load(value)) for task, channel, value in pending],
    )


def one(codec: Codec, connection: Connection, place: Place, checkpoint_id: str | None) -> CheckpointTuple | None:
    """Return a checkpoint, by default the newest; its lists are remembered, for a run that goes on from it."""
    while found := queries.find_one(connection, place, checkpoint_id):
        row, pending = found
        body = codec.body_of(row)
        apart = stored_apart(body["checkpoint"])
        values = Values.read(codec, connection, place, set(apart.values()))
        expected = [apart[name] for name in body.get("apart", apart) if name in apart]
        if values.complete(expected) or queries.find(connection, place, id=row.id):  # else deleted in between
            made = together(place, row, body, values, pending)
            values.remember(place, apart, made.checkpoint["channel_values"])
            return made
    return None
