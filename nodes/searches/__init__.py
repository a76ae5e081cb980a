"""Which node of a search to work on next: one algorithm a file, each a pure function from the tree so far."""

from collections.abc import Callable

from ...state.settings import Settings
from ..tree import Node, Tree
from .ab_mcts import ab_mcts
from .beam import beam
from .best_first import best_first

Algorithm = Callable[[Tree, Settings], list[Node | None]]
"""What to work on next, one call each; None is a new attempt from the start, an empty list the end of the search."""

SEARCHES: dict[str, Algorithm] = {"best_first": best_first, "beam": beam, "ab_mcts": ab_mcts}
