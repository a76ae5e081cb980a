"""Search over attempts: score them, choose by an algorithm which to work on, and ask for more in parallel.

The algorithm sees the tree of what was made so far and nothing else. Attempts of earlier branches are its first nodes,
where it works on whole solutions; `beam` begins anew and adds step by step. Equal answers are one node.
"""

from collections.abc import Sequence

from ...nodes.critique import Feedback, feedback_on, usable
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
    candidates = [item for item in view.candidates if usable(item) and (part(item) or not stepwise)]
    nodes = distinct(candidates)
    if not view.own and not stepwise and len(nodes) < INITIAL:
        names = tuple(STRATEGIES)
        return Wave([view.call("sample", 0, index, strategy=names[index]) for index in range(INITIAL - len(nodes))])
    rounds = len({turn(call) for call in view.own if turn(call) % 2 == 0} - {0})
    known = {node.id: feedback for node in nodes if (feedback := feedback_on(view, node))}
    unchecked = [node for node in nodes if node.id not in known]
    if unchecked:
        # Numbered through the visit: where the budget admits only some, the others come in a later wave.
        made = len({call.candidate_id for call in view.own if call.kind == "critique"})
        places = enumerate(unchecked, made)
        return Wave([view.call("critique", 1 + 2 * rounds, at, parents=(node.id,)) for at, node in places], rounds)
    if any(complete(node, known[node.id]) for node in nodes):
        return Done("complete", rounds)
    if rounds >= view.settings.max_iterations:
        return Done("iterations made", rounds)
    patience = view.settings.patience
    if rounds >= patience and not gained(view, nodes, known, 2 * (rounds - patience)):
        return Done("patience", rounds)
    tree = Tree(tree_of(candidates, {node.id: known[node.id].score for node in nodes}), view.models)
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


def turn(call: Call) -> int:
    """Return the turn in which a call was made: even ones make attempts, odd ones check them."""
    return int(call.id.split("-")[2])


def part(candidate: Candidate) -> bool:
    """Say whether a candidate was made step by step."""
    return candidate.strategy == STEPWISE


def complete(node: Candidate, feedback: Feedback) -> bool:
    """Say whether a candidate needs no more work."""
    if node.verdict is not None and node.verdict.passed is not None:
        return node.verdict.passed
    return feedback.score >= COMPLETE and (node.answer is not None or not part(node))


def gained(view: View, nodes: Sequence[Candidate], known: dict[str, Feedback], before: int) -> bool:
    """Say whether a better score came after a turn."""
    late = {call.candidate_id for call in view.own if turn(call) > before}
    best = max((known[node.id].score for node in nodes if node.id not in late), default=-1.0)
    return any(known[node.id].score > best for node in nodes if node.id in late)


def distinct(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return one candidate per answer, or per text where there is none: equal ones are one node of the search."""
    nodes: dict[tuple[str, str], Candidate] = {}
    for candidate in candidates:
        nodes.setdefault(identity(candidate), candidate)
    return list(nodes.values())


def identity(candidate: Candidate) -> tuple[str, str]:
    """Return what equal candidates have in common."""
    return ("text", candidate.written) if candidate.answer is None else ("answer", candidate.answer)


def tree_of(candidates: Sequence[Candidate], scores: dict[str, float]) -> list[Node]:
    """Make nodes of candidates; one that repeats an earlier one tells about the place it came from, and is closed."""
    firsts: dict[tuple[str, str], str] = {}
    nodes: list[Node] = []
    for item in candidates:
        first = firsts.setdefault(identity(item), item.id)
        parent = item.parents[0] if item.parents and item.parents[0] in scores else ""
        finished = part(item) and item.answer is not None
        nodes.append(Node(item.id, scores[first], parent, finished or first != item.id, item.model))
    return nodes
