"""What sampling can reach, and what it costs, worked out exactly: the yardsticks of the benchmarks.

A law is the probabilities of a problem's answers, the right one first. The Beta rule itself is in `nodes/vote.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, factorial, log, log1p, prod, sqrt

Stops = Callable[[int, int, int], bool]
"""Whether sampling ends, from the votes of the leader and of the second, and the samples that are left."""


def pass_at_k(n: int, right: int, k: int) -> float:
    """Estimate, from n samples, the probability that one of k is right: the oracle, which always picks that one.

    Unbiased for k <= n: 1 - C(n-right, k) / C(n, k), as a stable product (Chen et al. 2021, arXiv:2107.03374).
    """
    if not 0 <= right <= n or not 0 < k <= n:
        raise ValueError(f"pass@{k} of {n} samples, {right} right: k cannot exceed the samples, nor can the right ones")
    return 1.0 if n - right < k else 1 - prod(1 - k / i for i in range(n - right + 1, n + 1))


def calls_until_pass(n: int, right: int, cap: int) -> float:
    """Estimate, from n samples, the mean calls of sampling until one is right, at most `cap`: unbiased likewise."""
    return 1 + sum(1 - pass_at_k(n, right, drawn) for drawn in range(1, cap))


def mean_calls_until_pass(p: float, cap: int) -> float:
    """Return the same where each call is right with probability p: (1 - (1-p)^cap) / p."""
    return float(cap) if p == 0 else (1 - exp(cap * log1p(-p)) if p < 1 else 1) / p


def majority_at_k(law: Sequence[float], k: int) -> float:
    """Return the probability that the majority of k samples is right, a tie being split by lot.

    k! times the coefficient of x^k in the sum over the right answer's count t of (p x)^t / t! times, for each rival,
    the part of its exponential series below t and the tie at t: an exact form of what Monte Carlo would draw.
    """
    p, *rivals = law
    total = 0.0
    for t in range(1, k + 1):
        # By how many rivals tie with t: the polynomial in x of the others' counts, up to k - t.
        series: list[list[float]] = [[1.0, *[0.0] * (k - t)]]
        for q in rivals:
            below = [q**c / factorial(c) if c < t else 0.0 for c in range(k - t + 1)]
            tie = q**t / factorial(t)
            longer = [times(poly, below) for poly in series] + [[0.0] * (k - t + 1)]
            for tied, poly in enumerate(series):
                shifted = [tie * (poly[c - t] if c >= t else 0.0) for c in range(k - t + 1)]
                longer[tied + 1] = [a + b for a, b in zip(longer[tied + 1], shifted, strict=True)]
            series = longer
        total += p**t / factorial(t) * sum(poly[k - t] / (1 + tied) for tied, poly in enumerate(series))
    return total * factorial(k)


def times(a: Sequence[float], b: Sequence[float]) -> list[float]:
    """Multiply two polynomials, cut off at their common length."""
    return [sum(a[i] * b[n - i] for i in range(n + 1)) for n in range(len(a))]


@dataclass(frozen=True)
class Outcome:
    """What a stop rule comes to on a law."""

    accuracy: float
    calls: float
    """On average."""


def vote_until(law: Sequence[float], stops: Stops, cap: int, *, first: int = 1, window: int = 1) -> Outcome:
    """Return exactly what voting under a stop rule comes to: `first` samples, then windows, until it stops or the cap.

    Walks over all count vectors, C(cap + m, m) of them for m answers: meant for few answers. Ties are split by lot.
    """
    alive: dict[tuple[int, ...], float] = {(0,) * len(law): 1.0}
    accuracy = calls = 0.0
    looks = {cap, *range(min(first, cap), cap, window)}
    for drawn in range(1, cap + 1):
        after: dict[tuple[int, ...], float] = {}
        for counts, chance in alive.items():
            for answer, p in enumerate(law):
                grown = (*counts[:answer], counts[answer] + 1, *counts[answer + 1 :])
                after[grown] = after.get(grown, 0.0) + chance * p
        alive = after
        if drawn not in looks:
            continue
        for counts, chance in list(alive.items()):
            leader, second = [*sorted(counts, reverse=True), 0][:2]
            if drawn == cap or stops(leader, second, cap - drawn):
                calls += chance * drawn
                accuracy += chance * (counts[0] == leader) / counts.count(leader)
                del alive[counts]
    return Outcome(accuracy, calls)


def samples_to_lead(p: float, rival: float, doubt: float) -> float:
    """Return how many votes hold a rival behind the right answer but for a probability of `doubt`.

    P(rival >= right) <= (1 - (sqrt p - sqrt q)^2)^n (Chernoff): the gap to the rival sets the cost, not p alone.
    """
    gap = (sqrt(p) - sqrt(rival)) ** 2
    return log(doubt) / log1p(-gap) if 0 < gap < 1 else (1.0 if gap else float("inf"))
