"""AB-MCTS: at each node Thompson sampling chooses between a new attempt there (wider) and one further down (deeper).

Adaptive branching Monte Carlo tree search with posteriors of its own for each action, there called AB-MCTS-A (Inoue et
al. 2025, arXiv:2503.04412), prior Beta(1/2, 1/2); a score of r counts as r of a success. Draws that are made at once do
not know of each other's outcome. Of several models each is an arm of its own for new attempts, at every node.
"""

from collections.abc import Sequence
from random import Random

from ...state.settings import Settings
from ..tree import Move, Node, Tally, Tree

PRIOR = 0.5


def ab_mcts(tree: Tree, settings: Settings) -> list[Move]:
    """Draw where to make the next attempts, `window` of them; the seed and the nodes so far decide."""
    random = Random(f"{settings.seed}/{len(tree.nodes)}")  # noqa: S311 - nothing secret
    return [descend(tree, random) for _ in range(settings.window)]


def descend(tree: Tree, random: Random) -> Move:
    """Walk down from the start until a new attempt wins."""
    here: Node | None = None
    while True:
        place = here.id if here else ""
        children = tree.children.get(place, [])
        open_ = [child for child in children if not child.closed]
        wider = {model: draw(random, scored(children, model)) for model in tree.models or ("",)}
        model = max(wider, key=wider.__getitem__)
        new, made = scored(children), tree.made.get(place, Tally())
        if not open_ or wider[model] >= draw(random, made.plus(-new.total, -new.count)):
            return Move(here, model)
        draws = {child.id: draw(random, tree.made.get(child.id, Tally()).plus(child.score, 1)) for child in open_}
        here = max(open_, key=lambda child: draws[child.id])


def scored(children: Sequence[Node], model: str = "") -> Tally:
    """Add up what attempts score, all or those of one model."""
    scores = [child.score for child in children if model in {"", child.model}]
    return Tally(sum(scores), len(scores))


def draw(random: Random, seen: Tally) -> float:
    """Draw from the posterior of what an attempt scores."""
    return random.betavariate(PRIOR + max(0.0, seen.total), PRIOR + max(0.0, seen.count - seen.total))
