"""The yardsticks against published figures, brute force and Monte Carlo."""

from itertools import combinations, product
from random import Random
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.nodes.vote import lead_kept, lead_probability
from tests.theory import (
    calls_until_pass,
    majority_at_k,
    mean_calls_until_pass,
    pass_at_k,
    samples_to_lead,
    vote_until,
)

counts = st.integers(1, 8).flatmap(
    lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))  # samples, of which right, drawn
)


@given(counts)
def test_the_oracle_and_its_calls_are_means_over_all_draws(given: tuple[int, int, int]) -> None:
    n, right, k = given
    draws = list(combinations([True] * right + [False] * (n - right), k))
    assert pass_at_k(n, right, k) == pytest.approx(fmean(map(any, draws)))
    waits = (1 - pass_at_k(n, right, drawn) for drawn in range(1, k))
    assert calls_until_pass(n, right, k) == pytest.approx(1 + sum(waits))


def test_calls_until_a_pass_are_those_of_drawing_in_turn() -> None:
    random = Random(1)  # noqa: S311 - nothing secret
    pile = [True] * 3 + [False] * 17
    waits = []
    for _ in range(4000):
        random.shuffle(pile)
        waits.append(min([*[place + 1 for place, passed in enumerate(pile) if passed], 8]))
    assert calls_until_pass(20, 3, 8) == pytest.approx(fmean(waits), abs=0.12)


@pytest.mark.parametrize("given", [(4, 5, 1), (4, -1, 1), (4, 2, 5), (4, 2, 0)])
def test_an_oracle_over_more_than_was_drawn_is_refused(given: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="pass@"):
        pass_at_k(*given)


@pytest.mark.parametrize(("p", "cap", "calls"), [(0, 7, 7), (1, 7, 1), (0.5, 2, 1.5), (0.1, 10_000, 10)])
def test_stopping_on_a_pass_costs_a_cut_geometric_mean(p: float, cap: int, calls: float) -> None:
    assert mean_calls_until_pass(p, cap) == pytest.approx(calls)


@pytest.mark.parametrize(
    ("law", "published"),
    [
        ((0.4, 0.15, 0.15, 0.15, 0.15), {1: 0.400, 3: 0.460, 5: 0.549, 9: 0.665, 17: 0.808, 33: 0.934}),
        ((0.4, 0.35, 0.25), {1: 0.400, 33: 0.590}),
        ((0.3, 0.5, 0.2), {1: 0.300, 33: 0.094}),
    ],
)
def test_the_majority_is_as_right_as_worked_out_elsewhere(law: tuple[float, ...], published: dict[int, float]) -> None:
    assert {k: round(majority_at_k(law, k), 3) for k in published} == published


@settings(max_examples=20)
@given(st.lists(st.floats(0.05, 1), min_size=1, max_size=3), st.integers(1, 5))
def test_the_majority_is_the_mean_over_all_votes(weights: list[float], k: int) -> None:
    law = [weight / sum(weights) for weight in weights]
    mean = 0.0
    for votes in product(range(len(law)), repeat=k):
        tally = [votes.count(answer) for answer in range(len(law))]
        chance = 1.0
        for vote in votes:
            chance *= law[vote]
        mean += chance * (tally[0] == max(tally)) / tally.count(max(tally))
    assert majority_at_k(law, k) == pytest.approx(mean)
    never = vote_until(law, lambda *_: False, k)
    assert (never.accuracy, never.calls) == (pytest.approx(mean), pytest.approx(k))


def test_a_stop_rule_costs_what_drawing_shows() -> None:
    law = (0.6, 0.3, 0.1)
    random = Random(2)  # noqa: S311 - nothing secret

    def draw() -> tuple[bool, int]:
        votes, drawn = [0, 0, 0], 0
        while True:
            votes[random.choices((0, 1, 2), law)[0]] += 1
            drawn += 1
            leader, second, _ = sorted(votes, reverse=True)
            if drawn == 12 or (drawn in {3, 7, 11} and lead_probability(leader, second) >= 0.9):
                return random.choice([answer for answer in range(3) if votes[answer] == leader]) == 0, drawn

    seen = [draw() for _ in range(4000)]
    found = vote_until(law, lambda a, b, _: lead_probability(a, b) >= 0.9, 12, first=3, window=4)
    assert found.accuracy == pytest.approx(fmean(right for right, _ in seen), abs=0.03)
    assert found.calls == pytest.approx(fmean(drawn for _, drawn in seen), abs=0.2)


def test_a_lead_that_cannot_be_caught_loses_nothing_and_saves_calls() -> None:
    law, cap = (0.5, 0.3, 0.2), 15
    stopped = vote_until(law, lambda a, b, left: a - b > left, cap)
    assert stopped.accuracy == pytest.approx(majority_at_k(law, cap))
    assert stopped.calls < 0.9 * cap


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 30))
def test_a_lead_is_kept_with_certainty_at_once_and_as_the_beta_rule_says_in_the_long_run(
    a: int, b: int, left: int
) -> None:
    first, second = max(a, b), min(a, b)
    kept = lead_kept(first, second, left)
    assert 0.5 <= kept <= 1
    assert (kept == 1) == (first - second > left)
    assert lead_kept(first, second, 390) == pytest.approx(lead_probability(first, second), abs=0.02)
    assert lead_kept(first, second, 10**9) == lead_probability(first, second)


def test_a_rival_close_behind_costs_more_than_a_rare_answer() -> None:
    assert samples_to_lead(0.4, 0.35, 0.05) > 10 * samples_to_lead(0.3, 0.05, 0.05)
    assert samples_to_lead(0.3, 0.3, 0.05) == float("inf")
    assert samples_to_lead(1, 0, 0.05) == 1
