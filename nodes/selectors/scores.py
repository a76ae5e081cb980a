"""The vote weighted by the verifier's scores (Li et al. 2023; Snell et al. 2024, arXiv:2408.03314).

Each answer gets the sum of its candidates' scores. Where every answer was given once that is the plain best of n, which
a weak verifier is led astray by the more candidates there are: it then looks at the first few alone.
"""

from ...state.run import Selection
from ..critique import told
from ..view import View
from .ballot import leading, scored, weighed

MOST_BY_SCORE = 8
"""Candidates among which a weak verifier may choose by its score alone."""


def scores(view: View) -> Selection | None:
    """Choose the answer with the largest sum of scores; none where a candidate was not scored, or nothing was told."""
    votes = view.votes
    if not votes or any(item.verdict is None or item.verdict.awaits for item in votes):
        return None
    if not any(map(told, votes)):
        return None
    sums = weighed(votes, scored)
    weak = any(item.verdict and item.verdict.kind == "weak" for item in votes)
    if weak and len(votes) > MOST_BY_SCORE and len(sums) == len(votes):
        sums = weighed(votes[:MOST_BY_SCORE], scored)
    return leading(view, sums, "scores")
