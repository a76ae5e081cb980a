"""Which of two candidates is better? Both orders are asked, and a conflict is no judgement.

Judges prefer a place: on JudgeBench o1-mini contradicts itself on 31% of the pairs when they change places (Tan et al.
2024, arXiv:2410.12784).
"""

from collections.abc import Iterable, Sequence
from itertools import permutations

from ...state.budget import Call
from ...state.run import Candidate, Selection
from ..view import View
from .ballot import elected, last_word, tied

FINALISTS = 4
"""Most distinct answers that are compared pairwise: n of them cost n x (n - 1) calls."""


def judge(view: View) -> Selection | None:
    """Choose the favourite of the answers that are tied for most votes; the margin is its lead in comparisons won."""
    finalists = tied(view)[:FINALISTS]
    won = wins(finalists, view.calls)
    ranked = sorted(finalists, key=lambda candidate: -won[candidate.id])
    if len(ranked) < 2 or won[ranked[0].id] == won[ranked[1].id]:  # noqa: PLR2004 - a pair
        return None
    lead = won[ranked[0].id] - won[ranked[1].id]
    return elected(view, ranked[0], "judge", lead / (len(finalists) - 1))


def comparisons(view: View, finalists: Sequence[Candidate]) -> list[Call]:
    """Return the calls that compare every pair of finalists in both orders."""
    pairs = permutations([candidate.id for candidate in finalists], 2)
    return [view.call("judge", 0, index, parents=pair, temperature=0.0) for index, pair in enumerate(pairs)]


def wins(finalists: Sequence[Candidate], calls: Iterable[Call]) -> dict[str, int]:
    """Count the comparisons that each finalist won in both orders."""
    judgements = [call for call in calls if call.kind == "judge" and call.state == "done" and not call.strategy]
    said = {call.parents: better(call.reply) for call in judgements}
    won = {candidate.id: 0 for candidate in finalists}
    for (first, second), verdict in said.items():
        if verdict == 1 and said.get((second, first)) == 2 and {first, second} <= won.keys():  # noqa: PLR2004 - the second
            won[first] += 1
    return won


def better(text: str) -> int | None:
    """Read 'Better: 1' or 'Better: Solution 2'."""
    return last_word(text, r"better\W{0,4}(?:solution[\s_]?)?([12])\b")
