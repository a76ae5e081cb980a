"""Answers are found where models put them, and compared by meaning."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.nodes.answers import cluster, equal, extract, infer_type
from ponder.state.run import AnswerType


@pytest.mark.parametrize(
    ("text", "kind", "answer"),
    [
        (r"so \boxed{\frac{1}{2}} it is", None, r"\frac{1}{2}"),
        ("Answer: 12", "number", "12"),
        ("Answer: 3\nNo wait.\nAnswer: **4**", "number", "4"),
        ("The answer is: 1,234.50 dollars", "number", "2469/2"),
        ("the answer is 8 * 2 = 16 pens", "number", "16"),
        ("steps 1, 2\n#### 42", "number", "42"),
        ("33 + 97 = 130", "number", "130"),
        ("no idea", "number", None),
        ("The answer is (C).", "choice", "C"),
        ("I would say B", "choice", "B"),
        ('The last letter is "n".', None, "n"),
        ("Answer: Tuesday.", None, "tuesday"),
        ("a poem\nof two lines", "text", "a poem of two lines"),
        ('```json\n{"b": 1, "a": 2}\n```', "json", '{"a": 2, "b": 1}'),
        ("{broken", "json", None),
        ("```python\nprint(1)\n```", "code", "print(1)"),
        ("", None, None),
    ],
)
def test_extracts(text: str, kind: AnswerType | None, answer: str | None) -> None:
    found = extract(text, kind)
    assert (found and found.canonical) == answer


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("1/2", "0.5", True),
        ("1,000", "1000.0", True),
        ("50%", "0.5", True),
        ("$5", "5", True),
        ("1e3", "1000", True),
        ("-3", "3", False),
        ("Tuesday", " tuesday. ", True),
        ("1/0", "1/0", True),
        ("9" * 5000, "9" * 5000, True),
    ],
)
def test_compares_by_meaning(a: str, b: str, same: bool) -> None:
    assert equal(a, b) is same


@given(st.lists(st.sampled_from(["1/2", "0.5", ".50", "2", "2.0", "two", "Two", ""]), max_size=10), st.randoms())
def test_clusters_do_not_depend_on_the_order_of_arrival(answers: list[str], random: object) -> None:
    order = list(range(len(answers)))
    random.shuffle(order)  # type: ignore[attr-defined]
    forward = {frozenset(group) for group in cluster(answers)}
    shuffled = {frozenset(order[i] for i in group) for group in cluster([answers[i] for i in order])}
    assert forward == shuffled


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("What is 33 + 97?", "number"),
        ("How many pens does Sam have?", "number"),
        ("Which is it?\nA) one\nB) two", "choice"),
        ("Write a Python function that sorts.", "code"),
        ("Which day of the week is it?", None),
    ],
)
def test_infers_what_is_asked_for(question: str, kind: AnswerType | None) -> None:
    assert infer_type(question) == kind
