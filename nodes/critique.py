"""Read what is known against a candidate: a verifier's feedback or the model's critique."""

import re
from dataclasses import dataclass

from ..state.budget import Call
from ..state.run import Candidate
from .view import View

RATING = re.compile(
    r"(?:score|difficulty)(?:\s*\((?:\d+\s*(?:\W|to)\s*\d+|(?:out )?of \d+|/\s*\d+)\))?+[^\w.]{0,4}"
    r"(\d{1,3}(?:\.\d+)?|\.\d+)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Feedback:
    """What is known against a candidate."""

    score: float
    """0 to 1; what could not be read is 0."""
    words: str


def feedback_on(view: View, candidate: Candidate) -> Feedback | None:
    """Return the verifier's feedback, else the model's critique; None where neither was made."""
    if candidate.verdict is not None:
        return Feedback(candidate.verdict.score, candidate.verdict.feedback)
    critique = critique_of(view, candidate)
    return None if critique is None else Feedback((rating(critique.reply) or 0) / 10, critique.reply)


def critique_of(view: View, candidate: Candidate) -> Call | None:
    """Return the critique of a candidate, made in whichever branch, unless it is still to be tried again."""
    waiting = {call.candidate_id for call in view.retries}
    made = [
        call
        for call in view.calls
        if call.kind == "critique"
        and call.parents == (candidate.id,)
        and call.settled
        and call.candidate_id not in waiting
    ]
    return made[-1] if made else None


def rating(text: str) -> float | None:
    """Read the last 'Score: N' or 'Difficulty: N' off a reply, held within 0 and 10; None where there is none."""
    found = RATING.findall(text)
    return min(10.0, float(found[-1])) if found else None


def find(view: View, candidate_id: str) -> Candidate:
    """Return a candidate of the run by its id."""
    return next(candidate for candidate in view.candidates if candidate.id == candidate_id)


def usable(candidate: Candidate) -> bool:
    """Say whether there is something to work on."""
    return bool(candidate.written) and not candidate.error
