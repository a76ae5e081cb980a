"""AB-MCTS: at each node Thompson sampling chooses between a new attempt there (wider) and one further down (deeper).

Adaptive branching Monte Carlo tree search with posteriors of its own for each action, there called AB-MCTS-A (Inoue et
al. 2025, arXiv:2503.04412), prior Beta(1/2, 1/2); a score of r counts as r of a success. Draws that are made at once do
not know of each other's outcome. Of several models each is an arm of its own for new attempts, at every node.
"""

from collections.abc import Sequence
from random import Random

from ...state.settings import Settings
from ..tree import Move, Node, Tree

PRIOR = 0.5


def ab_mcts(tree: Tree, settings: Settings) -> list[Move]:
    """Draw where to make the next attempts, `window` of them; the seed and the nodes so far decide."""
    random = Random(f"{settings.seed}/{len(tree.nodes)}")  # noqa: S311 - nothing secret
    return [descend(tree, random) for _ in range(settings.window)]


def descend(tree: Tree, random: Random) -> Move:
    """Walk down from the start until a new attempt wins."""
    here: Node | None = None
    while True:
        children = tree.children.get(here.id if here else "", [])
        wider = {model: draw(random, *scored(children, model)) for model in tree.models or ("",)}
        model = max(wider, key=wider.__getitem__)
        open_ = [child for child in children if not child.closed]
        further = [tree.made[child.id] for child in children]
        total, count = sum(tally.total for tally in further), sum(tally.count for tally in further)
        if not open_ or wider[model] >= draw(random, total, count):
            return Move(here, model)
        here = max(open_, key=lambda child: deeper(random, tree, child))


def deeper(random: Random, tree: Tree, child: Node) -> float:
    """Draw for an attempt and all that came from it."""
    made = tree.made[child.id]
    return draw(random, made.total + child.score, made.count + 1)


def scored(children: Sequence[Node], model: str = "") -> tuple[float, int]:
    """Add up what attempts score, all or those of one model."""
    scores = [child.score for child in children if model in {"", child.model}]
    return sum(scores), len(scores)


def draw(random: Random, total: float, count: int) -> float:
    """Draw from the posterior of what an attempt scores."""
    return random.betavariate(PRIOR + total, PRIOR + count - total)
