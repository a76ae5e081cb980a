"""AB-MCTS: at each node Thompson sampling chooses between a new attempt there (wider) and one further down (deeper).

Adaptive branching Monte Carlo tree search with posteriors of its own for each action, there called AB-MCTS-A (Inoue et
al. 2025, arXiv:2503.04412), prior Beta(1/2, 1/2); a score of r counts as r of a success. Draws that are made at once do
not know of each other's outcome. Of several models each is an arm of its own for new attempts, at every node.
"""

from collections.abc import Callable
from functools import cache, partial
from random import Random

from ...state.settings import Settings
from ..tree import Move, Node, Tree

PRIOR = 0.5
Beta = tuple[float, float]
Fork = tuple[dict[str, Beta], Beta, list[tuple[Node, Beta]]]
"""At a place, what is known of new attempts by each model, of those further down, and of each that can be gone to."""


def ab_mcts(tree: Tree, settings: Settings) -> list[Move]:
    """Draw where to make the next attempts, `window` of them; the seed and the nodes so far decide."""
    random = Random(f"{settings.seed}/{len(tree.nodes)}")  # noqa: S311 - nothing secret
    known = cache(partial(fork, tree))
    return [descend(known, random) for _ in range(settings.window)]


def descend(known: Callable[[str], Fork], random: Random) -> Move:
    """Walk down from the start until a new attempt wins."""
    here: Node | None = None
    while True:
        wider, deeper, open_ = known(here.id if here else "")
        draws = {model: random.betavariate(*seen) for model, seen in wider.items()}
        model = max(draws, key=draws.__getitem__)
        if not open_ or draws[model] >= random.betavariate(*deeper):
            return Move(here, model)
        here, _ = max(open_, key=lambda child: random.betavariate(*child[1]))


def fork(tree: Tree, place: str) -> Fork:
    """Add up what is known at a place."""
    children = tree.children.get(place, [])
    further = [tree.made[child.id] for child in children]
    new = {model: [child.score for child in children if model in {"", child.model}] for model in tree.models or ("",)}
    wider = {model: posterior(sum(scores), len(scores)) for model, scores in new.items()}
    deeper = posterior(sum(made.total for made in further), sum(made.count for made in further))
    arms = zip(children, further, strict=True)
    below = [(at, posterior(at.score + made.total, 1 + made.count)) for at, made in arms if not at.closed]
    return wider, deeper, below


def posterior(total: float, count: int) -> Beta:
    """Return what is known of an attempt's score, by those there were."""
    return PRIOR + total, PRIOR + count - total
