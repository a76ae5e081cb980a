"""What the selectors share: the leaders of a count, who speaks for an answer, and how a choice is put."""

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import TypeVar

from ...state.run import Candidate, Kind, Rule, Selection
from ..critique import told
from ..stopping import settled
from ..view import View
from ..vote import support, tally

K = TypeVar("K", bound=Hashable)

CLOSE = 1e-9
"""Sums of weights that differ by less, of the largest, are equal: they depend on the order in which they are added."""


def leaders(weights: Mapping[K, float]) -> list[K]:
    """Return the answers with the most weight, in their order."""
    most = max(weights.values(), default=0.0)
    return [answer for answer, weight in weights.items() if weight >= most - CLOSE * abs(most)]


def lead(weights: Mapping[K, float]) -> float:
    """Return how far the first answer is ahead of the second."""
    first, second, *_ = [*sorted(weights.values(), reverse=True), 0.0, 0.0]
    return first - second


def margin(weights: Mapping[K, float]) -> float:
    """Return the lead as a part of all weight there is."""
    return lead(weights) / sum(weights.values()) if max(weights.values(), default=0.0) > 0 else 0.0


def weighed(votes: Iterable[Candidate], weight: Callable[[Candidate], float]) -> dict[str, float]:
    """Add up what the candidates of each answer weigh."""
    weights: dict[str, float] = {}
    for item in votes:
        if item.answer is not None:
            weights[item.answer] = weights.get(item.answer, 0.0) + weight(item)
    return weights


def scored(candidate: Candidate) -> float:
    """Return the verifier's score; 0 where there is none."""
    return candidate.verdict.score if candidate.verdict else 0.0


def spokesman(votes: Sequence[Candidate], answer: str) -> Candidate:
    """Return the candidate that speaks for an answer: the best score, then the best confidence, then the first."""

    def standing(candidate: Candidate) -> tuple[float, float]:
        return (scored(candidate), candidate.confidence or 0)

    return max((item for item in votes if item.answer == answer), key=standing)


def tied(view: View) -> list[Candidate]:
    """Return one candidate for each of the answers with the most votes, in the order of arrival."""
    return [spokesman(view.votes, answer) for answer in leaders(tally(view.votes))]


def leading(view: View, weights: Mapping[str, float], rule: Rule) -> Selection | None:
    """Choose the answer with the most weight; none on a tie."""
    best = leaders(weights)
    return elected(view, best[0], rule, margin(weights)) if len(best) == 1 else None


def elected(
    view: View,
    chosen: str | Candidate,
    rule: Rule,
    ahead: float,
    *,
    confidence: float | None = None,
) -> Selection:
    """Put a choice: an answer, or a candidate that gave it.

    Its confidence, unless given, is that of its votes, times its mean score where a verifier scored all candidates.
    """
    votes, counts = view.votes, tally(view.votes)
    candidate = spokesman(votes, chosen) if isinstance(chosen, str) else chosen
    answer = candidate.answer or ""
    sure = counts.get(answer) == max(counts.values()) and settled(view)
    refuted = any(refutes(item) and item.answer == answer for item in votes)
    likely = support(counts, answer) * mean_score(votes, answer) if confidence is None else confidence
    return Selection(
        candidate_id=candidate.id,
        confidence=0 if refuted else likely,
        decided_by=rule,
        settled=sure and not refuted,
        margin=ahead,
    )


def mean_score(votes: Sequence[Candidate], answer: str) -> float:
    """Return what a verifier thinks of an answer; 1 where it says nothing, or was not asked about every candidate."""
    scores = [verdict.score for item in votes if item.answer == answer and (verdict := told(item))]
    return fmean(scores) if scores and all(item.verdict for item in votes) else 1.0


def refutes(candidate: Candidate) -> bool:
    """Say whether an exact verifier refused a candidate."""
    return refused_by(candidate) == "exact"


def refused_by(candidate: Candidate) -> Kind | None:
    """Return the kind of the verifier that refused a candidate; None where none did, or could tell."""
    verdict = told(candidate)
    return verdict.kind if verdict and verdict.passed is False else None


def last_word(text: str, asked: str) -> int | None:
    """Read off the last line, where a judge puts its word, the one number there; what stands before may be quoted."""
    last = next((line for line in reversed(text.splitlines()) if line.strip()), "")
    found = set(re.findall(asked, last, re.IGNORECASE))
    return int(found.pop()) if len(found) == 1 else None
