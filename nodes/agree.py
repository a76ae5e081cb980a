"""Candidates that mean the same get one answer, so that whatever counts answers counts meanings."""

from collections.abc import Sequence

from ..state.run import Candidate
from .answers.clusters import joined
from .answers.form import Form


def agreed(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates, `5` with the answer of `5 km` where it can mean no other.

    A function of what the state holds alone: the same after a resume, and in whatever order the candidates came.
    """
    forms = [Form(item.answer, frozenset(item.aliases)) for item in candidates if item.answer is not None]
    names = joined(forms)
    return [
        item.model_copy(update={"answer": names[item.answer]}) if item.answer in names else item for item in candidates
    ]
