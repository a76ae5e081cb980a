"""Best-first search over whole solutions.

A priority queue of candidates, ordered by their score: the best is taken, and unless it is complete its variations
are asked for in parallel. Initial candidates come from earlier branches where there are any.
"""

from ...nodes.critique import Feedback, feedback_on
from ...nodes.dispatch import Done, Wave
from ...nodes.prompts import STRATEGIES
from ...nodes.view import View
from ...state.run import Candidate

INITIAL = 3
VARIATIONS = 2
COMPLETE = 0.9
"""Score, 0 to 1, at which a candidate counts as complete; a verifier's pass always does."""


def plan(view: View) -> Wave | Done:
    """Ask for initial candidates, for their checks, or for variations of the best."""
    expanded = {call.parents[0] for call in view.own if call.kind == "expand"}
    rounds = len(expanded)
    nodes = distinct(view)
    if len(nodes) < INITIAL and not view.own:
        missing = range(INITIAL - len(nodes))
        names = tuple(STRATEGIES)
        return Wave([view.call("sample", 0, index, strategy=names[index]) for index in missing])
    known = {node.id: feedback for node in nodes if (feedback := feedback_on(view, node))}
    unchecked = [node for node in nodes if node.id not in known]
    if unchecked:
        # Numbered through the visit: where the budget admits only some, the others come in a later wave.
        made = len({call.candidate_id for call in view.own if call.kind == "critique"})
        checks = [
            view.call("critique", 1 + 2 * rounds, made + index, parents=(node.id,))
            for index, node in enumerate(unchecked)
        ]
        return Wave(checks, rounds)
    if any(complete(node, known[node.id]) for node in nodes):
        return Done("complete", rounds)
    queue = sorted(nodes, key=lambda node: -known[node.id].score)
    best = next((node for node in queue if node.id not in expanded), None)
    if best is None or rounds >= view.settings.max_iterations:
        return Done("iterations made" if best else "queue empty", rounds)
    return Wave(
        [view.call("expand", 2 + 2 * rounds, index, parents=(best.id,)) for index in range(VARIATIONS)],
        rounds,
    )


def complete(node: Candidate, feedback: Feedback) -> bool:
    """Say whether a candidate needs no more work."""
    if node.verdict is not None and node.verdict.passed is not None:
        return node.verdict.passed
    return feedback.score >= COMPLETE


def distinct(view: View) -> list[Candidate]:
    """Return one candidate per answer: equal ones are one node of the search."""
    nodes: dict[str, Candidate] = {}
    for candidate in view.candidates:
        if candidate.written and not candidate.error:
            nodes.setdefault(candidate.answer or candidate.id, candidate)
    return list(nodes.values())
