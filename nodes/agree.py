"""Candidates that mean the same get one answer, so that whatever counts answers counts meanings.

A program's meaning is its syntax tree and, where tests have run it in the sandbox, what it did on their inputs.
"""

from collections import defaultdict
from collections.abc import Sequence

from ..state.run import Candidate
from .answers.clusters import joined, merged
from .answers.meaning import Meaning


def agreed(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates, `5` with the answer of `5 km` where it can mean no other.

    A function of what the state holds alone: the same after a resume, and in whatever order the candidates came.
    """
    names = behaving(candidates)
    if any(item.aliases for item in candidates):
        meanings = [Meaning(item.answer, frozenset(item.aliases)) for item in candidates if item.answer is not None]
        names = joined(meanings) | names
    if not names:
        return list(candidates)
    return [
        item.model_copy(update={"answer": names[item.answer]}) if item.answer in names else item for item in candidates
    ]


def behaving(candidates: Sequence[Candidate]) -> dict[str, str]:
    """Return, for programs that did the same as others, the least of their answers."""
    alike: dict[str, set[str]] = defaultdict(set)
    for item in candidates:
        if item.verdict is not None and item.verdict.behaviour and item.answer is not None:
            alike[item.verdict.behaviour].add(item.answer)
    pairs = [(min(answers), other) for _, answers in sorted(alike.items()) for other in sorted(answers)]
    return merged({answer for answers in alike.values() for answer in answers}, pairs)
