"""From runs to figures: accuracy with intervals, calls, tokens, and policies compared question by question."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean
from typing import Any

from tests.benchmarks.replay.playback import Run
from tests.benchmarks.replay.policies import FIXED
from tests.benchmarks.replay.recordings import Question
from tests.theory import calls_until_pass, pass_at_k

BOOTSTRAPS = 2000
LEVEL = 0.95

Values = Sequence[float]
"""One a question."""


@dataclass(frozen=True)
class Row:
    """What a policy came to, for each question the mean over its resamplings."""

    policy: str
    right: Values
    calls: Values
    tokens: Values | None = None
    unrecorded: Values = ()
    resamples: int = 0

    @classmethod
    def of(cls, policy: str, runs: Sequence[Sequence[Run]]) -> "Row":
        """Take the mean of each question's runs."""

        def means(value: Callable[[Run], float]) -> list[float]:
            return [fmean(map(value, one)) for one in runs]

        told = all(run.tokens is not None for one in runs for run in one)
        return cls(
            policy,
            means(lambda run: run.right),
            means(lambda run: run.calls),
            means(lambda run: run.tokens or 0) if told else None,
            means(lambda run: run.unrecorded),
            max(map(len, runs)),
        )

    def only(self, keep: Sequence[bool]) -> "Row":
        """Return the row of some of the questions."""

        def some(values: Values) -> Values:
            return [value for value, kept in zip(values, keep, strict=True) if kept]

        tokens = None if self.tokens is None else some(self.tokens)
        unrecorded = some(self.unrecorded) if self.unrecorded else ()
        return Row(self.policy, some(self.right), some(self.calls), tokens, unrecorded, self.resamples)

    def report(self) -> dict[str, Any]:
        """Return the figures."""
        return {
            "policy": self.policy,
            "accuracy": fmean(self.right),
            "ci": interval(self.right),
            "mean_calls": fmean(self.calls),
            "mean_tokens": None if self.tokens is None else fmean(self.tokens),
            "mean_unrecorded_calls": fmean(self.unrecorded) if self.unrecorded else 0.0,
            "questions": len(self.right),
            "resamples": self.resamples,
        }


def interval(values: Values, seed: int = 1) -> tuple[float, float]:
    """Return the bootstrap interval of a mean over questions."""
    random, n = Random(seed), len(values)  # noqa: S311 - nothing secret
    means = sorted(sum(random.choices(values, k=n)) / n for _ in range(BOOTSTRAPS))
    tail = int((1 - LEVEL) / 2 * BOOTSTRAPS)
    return means[tail], means[-1 - tail]


def difference(row: Row, other: Values) -> dict[str, Any]:
    """Compare with others on the same questions, paired."""
    apart = [a - b for a, b in zip(row.right, other, strict=True)]
    return {"difference": fmean(apart), "ci": interval(apart)}


def oracle(questions: Sequence[Question], k: int) -> Row:
    """Return who always picks a right one of k samples if there is one, unbiased; verified, it stops there."""
    right, calls = [], []
    for question in questions:
        n = len(question.samples)
        drawn, good = min(k, n), question.good()
        right.append(pass_at_k(n, good, drawn))
        calls.append(calls_until_pass(n, good, drawn) if question.verified else float(drawn))
    return Row("oracle" if k == max(FIXED) else f"oracle@{k}", right, calls)


def at_calls(rows: Sequence[Row], calls: float) -> Values:
    """Return, a question, what fixed policies reach at a mean of so many calls: two of them mixed by lot."""
    ordered = sorted(rows, key=lambda row: fmean(row.calls))
    below = [row for row in ordered if fmean(row.calls) <= calls] or ordered[:1]
    above = [row for row in ordered if fmean(row.calls) > calls] or ordered[-1:]
    low, high = fmean(below[-1].calls), fmean(above[0].calls)
    part = 0.0 if high <= low else (calls - low) / (high - low)
    return [(1 - part) * a + part * b for a, b in zip(below[-1].right, above[0].right, strict=True)]


def families(questions: Sequence[Question], rows: Mapping[str, Row]) -> dict[str, dict[str, Any]]:
    """Return, a family, the accuracy and calls of each policy, and how it compares with the single call."""
    found: dict[str, dict[str, Any]] = {}
    for family in dict.fromkeys(question.family for question in questions):
        keep = [question.family == family for question in questions]
        some = {name: row.only(keep) for name, row in rows.items()}
        found[family] = {
            name: {
                "accuracy": fmean(row.right),
                "mean_calls": fmean(row.calls),
                "versus_single": difference(row, some["single"].right),
            }
            for name, row in some.items()
        }
    return found
