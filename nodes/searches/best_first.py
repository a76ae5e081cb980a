"""Best-first search: a priority queue of attempts, of which the best is varied."""

from ...state.settings import Settings
from ..tree import Move, Tree

VARIATIONS = 2
"""Variations of the best that are asked for at once."""


def best_first(tree: Tree, settings: Settings) -> list[Move]:  # noqa: ARG001 - all searches are called alike
    """Pop the best node that was not varied yet; of equals the earlier one."""
    queue = [node for node in tree.nodes if not node.closed and node.id not in tree.children]
    best = max(queue, key=lambda node: node.score, default=None)
    return [Move(best)] * VARIATIONS if best else []
