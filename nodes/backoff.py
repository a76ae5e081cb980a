"""How long to wait before a call that failed is tried again."""

import random
from collections.abc import Callable

FIRST = 0.5
"""Seconds, at most, after the first failure; doubled for each one after it."""
LONGEST = 30.0
"""Seconds that it grows to."""


def backoff(failures: int, retry_after: float | None = None, chance: Callable[[], float] = random.random) -> float:
    """Return the seconds to wait: what the server asks, and a random part of a step that doubles with each failure.

    Full jitter (Brooker, "Exponential Backoff And Jitter", AWS 2015): calls that failed together do not come back
    together.
    """
    step = min(LONGEST, FIRST * 2.0 ** min(failures - 1, 16))
    return (retry_after or 0.0) + step * chance()
