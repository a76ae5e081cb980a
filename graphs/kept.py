"""What is costly to make of objects, made once and kept for the next time they are given."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

MOST = 16
"""Of a kind; the one not used for longest goes first."""


class Kept(Generic[T]):
    """Finds what was made of equal values or of the same objects, which live as long as it is kept."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.lock = threading.Lock()
        self.made: OrderedDict[tuple[object, ...], tuple[T, tuple[object, ...]]] = OrderedDict()

    def get(self, parts: tuple[object, ...], make: Callable[[], T]) -> T:
        """Return what was made of these parts, or make it."""
        key = tuple(map(identity, parts))
        with self.lock:
            if key not in self.made:
                self.made[key] = (make(), parts)
            self.made.move_to_end(key)
            while len(self.made) > MOST:
                self.made.popitem(last=False)
            return self.made[key][0]


def identity(part: object) -> object:
    """Return a value as it is, and the number of an object that cannot be a key."""
    try:
        hash(part)
    except TypeError:
        return id(part)
    return part
