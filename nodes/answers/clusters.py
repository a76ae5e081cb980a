"""Say which answers are the same.

Answers with one key are. Beyond that `5` joins `5 km`, and `B` joins `B. Paris`, where it can join no other: beside `5
km` and `5 miles` it stays alone. So the clusters are the same in whatever order the answers come.
"""

from collections.abc import Iterable, Sequence

from ...state.run import AnswerType
from .canon import meaning_of
from .meaning import Meaning


def equal(a: str, b: str, answer_type: AnswerType | None = None, *, question: str = "") -> bool:
    """Compare two raw answers by meaning; what is not of the type equals only itself.

    A pure function: programs are compared by their syntax trees, and none is run (see `nodes/agree.py` for what is).
    """
    return len(cluster([a, b], answer_type, question=question)) == 1


def cluster(answers: Sequence[str], answer_type: AnswerType | None = None, *, question: str = "") -> list[list[int]]:
    """Group the indices of equal answers, in order of first appearance."""
    # What has no meaning is named by its text, behind a sign that no key begins with.
    meanings = [meaning_of(answer, answer_type, question=question) or Meaning("\0" + answer) for answer in answers]
    groups: dict[str, list[int]] = {}
    names = joined(meanings)
    for index, meaning in enumerate(meanings):
        groups.setdefault(names.get(meaning.key, meaning.key), []).append(index)
    return list(groups.values())


def joined(meanings: Sequence[Meaning]) -> dict[str, str]:
    """Return, for each key that stands for another, the one its cluster goes by: the least of its keys."""
    if not any(meaning.aliases for meaning in meanings):
        return {}
    pairs = [(key, other) for key, others in sorted(links(meanings).items()) for other in sorted(others)]
    return merged({meaning.key for meaning in meanings}, pairs)


def merged(keys: Iterable[str], pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return, for each key that is paired with a lesser one, be it through others, the least of them all."""
    names = {key: key for key in keys}
    for first, second in pairs:
        one, two = sorted((names[first], names[second]))
        if one != two:
            names = {name: one if leader == two else leader for name, leader in names.items()}
    return {name: leader for name, leader in names.items() if name != leader}


def links(meanings: Sequence[Meaning]) -> dict[str, set[str]]:
    """Return which keys may stand for which: where both sides have one choice."""
    present = {meaning.key for meaning in meanings}
    found: dict[str, set[frozenset[str]]] = {}
    for meaning in meanings:
        if others := (meaning.aliases & present) - {meaning.key}:
            found.setdefault(meaning.key, set()).add(frozenset(others))
    # 5 km and 5000 m are one, but 5 and 5000 are not.
    single = {key: next(iter(choices)) for key, choices in found.items() if len(choices) == 1}
    claims: dict[str, set[str]] = {}
    for key, others in single.items():
        for other in others:
            claims.setdefault(other, set()).add(key)
    return {key: {other for other in others if is_clear(claims[other], single)} for key, others in single.items()}


def is_clear(claimants: set[str], single: dict[str, frozenset[str]]) -> bool:
    """Say whether those who claim a key are one, or all stand for one of them."""
    return any(all(other == hub or hub in single[other] for other in claimants) for hub in claimants)
