"""Replay recorded candidates through the selectors: what does each rule find of what the candidates contain?

`uv run python -m tests.benchmarks.selection [--draws 100]`

Votes: 171 problems, 32 answers each, of SmolLM2-135M (`tests/data/README.md`); the plain vote's ties are drawn at
random, in expectation. What is fitted is fitted on the problems with an even id and tested on the others, and the other
way round. Programs: 164 problems of HumanEval, 100 programs of CodeGen-16B. Intervals: 95%, problems drawn again 2000
times.
"""

import argparse
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import exp
from statistics import fmean
from typing import Any

from ponder.nodes.answers import extract, infer_type
from ponder.nodes.selectors import choose
from ponder.nodes.selectors.ballot import leaders
from ponder.nodes.selectors.confidence import TEMPERATURE, weight
from ponder.nodes.view import View
from ponder.nodes.vote import CONCENTRATION, DISCOUNT
from ponder.state import Candidate, Verdict
from tests.benchmarks import codet
from tests.benchmarks.live import problems, right

COUNTS = (4, 8, 16, 32)
TEMPERATURES = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
GRID = [step / 10 for step in range(10)]
CALIBRATED_AT = (1, 2, 3, 4, 6, 8, 11, 16, 32)
"""Numbers of votes at which confidences are compared with what was right: those of probes, windows and caps."""


@dataclass(frozen=True)
class Pool:
    """All recorded candidates of one problem; exact verdicts say which are right."""

    id: int
    candidates: tuple[Candidate, ...]

    def draws(self, count: int, times: int) -> Iterator[list[Candidate]]:
        """Draw candidates, again and again, in the order of arrival; all of them are drawn once."""
        chance = random.Random(f"{self.id}/{count}")  # noqa: S311 - no secret
        for _ in range(times if count < len(self.candidates) else 1):
            yield [self.candidates[index] for index in sorted(chance.sample(range(len(self.candidates)), count))]


@cache
def pools() -> list[Pool]:
    """Read the recorded answers as a run would read them."""
    return [Pool(problem["id"], tuple(candidates(problem))) for problem in problems(10_000)]


def candidates(problem: dict[str, Any]) -> Iterator[Candidate]:
    """Make candidates of the samples that have no strategy."""
    kind = infer_type(problem["question"])
    for index, sample in enumerate(problem["samples"][:32]):
        found = extract(sample["text"], kind) if sample["finish"] == "stop" and sample["text"].strip() else None
        good = right(problem, found.raw if found else None)
        yield Candidate(
            id=f"{index:03}",
            answer=found and found.canonical,
            confidence=exp(sample["mean_logprob"]),
            confidence_source="logprob",
            verdict=Verdict(score=float(good), passed=good),
        )


def plain(drawn: Sequence[Candidate]) -> float:
    """Return the chance that a majority vote is right."""
    return expected(drawn, lambda _: 1.0)


def expected(drawn: Sequence[Candidate], weigh: Callable[[Candidate], float]) -> float:
    """Return the chance that the answer with most weight, ties drawn at random, is right."""
    weights: dict[str, float] = defaultdict(float)
    good = {item.answer for item in drawn if item.verdict and item.verdict.passed}
    for item in drawn:
        if item.answer is not None:
            weights[item.answer] += weigh(item)
    return fmean(answer in good for answer in leaders(weights)) if weights else 0.0


def softmax(temperature: float) -> Callable[[Sequence[Candidate]], float]:
    """Vote with the selector's weights at a temperature."""
    return lambda drawn: expected(drawn, lambda item: weight(item.confidence or 0.0, temperature))


def selected(drawn: Sequence[Candidate], *, verified: bool) -> float:
    """Say whether the whole chain of selectors is right."""
    seen = drawn if verified else [item.model_copy(update={"verdict": None}) for item in drawn]
    chosen = choose(View("select", {"candidates": list(seen)})).candidate_id
    return float(any(item.id == chosen and item.verdict and item.verdict.passed for item in drawn))


def contained(drawn: Sequence[Candidate]) -> float:
    """Say whether a right answer is among them."""
    return float(any(item.answer is not None and item.verdict and item.verdict.passed for item in drawn))


def rate(rule: Callable[[Sequence[Candidate]], float], count: int, times: int) -> dict[int, float]:
    """Return for each problem how often a rule is right."""
    return {pool.id: fmean(map(rule, pool.draws(count, times))) for pool in pools()}


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Return where the mean lies, by the bootstrap."""
    chance = random.Random(1)  # noqa: S311
    means = sorted(fmean(chance.choices(values, k=len(values))) for _ in range(2000))
    return means[49], means[1949]


def told(values: Mapping[int, float] | Sequence[float], sign: str = "") -> str:
    """Write a mean in percent, with its interval."""
    values = list(values.values()) if isinstance(values, Mapping) else values
    low, high = interval(values)
    return f"{100 * fmean(values):{sign}5.1f} [{100 * low:{sign}.1f} {100 * high:{sign}.1f}]"


def less(one: Mapping[int, float], other: Mapping[int, float]) -> dict[int, float]:
    """Compare problem by problem."""
    return {key: one[key] - other[key] for key in one}


def only(values: Mapping[int, float], half: int) -> list[float]:
    """Return those of the problems with an even id, or the others."""
    return [value for key, value in values.items() if key % 2 == half]


def show_votes(times: int) -> None:
    """Print what the votes find."""
    base = {count: rate(plain, count, times) for count in COUNTS}
    gains = {at: {count: less(rate(softmax(at), count, times), base[count]) for count in COUNTS} for at in TEMPERATURES}
    # One temperature for all counts, for each half the one that is best on the other.
    halves = [
        max(TEMPERATURES, key=lambda at: sum(fmean(only(gains[at][count], 1 - half)) for count in COUNTS))
        for half in (0, 1)
    ]
    print(
        f"votes of n, % right        plain vote    logprob-weighted T={TEMPERATURE:g}    T={halves} by the other half"
    )
    for count in COUNTS:
        crossed = {key: gains[halves[key % 2]][count][key] for key in base[count]}
        cells = (told(base[count]), told(gains[TEMPERATURE][count], "+"), told(crossed, "+"))
        print(f"{count:4}  " + "  ".join(f"{cell:>28}" for cell in cells))
        print("      " + "  ".join(f"T={at:g} {100 * fmean(gains[at][count].values()):+.1f}" for at in TEMPERATURES))
    print("\nthe chain of n, % right              no verifier         exact verifier               contained")
    for count in COUNTS:
        rules = (lambda it: selected(it, verified=False), lambda it: selected(it, verified=True), contained)
        chain, verified, oracle = (rate(rule, count, max(1, times // 5)) for rule in rules)
        assert verified == oracle, "a right candidate was there and not chosen"
        print(f"{count:4}  " + "  ".join(f"{told(found):>24}" for found in (chain, verified, oracle)))


@dataclass(frozen=True)
class Seen:
    """A vote: of so many, so many for the leader; each number of votes weighs the same."""

    problem: int
    leader: int
    all: int
    right: float
    share: float

    def stated(self, discount: float, concentration: float) -> float:
        """Return the confidence."""
        return max(0.0, self.leader - discount) / (self.all + concentration)


def votes_seen(times: int) -> Iterator[Seen]:
    """Draw votes, and see who leads and whether that is right."""
    for pool in pools():
        for count in CALIBRATED_AT:
            drawn = list(pool.draws(count, times))
            for some in drawn:
                counts = Counter(item.answer for item in some if item.answer is not None)
                if counts:
                    good = softmax(TEMPERATURE)(some)
                    yield Seen(pool.id, max(counts.values()), sum(counts.values()), good, 1 / len(drawn))


def brier(seen: Sequence[Seen], constants: tuple[float, float]) -> float:
    """Return the mean squared error of the confidence."""
    return sum(it.share * (it.stated(*constants) - it.right) ** 2 for it in seen) / sum(it.share for it in seen)


def bins(seen: Sequence[Seen], constants: tuple[float, float]) -> dict[int, tuple[float, float, float]]:
    """Return for each tenth of confidence the share of votes, the confidence stated and what was right."""
    found: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for it in seen:
        stated = it.stated(*constants)
        row = found[min(9, int(10 * stated))]
        row[:] = [row[0] + it.share, row[1] + it.share * stated, row[2] + it.share * it.right]
    whole = sum(row[0] for row in found.values())
    return {tenth: (row[0] / whole, row[1] / row[0], row[2] / row[0]) for tenth, row in sorted(found.items())}


def calibration_error(seen: Sequence[Seen], constants: tuple[float, float]) -> float:
    """Return how far what was stated is from what was right, on average."""
    return sum(share * abs(stated - good) for share, stated, good in bins(seen, constants).values())


def show_calibration(times: int) -> None:
    """Print the reliability of the confidence."""
    seen = list(votes_seen(times))
    ours = (DISCOUNT, CONCENTRATION)
    print(f"\nconfidence (leader - d) / (all + c), votes of {', '.join(map(str, CALIBRATED_AT))}")
    print("  stated  share of votes  mean stated  right")
    for tenth, (share, stated, good) in bins(seen, ours).items():
        print(
            f"  .{tenth}-.{tenth + 1}".replace("-.10", "-1.") + f"  {100 * share:13.1f}%  {stated:11.2f}  {good:5.2f}"
        )
    halves = [[it for it in seen if it.problem % 2 == half] for half in (0, 1)]
    for name, constants in (("ours", ours), ("share of votes", (0.0, 0.0)), ("leader / (all + 1)", (0.0, 1.0))):
        print(
            f"  {name:20} d={constants[0]} c={constants[1]}  calibration error {calibration_error(seen, constants):.3f}"
            f"  Brier {brier(seen, constants):.3f}"
        )
    for fitting, testing in (halves, halves[::-1]):
        best = min(((d, c) for d in GRID for c in GRID), key=lambda pair: brier(fitting, pair))
        cells = (f"{calibration_error(testing, pair):.3f} and {brier(testing, pair):.3f}" for pair in (best, ours))
        print(f"  fitted on one half   d={best[0]} c={best[1]}  on the other: " + "; ours there: ".join(cells))


def show_programs() -> None:
    """Print what is found among programs."""
    for title, samples in (("all 100 test samples", lambda _: 100), ("as many test samples as programs", lambda n: n)):
        print(f"\nprograms of n, {title}, % right")
        print(f"{'':20}" + "".join(f"{count:>20}" for count in (8, 32, 100)))
        for way in codet.WAYS:
            if way == codet.BY_OUTPUTS and samples(8) < codet.RECORDED:
                continue  # the outputs on the tests that were not drawn are not known
            cells = (f"{told(codet.replay(way, count, samples(count))):>20}" for count in (8, 32, 100))
            print(f"{way:20}" + "".join(cells), flush=True)


def main() -> None:
    """Print all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=100)
    asked = parser.parse_args()
    show_votes(asked.draws)
    show_calibration(asked.draws // 2)
    show_programs()


if __name__ == "__main__":
    main()
