"""The arithmetic of a vote."""

from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.nodes.vote import lead_probability, support, tally, top_two
from ponder.state import Candidate


def votes(*answers: str | None) -> list[Candidate]:
    return [Candidate(id=str(index), answer=answer) for index, answer in enumerate(answers)]


@pytest.mark.parametrize(
    ("threshold", "enough", "short"),
    [(0.95, [(4, 0), (6, 1), (8, 2), (9, 3)], [(3, 0), (5, 1)]), (0.90, [(3, 0), (5, 1), (6, 2)], [(2, 0), (4, 1)])],
)
def test_the_beta_rule_needs_the_leads_that_the_paper_lists(
    threshold: float, enough: list[tuple[int, int]], short: list[tuple[int, int]]
) -> None:
    assert all(lead_probability(*lead) >= threshold for lead in enough)
    assert all(lead_probability(*lead) < threshold for lead in short)


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_two_leads_of_a_pair_complete_each_other(a: int, b: int) -> None:
    assert isclose(lead_probability(a, b) + lead_probability(b, a), 1)


def test_thousands_of_votes_are_counted_as_few_are() -> None:
    assert isclose(lead_probability(1000, 1000), 0.5)
    assert 0.99 < lead_probability(1500, 1300) < 1
    assert lead_probability(5000, 0) == 1


@given(st.integers(0, 40), st.integers(0, 40))
def test_a_vote_more_makes_surer(a: int, b: int) -> None:
    assert lead_probability(a + 1, b) > lead_probability(a, b)
    some = {"x": float(a), "y": float(b)}
    assert support(some | {"x": a + 1.0}, "x") > support(some, "x")


def test_support_leaves_room_for_answers_that_nobody_gave() -> None:
    assert support({"x": 1.0}, "x") == pytest.approx(1 / 3)
    assert support({"x": 3.0}, "x") == pytest.approx(2.5 / 3.5)
    assert (support({"x": 3.0}, "y"), support({}, "x")) == (0, 0)


def test_what_holds_no_answer_does_not_vote() -> None:
    assert tally(votes("1", None, "2", "1")) == {"1": 2, "2": 1}
    assert top_two(tally(votes(None))) == (0, 0)
