"""Read what is known against a candidate: a verifier's feedback or the model's critique."""

import re
from dataclasses import dataclass
from functools import lru_cache

from ..state.run import Candidate, Verdict
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


def told(candidate: Candidate) -> Verdict | None:
    """Return what a verifier says of a candidate; None where it was not asked, has not said it yet, or could not."""
    verdict = candidate.verdict
    if verdict is None or verdict.awaits or (verdict.failed and verdict.passed is False):
        return None
    return verdict


def feedback_on(view: View, candidate: Candidate) -> Feedback | None:
    """Return the verifier's feedback, else the model's critique; None where neither was made."""
    score, verdict = score_of(view, candidate), told(candidate)
    if score is None:
        return None
    return Feedback(score, view.critiques[candidate.id].reply if verdict is None else verdict.feedback)


def score_of(view: View, candidate: Candidate) -> float | None:
    """Return the score alone."""
    if verdict := told(candidate):
        return verdict.score
    critique = view.critiques.get(candidate.id)
    return None if critique is None else (rating(critique.reply) or 0) / 10


@lru_cache(maxsize=1024)
def rating(text: str) -> float | None:
    """Read the last 'Score: N' or 'Difficulty: N' off a reply, held within 0 and 10; None where there is none."""
    found = RATING.findall(text)
    return min(10.0, float(found[-1])) if found else None


def find(view: View, candidate_id: str) -> Candidate:
    """Return a candidate of the run by its id."""
    return next(candidate for candidate in view.stored if candidate.id == candidate_id)


def usable(candidate: Candidate) -> bool:
    """Say whether there is something to work on."""
    return bool(candidate.text or candidate.tool_calls) and not candidate.error
