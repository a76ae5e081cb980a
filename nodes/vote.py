"""Count votes, and say how sure a lead is."""

from collections.abc import Iterable
from functools import lru_cache
from math import comb

from ..state.run import Candidate

ENDLESS = 400
"""So many votes are as good as endlessly many."""


def tally(candidates: Iterable[Candidate], *, weighted: bool = False) -> dict[str, float]:
    """Answer -> its votes, most first, ties in the order of arrival; weighted: its candidates' confidence."""
    votes: dict[str, float] = {}
    for candidate in candidates:
        if candidate.answer is not None:
            weight = candidate.confidence if weighted and candidate.confidence is not None else 1.0
            votes[candidate.answer] = votes.get(candidate.answer, 0.0) + weight
    return dict(sorted(votes.items(), key=lambda item: -item[1]))


def lead_probability(first: int, second: int) -> float:
    """Return P(Beta(first+1, second+1) > 1/2), the Adaptive-Consistency rule (Aggarwal et al. 2023), in closed form.

    The probability that the leading answer is the more frequent of the two in the long run.
    """
    total = first + second + 1
    return sum(comb(total, i) for i in range(first + 1)) / float(2**total)


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


def top_two(votes: dict[str, float]) -> tuple[int, int]:
    """Return the counts of the two leading answers."""
    first, second, *_ = [*(int(count) for count in votes.values()), 0, 0]
    return first, second


def support(votes: dict[str, float], answer: str) -> float:
    """Return how far the votes support an answer: its count over all and one more; rises with each vote for it."""
    return votes.get(answer, 0.0) / (sum(votes.values()) + 1)
