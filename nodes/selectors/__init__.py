"""The rules that choose an answer, one file each; the first in the chain that singles one out decides."""

from collections.abc import Callable

from ...state.run import Problem, Selection
from ..view import View
from .agreement import agreement
from .ballot import elected, tied
from .confidence import confidence
from .consistent import READ, consistent
from .judge import FINALISTS, judge
from .majority import majority
from .scores import scores
from .verified import verified

Selector = Callable[[View], Selection | None]

EVIDENCE: tuple[Selector, ...] = (verified, agreement, scores)
"""Rules that know more than the votes."""
CHAIN: tuple[Selector, ...] = (*EVIDENCE, confidence, majority, judge, consistent)


def choose(view: View) -> Selection:
    """Apply the rules in their order; what none of them can tell apart is chosen by arrival."""
    return next(filter(None, (rule(view) for rule in CHAIN)), None) or arrival(view)


def arrival(view: View) -> Selection:
    """Choose, of the answers tied for most votes, the one that came first; the places in a run are the order."""
    for candidate in tied(view):
        return elected(view, candidate, "first", 0)
    return Selection(candidate_id=None, confidence=0, decided_by="none", settled=False)


def most_compared(problem: Problem) -> int:
    """Return the most answers that a judge compares, or reads at once."""
    return READ if problem.answer_type == "text" else FINALISTS
