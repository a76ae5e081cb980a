"""The answer that most candidates gave: self-consistency (Wang et al. 2022, arXiv:2203.11171)."""

from ...state.run import Selection
from ..view import View
from ..vote import tally
from .ballot import elected, leaders, margin


def majority(view: View) -> Selection | None:
    """Choose the answer with the most votes; none on a tie."""
    counts = tally(view.votes)
    best = leaders(counts)
    return elected(view, best[0], "majority", margin(counts)) if len(best) == 1 else None
