"""Of free texts, the one most like the others by their embeddings: what most of them say, without a judge."""

from collections.abc import Sequence
from operator import mul
from statistics import fmean

from ...state.run import Selection
from ..reply import type_of
from ..view import View
from .ballot import elected, leaders, margin, tied

FEWEST = 3
"""Texts; of two neither is more like the other."""


def comparable(view: View) -> bool:
    """Say whether texts are tied, free ones or of no known type, that can be told apart by their likeness."""
    free = type_of(view.problem) in {None, "text"}
    return free and len(view.votes) >= FEWEST and len(tied(view)) > 1


def medoid(view: View, vectors: Sequence[Sequence[float]]) -> Selection | None:
    """Choose, of the tied texts, the one nearest to all others; the vectors are those of the votes, of length 1."""
    alike = dict(zip([item.id for item in view.votes], likeness(vectors), strict=True))
    finalists = {item.id: item for item in tied(view)}
    among = {key: max(0.0, alike[key]) for key in finalists}
    best = leaders(among)
    return elected(view, finalists[best[0]], "consistent", margin(among)) if len(best) == 1 else None


def likeness(vectors: Sequence[Sequence[float]]) -> list[float]:
    """Return for each vector its mean cosine with the others."""
    return [
        fmean(sum(map(mul, one, other)) for place, other in enumerate(vectors) if place != index)
        for index, one in enumerate(vectors)
    ]
