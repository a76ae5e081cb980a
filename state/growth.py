"""How a list that has grown is stored: as the items that are new in it.

A msgpack array is a header and its items one after the other, so a list that has grown by appending begins with the
bytes of the list it was. A chain of such additions starts again with a whole list when the list has doubled: a chain is
never longer to read than twice the value, and all whole lists together take no more than twice the last one.
"""

import struct
import threading
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

from .rows import Typed

SMALLEST = 512
"""Bytes from which on a list is worth a row that refers to another."""
REMEMBERED = 4096
"""Lists of which a saver knows what it stored last; of one that it has forgotten the next version is stored whole."""
FIX, FIX_END, ARRAY16, ARRAY32 = 0x90, 0xA0, 0xDC, 0xDD


class Added(NamedTuple):
    """What a list has more than an earlier version of it."""

    items: bytes
    """A msgpack array of the new items."""
    prior: bytes
    """The version that they come after."""


@dataclass(frozen=True)
class Known:
    """A version of a list, by what it takes to recognise it at the beginning of another."""

    version: bytes
    items: int
    length: int
    digest: bytes
    room: int
    """Bytes up to which a longer list may refer to its chain."""


class Growth:
    """Remembers the last version of lists."""

    def __init__(self) -> None:
        self.known: OrderedDict[object, Known] = OrderedDict()
        self.lock = threading.Lock()

    def next(self, key: object, version: bytes, data: bytes) -> Added | None:
        """Remember a new version (a msgpack array), and return it as an addition to the one before, if it is one."""
        items, body = opened(data)
        before = self.known.get(key)
        digest = blake2b()
        grown = before is not None and before.length <= len(body) <= before.room and before.version < version
        if before is None or not grown:
            digest.update(body)
            self.remember(key, Known(version, items, len(body), digest.digest(), 2 * len(body)))
            return None
        digest.update(body[: before.length])
        grown = digest.digest() == before.digest
        digest.update(body[before.length :])
        room = before.room if grown else 2 * len(body)
        self.remember(key, Known(version, items, len(body), digest.digest(), room))
        return Added(array(items - before.items, body[before.length :]), before.version) if grown else None

    def knows(self, key: object, version: bytes) -> bool:
        """Say whether this version or a later one is remembered."""
        before = self.known.get(key)
        return before is not None and before.version >= version

    def seen(self, key: object, version: bytes, data: bytes, whole: int) -> None:
        """Remember a version that was read, in a chain whose whole list has so many bytes."""
        items, body = opened(data)
        self.remember(key, Known(version, items, len(body), blake2b(body).digest(), 2 * whole))

    def remember(self, key: object, version: Known) -> None:
        """Remember a version, and forget the list that has not changed for longest."""
        with self.lock:
            self.known[key] = version
            self.known.move_to_end(key)
            if len(self.known) > REMEMBERED:
                self.known.popitem(last=False)


def grows(value: object, plain: Typed, version: bytes) -> bool:
    """Say whether a value may be stored as an addition; a number as version is given twice where a thread forks."""
    return type(value) is list and plain.type == "msgpack" and len(plain.data) >= SMALLEST and version[:1] == b'"'


def joined(arrays: list[bytes]) -> bytes:
    """Put msgpack arrays together into one."""
    parts = [opened(data) for data in arrays]
    return array(sum(items for items, _ in parts), b"".join(body for _, body in parts))


def opened(data: bytes) -> tuple[int, memoryview]:
    """Return the number of items in a msgpack array, and their bytes."""
    view, first = memoryview(data), data[0]
    if FIX <= first < FIX_END:
        return first - FIX, view[1:]
    size = {ARRAY16: 3, ARRAY32: 5}[first]
    return int.from_bytes(data[1:size], "big"), view[size:]


def array(items: int, body: bytes | memoryview) -> bytes:
    """Return a msgpack array."""
    if items < FIX_END - FIX:
        return bytes([FIX + items]) + body
    return (struct.pack(">BH", ARRAY16, items) if items < 2**16 else struct.pack(">BI", ARRAY32, items)) + body
