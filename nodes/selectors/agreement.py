"""Programs and tests that agree: of programs that pass the same tests, the group with most programs and most tests.

CodeT (Chen et al. 2022, arXiv:2207.10397). For tests that nobody vouches for, such as the model's own: to pass the most
of them is no sign of being right, for wrong programs pass wrong tests; to pass them together with many others is.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from math import sqrt

from ...state.run import Selection
from ..view import View
from ..vote import support
from .ballot import elected, leaders, margin


def scores(groups: Sequence[Hashable], passed: Sequence[int]) -> list[float]:
    """Return for each program sqrt(the size of its group) x the tests it passes.

    A group is what behaves alike: passes the same tests, or returns the same outputs on them.
    """
    sizes = Counter(groups)
    return [sqrt(sizes[group]) * count for group, count in zip(groups, passed, strict=True)]


def agreement(view: View) -> Selection | None:
    """Choose by the tests that each candidate passed, where all ran the same ones and nobody vouches for these."""
    votes = view.votes
    rows = [item.verdict.outcomes if item.verdict and item.verdict.kind == "weak" else () for item in votes]
    if len(set(map(len, rows))) != 1 or not any(map(any, rows)):
        return None
    agreed = dict(zip(rows, scores(rows, list(map(sum, rows))), strict=True))
    best = leaders(agreed)
    if len(best) > 1:
        return None
    inside = [item for item, row in zip(votes, rows, strict=True) if row == best[0]]
    chosen = max(inside, key=lambda item: item.confidence or 0)
    return elected(view, chosen, "agreement", margin(agreed), confidence=support(Counter(rows), best[0]))
