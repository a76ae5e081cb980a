"""The tries at a node around: one that LangGraph tries again (`RetryPolicy`) goes on with the runs that it began."""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import count
from typing import Any

RUNTIME, SCRATCHPAD = "__pregel_runtime", "__pregel_scratchpad"
"""LangGraph's names, in a config, for what it knows of the node around."""


@dataclass
class Tries:
    """The runs that a node has begun, in all of its tries.

    LangGraph numbers the graphs that a node calls, and counts on when the node is tried again. A run gets the number of
    the one that a try before has asked the same; a new one that which it would have, had this try been the first.
    """

    began: list[tuple[int, int]] = field(default_factory=list)
    """What was asked, and the number."""
    again: dict[int, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    """Try -> those of them that it has begun or found."""
    drawn: int = 0

    def number(self, attempt: int, asked: int, next_one: int) -> int:
        """Return the number of the next run of a try; the next one is LangGraph's."""
        self.drawn += 1
        again = self.again[attempt]
        run = next((run for run in self.began if run[0] == asked and run not in again), None)
        if run is None:
            taken = {number for _, number in self.began}
            free = (number for number in count(len(again)) if number not in taken)
            # LangGraph's own is further on where graphs of others are numbered, too.
            run = asked, next(free) if self.drawn == next_one + 1 else next_one
            self.began.append(run)
        again.append(run)
        return run[1]


@lru_cache(maxsize=1024)
def tries_of(*node: object) -> Tries:  # noqa: ARG001 - it is what the cache goes by
    """Return the tries at a node."""
    return Tries()


def numbered(around: dict[str, Any], given: Any) -> dict[str, Any]:
    """Let a node that is tried again find the runs that it began before."""
    about, pad = getattr(around.get(RUNTIME), "execution_info", None), around.get(SCRATCHPAD)
    if pad is None or about is None:
        return {}
    tries, asked = tries_of(about.task_id, about.node_first_attempt_time), hash(repr(given))

    def number() -> int:
        return tries.number(about.node_attempt, asked, pad.subgraph_counter())

    return {SCRATCHPAD: replace(pad, subgraph_counter=number)}
