"""A circuit breaker per endpoint: after failures in a row it is left out for a while, then tried with one call.

It also remembers how long its server asks to be left alone (`Retry-After`), which is no failure.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

FAILURES = 5
"""In a row, after which an endpoint is left out."""
COOL_DOWN = 30.0
"""Seconds until it is tried again."""


@dataclass
class Breaker:
    """Closed, it admits every call; open, none; every cool-down, one: if that one succeeds, it is closed again."""

    failures: int = FAILURES
    cool_down: float = COOL_DOWN
    clock: Callable[[], float] = time.monotonic
    failed: int = 0
    """In a row."""
    opened: float | None = None
    """Since when no call is admitted."""
    busy_until: float = 0.0
    """When, by the clock, its server is to be asked again."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def admits(self) -> bool:
        """Say whether to make a call; the one that tries an open endpoint starts its next cool-down."""
        with self.lock:
            if self.opened is None:
                return True
            now = self.clock()
            due = now >= self.opened + self.cool_down
            if due:
                self.opened = now
            return due

    def rest(self, seconds: float) -> None:
        """Take note that the endpoint asks to be left alone for so long."""
        with self.lock:
            self.busy_until = self.clock() + seconds

    @property
    def wait(self) -> float:
        """Seconds for which it still asks to be left alone."""
        return max(0.0, self.busy_until - self.clock())

    def succeeded(self) -> None:
        """Close it: the endpoint answers."""
        with self.lock:
            self.failed, self.opened = 0, None

    def fail(self, *, for_good: bool = False) -> bool:
        """Count a failure, or one that no further call can mend; return True where it has just opened."""
        with self.lock:
            self.failed = max(self.failed + 1, self.failures if for_good else 0)
            if self.failed < self.failures:
                return False
            first = self.opened is None
            self.opened = self.clock()
            return first


breakers: dict[str, Breaker] = {}
lock = threading.Lock()


def breaker_for(endpoint: str) -> Breaker:
    """Return the one breaker that the process has for an endpoint: a model at its server."""
    with lock:
        if endpoint not in breakers:
            breakers[endpoint] = Breaker()
        return breakers[endpoint]
