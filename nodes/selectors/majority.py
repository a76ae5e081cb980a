"""The answer that most candidates gave: self-consistency (Wang et al. 2022, arXiv:2203.11171)."""

from ...state.run import Selection
from ..view import View
from ..vote import tally
from .ballot import leading


def majority(view: View) -> Selection | None:
    """Choose the answer with the most votes; none on a tie."""
    return leading(view, tally(view.votes), "majority")
