"""What a search has found so far: attempts, each with its score and the attempt it came from."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple


class Node(NamedTuple):
    """One attempt, whole or in part."""

    id: str
    score: float
    """0 to 1."""
    parent: str = ""
    """Empty: made from the start."""
    closed: bool = False
    """Nothing is to be made from it: it is finished, or equal to an earlier one."""
    model: str = ""
    """Who made it."""


@dataclass(frozen=True)
class Move:
    """One attempt to make."""

    node: Node | None = None
    """What it works on; None: it is made from the start."""
    model: str = ""
    """Which of several models is asked; empty: whose turn it is."""


@dataclass
class Tally:
    """The scores of several attempts, added up."""

    total: float = 0.0
    count: int = 0


@dataclass(frozen=True)
class Tree:
    """The nodes in the order in which they came: each behind the one it was made from."""

    nodes: Sequence[Node]
    models: Sequence[str] = ()
    """Several models that can be asked; empty where there is one."""

    @cached_property
    def children(self) -> dict[str, list[Node]]:
        """Id of a node, or empty for the start -> what was made from it."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            found.setdefault(node.parent, []).append(node)
        return found

    @cached_property
    def made(self) -> dict[str, Tally]:
        """Id of a node, or empty for the start -> all attempts that came from it, near and far."""
        found: defaultdict[str, Tally] = defaultdict(Tally)
        for node in reversed(self.nodes):
            own, origin = found[node.id], found[node.parent]
            origin.total += own.total + node.score
            origin.count += own.count + 1
        return found
