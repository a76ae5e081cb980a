"""Count votes, say how sure a lead is, and how likely the leader is right."""

from collections.abc import Hashable, Iterable, Mapping
from functools import lru_cache
from math import comb
from typing import TypeVar

from ..state.run import Candidate

ENDLESS = 400
"""So many votes are as good as endlessly many."""

K = TypeVar("K", bound=Hashable)

DISCOUNT, CONCENTRATION = 0.5, 0.5
"""Of the Pitman-Yor process; they make `support` the share of right answers on the recorded data.

`tests/benchmarks/selection.py` fits them on one half and tests them on the other.
"""


def tally(candidates: Iterable[Candidate]) -> dict[str, float]:
    """Answer -> its votes, most first, ties in the order of arrival."""
    votes: dict[str, float] = {}
    for candidate in candidates:
        if candidate.answer is not None:
            votes[candidate.answer] = votes.get(candidate.answer, 0.0) + 1
    return dict(sorted(votes.items(), key=lambda item: -item[1]))


def lead_probability(first: int, second: int) -> float:
    """Return P(Beta(first+1, second+1) > 1/2), the Adaptive-Consistency rule (Aggarwal et al. 2023), in closed form.

    The probability that the leading answer is the more frequent of the two in the long run.
    """
    total = first + second + 1
    ways: int = sum(comb(total, i) for i in range(first + 1))
    return ways / (1 << total)  # which has no float above 1,023 votes


@lru_cache(maxsize=4096)
def lead_kept(first: int, second: int, left: int) -> float:
    """Return the probability that the leader is still ahead when `left` more votes have gone to either of the two.

    Ties count half. That is stochastic curtailment (Lan, Simon & Halperin 1982) of the vote: the lead follows
    BetaBinomial(left, first+1, second+1), so this is 1 where the lead cannot be caught, and `lead_probability` where
    votes without end are left.
    """
    if first - second > left:
        return 1.0
    if left > ENDLESS:
        return lead_probability(first, second)
    ways, half = 0, 0
    for gain in range(left + 1):
        lead = 2 * gain - left + first - second
        paths = comb(first + gain, gain) * comb(second + left - gain, left - gain)
        ways += paths * (lead > 0)
        half += paths * (lead == 0)
    return (2 * ways + half) / (2 * comb(first + second + left + 1, left))


def top_two(votes: Mapping[str, float]) -> tuple[int, int]:
    """Return the counts of the two leading answers."""
    first, second, *_ = [*(int(count) for count in votes.values()), 0, 0]
    return first, second


def support(votes: Mapping[K, float], answer: K) -> float:
    """Return how likely an answer is right, by its votes: the chance that one more candidate would give it.

    That is the predictive rule of the Pitman-Yor process (Pitman and Yor 1997), which leaves room for answers nobody
    gave: (count - discount) / (all + concentration). It rises with each vote for the answer and falls with each other.
    """
    return max(0.0, votes.get(answer, 0.0) - DISCOUNT) / (sum(votes.values()) + CONCENTRATION)
