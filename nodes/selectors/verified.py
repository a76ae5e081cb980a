"""A candidate that an exact verifier passed is the answer; of several, the one with most votes among them."""

from ...state.run import Selection
from ..view import View
from ..vote import tally


def verified(view: View) -> Selection | None:
    """Choose among the candidates that passed; one may have passed although no answer was found in it."""
    passed = [item for item in view.candidates if item.verified]
    if not passed:
        return None
    answer = next(iter(tally(passed)), None)
    first = next(item for item in passed if item.answer == answer)
    return Selection(candidate_id=first.id, confidence=1, decided_by="verified", settled=True, margin=1)
