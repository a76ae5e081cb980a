"""What is costly to make of objects, made once and kept for the next time they are given."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

MOST = 16
"""Of a kind; the one not used for longest goes first."""


class Once(Generic[T]):
    """One of them: whoever wants it while it is made waits, and nobody else does."""

    def __init__(self, parts: tuple[object, ...]) -> None:
        """Keep what it is made of, and make nothing yet."""
        self.parts = parts
        self.lock = threading.Lock()
        self.made: list[T] = []

    def get(self, make: Callable[[], T]) -> T:
        """Return it, or make it."""
        with self.lock:
            if not self.made:
                self.made.append(make())
            return self.made[0]


class Kept(Generic[T]):
    """Finds what was made of equal values or of the same objects, which live as long as it is kept."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.lock = threading.Lock()
        self.known: OrderedDict[tuple[object, ...], Once[T]] = OrderedDict()

    def get(self, parts: tuple[object, ...], make: Callable[[], T]) -> T:
        """Return what was made of these parts, or make it."""
        key = tuple(map(identity, parts))
        with self.lock:
            one = self.known.setdefault(key, Once(parts))
            self.known.move_to_end(key)
            while len(self.known) > MOST:
                self.known.popitem(last=False)
        return one.get(make)


def identity(part: object) -> object:
    """Return a value as it is, and the number of an object that cannot be a key."""
    try:
        hash(part)
    except TypeError:
        return id(part)
    return part
