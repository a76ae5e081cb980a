"""Search over attempts: score them, choose by an algorithm which to work on, and ask for more in parallel.

The algorithm sees the tree of what was made so far and nothing else. Attempts of earlier branches are its first nodes,
where it works on whole solutions; `beam` begins anew and adds step by step. Equal answers are one node.
"""

from collections.abc import Sequence
from functools import lru_cache

from ...nodes.critique import score_of, told, usable
from ...nodes.dispatch import Done, Wave
from ...nodes.prompts import STEPWISE, STRATEGIES
from ...nodes.searches import SEARCHES
from ...nodes.tree import Move, Node, Tree
from ...nodes.view import View
from ...state.budget import Call, CallKind
from ...state.run import Candidate

INITIAL = 3
COMPLETE = 0.9
"""Score, 0 to 1, at which a candidate counts as complete; a verifier's pass always does."""


def plan(view: View) -> Wave | Done:
    """Ask for initial candidates, for their checks, or for what the algorithm wants next."""
    stepwise = view.settings.search == "beam"
    candidates = [item for item in view.candidates if (not stepwise or part(item)) and usable(item)]
    firsts = equals(candidates)
    nodes = [item for item, first in zip(candidates, firsts, strict=True) if item is first]
    if not view.own and not stepwise and len(nodes) < INITIAL:
        names = tuple(STRATEGIES)
        return Wave([view.call("sample", 0, index, strategy=names[index]) for index in range(INITIAL - len(nodes))])
    rounds = max((turn(call.id) for call in view.own), default=0) // 2
    scores = {node.id: score for node in nodes if (score := score_of(view, node)) is not None}
    unchecked = [node for node in nodes if node.id not in scores]
    if unchecked:
        # Numbered through the visit: where the budget admits only some, the others come in a later wave.
        made = len({call.candidate_id for call in view.own if call.kind == "critique"})
        places = enumerate(unchecked, made)
        return Wave([view.call("critique", 1 + 2 * rounds, at, parents=(node.id,)) for at, node in places], rounds)
    if any(complete(node, scores[node.id]) for node in nodes):
        return Done("complete", rounds)
    if rounds >= view.settings.max_iterations:
        return Done("iterations made", rounds)
    patience = view.settings.patience
    if rounds >= patience and not gained(view, scores, 2 * (rounds - patience)):
        return Done("patience", rounds)
    tree = Tree(tree_of(candidates, firsts, scores), view.models)
    wanted = SEARCHES[view.settings.search](tree, view.settings)
    first = 0 if stepwise and not view.own else 2 + 2 * rounds
    calls = [work(view, first, index, move) for index, move in enumerate(wanted)]
    return Wave(calls, rounds) if calls else Done("queue empty", rounds)


def work(view: View, at: int, index: int, move: Move) -> Call:
    """Ask for a new attempt, for another one than a node, or for its next step."""
    parents = (move.node.id,) if move.node else ()
    if view.settings.search == "beam":
        return view.call("step", at, index, strategy=STEPWISE, parents=parents)
    if move.node is None:
        strategy = tuple(STRATEGIES)[(at + index) % len(STRATEGIES)]
        return view.call("sample", at, index, strategy=strategy, model=move.model)
    kind: CallKind = "revise" if view.settings.search == "ab_mcts" else "expand"
    return view.call(kind, at, index, parents=parents, model=move.model)


@lru_cache(maxsize=4096)
def turn(place: str) -> int:
    """Return the turn of a call, by its id or its candidate's: even ones make attempts, odd ones check them."""
    return int(place.split("-")[2])


def part(candidate: Candidate) -> bool:
    """Say whether a candidate was made step by step."""
    return candidate.strategy == STEPWISE


def complete(node: Candidate, score: float) -> bool:
    """Say whether a candidate needs no more work."""
    verdict = told(node)
    if verdict is not None and verdict.passed is not None:
        return verdict.passed
    return score >= COMPLETE and (node.answer is not None or not part(node))


def gained(view: View, scores: dict[str, float], before: int) -> bool:
    """Say whether a better score came after a turn."""
    place = view.place
    late = {key for key in scores if key.startswith(place) and turn(key) > before}
    best = max((score for key, score in scores.items() if key not in late), default=-1.0)
    return any(scores[key] > best for key in late)


def equals(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return for each candidate the first one with its answer, or its text where there is none: they are one node."""
    seen: dict[str | tuple[str], Candidate] = {}
    return [seen.setdefault((item.written,) if item.answer is None else item.answer, item) for item in candidates]


def tree_of(candidates: Sequence[Candidate], firsts: Sequence[Candidate], scores: dict[str, float]) -> list[Node]:
    """Make nodes of candidates; one that repeats an earlier one tells about the place it came from, and is closed."""
    nodes: list[Node] = []
    for item, first in zip(candidates, firsts, strict=True):
        parent = item.parents[0] if item.parents else ""
        closed = item is not first or (part(item) and item.answer is not None)
        nodes.append(Node(item.id, scores[first.id], parent if parent in scores else "", closed, item.model))
    return nodes
