"""The calls that have begun within the last minute under one limit.

A sliding window: a call counts from its start for 60 seconds. langchain-core's rate limiter polls and knows neither
tokens nor order, and aiolimiter belongs to one event loop, so neither would do.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass, field

MINUTE = 60.0
"""Seconds."""


@dataclass(eq=False)
class Minute:
    """At most so many calls, or so many of their tokens."""

    most: int
    of_tokens: bool = False
    calls: OrderedDict[object, tuple[float, int]] = field(default_factory=OrderedDict)
    """When each began, and what it counts."""
    used: int = 0
    """By all of them."""

    def fits(self, tokens: int) -> bool:
        """Say whether a call of so many tokens may begin; one that wants more than a minute has, in an empty one."""
        return not self.used or self.used + self.weight(tokens) <= self.most

    def weight(self, tokens: int) -> int:
        """Return what a call counts."""
        return tokens if self.of_tokens else 1

    def begin(self, call: object, tokens: int, now: float) -> None:
        """Count a call."""
        self.calls[call] = now, self.weight(tokens)
        self.used += self.weight(tokens)

    def settle(self, call: object, tokens: int) -> None:
        """Count what a call took in place of what it asked for, while its minute lasts."""
        if call in self.calls:
            began, asked = self.calls[call]
            self.calls[call] = began, self.weight(tokens)
            self.used += self.weight(tokens) - asked

    def forget(self, call: object) -> None:
        """Drop a call."""
        if call in self.calls:
            self.used -= self.calls.pop(call)[1]

    @property
    def over(self) -> float:
        """When the oldest call leaves; never, where there is none."""
        return next(iter(self.calls.values()))[0] + MINUTE if self.calls else math.inf

    def tidy(self, now: float) -> None:
        """Drop the calls that are older."""
        while self.over <= now:
            self.forget(next(iter(self.calls)))
