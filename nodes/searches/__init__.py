"""Which node of a search to work on next: one algorithm a file, each a pure function from the tree so far."""

from collections.abc import Callable

from ...state.settings import Settings
from ..tree import Move, Tree
from .ab_mcts import ab_mcts
from .beam import beam
from .best_first import best_first

Algorithm = Callable[[Tree, Settings], list[Move]]
"""What to do next, one call each; an empty list is the end of the search."""

SEARCHES: dict[str, Algorithm] = {"best_first": best_first, "beam": beam, "ab_mcts": ab_mcts}
