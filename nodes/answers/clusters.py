"""Say which answers are the same.

Answers with one key are. Beyond that `5` joins `5 km`, and `B` joins `B. Paris`, where it can join no other: beside `5
km` and `5 miles` it stays alone. So the clusters are the same in whatever order the answers come.
"""

from collections.abc import Iterable, Sequence

from ...state.run import AnswerType
from .canon import form_of
from .form import Form


def equal(a: str, b: str, answer_type: AnswerType | None = None, *, question: str = "") -> bool:
    """Compare two raw answers by meaning; what is not of the type equals only itself.

    A pure function: programs are compared by their syntax trees, and none is run (see `nodes/agree.py` for what is).
    """
    return len(cluster([a, b], answer_type, question=question)) == 1


def cluster(answers: Sequence[str], answer_type: AnswerType | None = None, *, question: str = "") -> list[list[int]]:
    """Group the indices of equal answers, in order of first appearance."""
    # What has no form is named by its text, behind a sign that no key begins with.
    forms = [form_of(answer, answer_type, question=question) or Form("\0" + answer) for answer in answers]
    groups: dict[str, list[int]] = {}
    names = joined(forms)
    for index, form in enumerate(forms):
        groups.setdefault(names.get(form.key, form.key), []).append(index)
    return list(groups.values())


def joined(forms: Sequence[Form]) -> dict[str, str]:
    """Return, for each key that stands for another, the one its cluster goes by: the least of its keys."""
    if not any(form.aliases for form in forms):
        return {}
    pairs = [(key, other) for key, others in sorted(links(forms).items()) for other in sorted(others)]
    return merged({form.key for form in forms}, pairs)


def merged(keys: Iterable[str], pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return, for each key that is paired with a lesser one, be it through others, the least of them all."""
    names = {key: key for key in keys}
    for first, second in pairs:
        one, two = sorted((names[first], names[second]))
        if one != two:
            names = {name: one if leader == two else leader for name, leader in names.items()}
    return {name: leader for name, leader in names.items() if name != leader}


def links(forms: Sequence[Form]) -> dict[str, set[str]]:
    """Return which keys may stand for which: where both sides have one choice."""
    present = {form.key for form in forms}
    found: dict[str, set[frozenset[str]]] = {}
    for form in forms:
        if others := (form.aliases & present) - {form.key}:
            found.setdefault(form.key, set()).add(frozenset(others))
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
