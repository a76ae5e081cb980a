"""Which of two candidates is better? Both orders are asked, and a conflict is no judgement."""

import re
from collections.abc import Iterable, Sequence
from itertools import permutations

from ..state.budget import Call
from ..state.run import Candidate
from .view import View

FINALISTS = 3
"""Most distinct answers that are compared pairwise: n of them cost n x (n - 1) calls."""


def comparisons(view: View, finalists: Sequence[Candidate]) -> list[Call]:
    """Return the calls that compare every pair of finalists in both orders."""
    pairs = permutations([candidate.id for candidate in finalists[:FINALISTS]], 2)
    return [view.call("judge", 0, index, parents=pair, temperature=0.0) for index, pair in enumerate(pairs)]


def favourite(finalists: Sequence[Candidate], calls: Iterable[Call]) -> Candidate | None:
    """Return the finalist that won most comparisons in both orders; None without a single leader."""
    said = {call.parents: better(call.reply) for call in calls if call.kind == "judge" and call.state == "done"}
    wins = {candidate.id: 0 for candidate in finalists}
    for (first, second), verdict in said.items():
        if verdict == 1 and said.get((second, first)) == 2:  # noqa: PLR2004 - the second, in the other order
            wins[first] = wins.get(first, 0) + 1
    ranked = sorted(finalists, key=lambda candidate: -wins[candidate.id])
    clear = len(ranked) > 1 and wins[ranked[0].id] > wins[ranked[1].id]
    return ranked[0] if clear else None


def better(text: str) -> int | None:
    """Read the last 'Better: 1' or 'Better: 2' off a reply."""
    found = re.findall(r"better\W{0,4}([12])\b", text, re.IGNORECASE)
    return int(found[-1]) if found else None
