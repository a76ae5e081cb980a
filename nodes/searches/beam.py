"""Beam search over partial solutions: Tree of Thoughts by breadth (Yao et al. 2023, arXiv:2305.10601)."""

from ...state.settings import Settings
from ..tree import Move, Node, Tree

STEPS = 2
"""Next steps that are asked for from each partial solution of the beam."""


def beam(tree: Tree, settings: Settings) -> list[Move]:
    """Add steps to the best of the longest partial solutions, `beam_width` of them."""
    if not tree.nodes:
        return [Move()] * (settings.beam_width * STEPS)
    last: list[Node] = []
    longer = tree.children.get("", [])
    while longer:
        last, longer = longer, [child for node in longer for child in tree.children.get(node.id, ())]
    best = sorted((node for node in last if not node.closed), key=lambda node: -node.score)[: settings.beam_width]
    return [Move(node) for node in best for _ in range(STEPS)]
