"""CodeT's recorded programs and tests replayed: how often does each way to choose find a right program?"""

import gzip
import json
import random
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from ponder.nodes.selectors.agreement import scores
from ponder.nodes.selectors.ballot import CLOSE

DATA = Path(__file__).parent.parent / "data" / "codet.jsonl.gz"
RECORDED = 100
"""Programs, and samples of tests, of each problem."""


@dataclass(frozen=True)
class Drawn:
    """Some of a problem's programs and tests."""

    right: tuple[bool, ...]
    passed: tuple[int, ...]
    """Of each program a number whose bits are the tests it passes."""
    outputs: tuple[int, ...]
    """Equal for equal outputs on all tests that were recorded."""

    @property
    def counts(self) -> list[int]:
        """The tests that each passes."""
        return [row.bit_count() for row in self.passed]

    def best(self, scored: Sequence[float]) -> float:
        """Return the chance that a program with the best score, ties drawn at random, is right."""
        least = max(scored) - CLOSE
        return fmean(good for good, score in zip(self.right, scored, strict=True) if score >= least)

    def agreed(self, groups: Sequence[Hashable]) -> float:
        """Choose by agreement; where no test is passed, the largest group."""
        sizes = Counter(groups)
        return self.best(scores(groups, self.counts) if any(self.passed) else [sizes[group] for group in groups])


BY_OUTPUTS = "  by outputs"
WAYS = {
    "random": lambda it: fmean(it.right),
    "most tests passed": lambda it: it.best(it.counts),
    "largest group": lambda it: it.best([Counter(it.passed)[row] * bool(row) for row in it.passed]),
    "agreement": lambda it: it.agreed(it.passed),
    BY_OUTPUTS: lambda it: it.agreed(it.outputs),
    "oracle": lambda it: float(any(it.right)),
}


def recorded() -> list[dict[str, Any]]:
    """Load the problems."""
    with gzip.open(DATA, "rt") as lines:
        return [json.loads(line) for line in lines]


def draws(problem: dict[str, Any], count: int, tests: int, times: int) -> Iterator[Drawn]:
    """Draw some programs and the asserts of some test samples, again and again."""
    chance = random.Random(f"{problem['id']}/{count}/{tests}")  # noqa: S311 - no secret
    for _ in range(times if count < RECORDED else 1):
        kinds = [problem["kinds"][problem["samples"][index]] for index in chance.sample(range(RECORDED), count)]
        sources = set(chance.sample(range(RECORDED), tests))
        known = sum(1 << index for index, found in enumerate(problem["tests"]) if sources.intersection(found))
        passed = tuple(int(kind["passed"], 16) & known for kind in kinds)
        yield Drawn(tuple(kind["right"] for kind in kinds), passed, tuple(kind["outputs"] for kind in kinds))


def replay(way: str, count: int, tests: int, times: int = 10) -> list[float]:
    """Return for each problem how often it is solved."""
    return [fmean(WAYS[way](drawn) for drawn in draws(problem, count, tests, times)) for problem in recorded()]
