"""Search against plain sampling at equal calls, live on the embedded model, on a task with a graded score.

`uv run python -m tests.benchmarks.graded [--count 40] [--calls 12] [--seed 1]`: "write one sentence that contains these
words", scored by the share of them that it contains, less for every further sentence; the feedback names what is
missing. Each policy may make as many calls, and ends where a sentence passes. Printed are the best score that each
finds and, paired by task, what a search finds above sampling.
"""

import argparse
import re
from collections import defaultdict
from random import Random
from statistics import fmean
from typing import Any

from ponder.graphs import solve
from ponder.state.run import Candidate, Problem, Verdict
from tests.benchmarks.replay.measure import interval

WORDS = [
    "river",
    "bridge",
    "lamp",
    "garden",
    "winter",
    "doctor",
    "violin",
    "kitchen",
    "letter",
    "ocean",
    "pencil",
    "castle",
    "summer",
    "bread",
    "teacher",
    "window",
    "mountain",
    "sister",
    "market",
    "ticket",
    "planet",
    "forest",
    "coffee",
    "mirror",
    "island",
    "shadow",
    "copper",
    "engine",
    "blanket",
    "harbor",
]
POLICIES: dict[str, dict[str, Any]] = {
    "sampling": {"policy": "parallel"},
    "best_first": {"policy": "search", "search": "best_first"},
    "ab_mcts": {"policy": "search", "search": "ab_mcts"},
}


def task(number: int, seed: int) -> list[str]:
    """Draw the words of a task."""
    return Random(f"{seed}/{number}").sample(WORDS, 5)  # noqa: S311 - nothing secret


def grade(words: list[str], text: str) -> Verdict:
    """Score a sentence, and say what is missing."""
    said = set(re.findall(r"[a-z]+", text.lower()))
    missing = [word for word in words if word not in said]
    sentences = len(re.findall(r"[.!?](?:\s|$)", text.strip())) or 1
    score = max(0.0, 1 - len(missing) / len(words) - 0.1 * (sentences - 1))
    advice = [f"These words are missing: {', '.join(missing)}."] if missing else []
    advice += ["Write one sentence only."] if sentences > 1 else []
    return Verdict(score=score, passed=score == 1, feedback=" ".join(advice))


def main() -> None:
    """Print a row a task, then the means and the paired differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("count", 40), ("calls", 12), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    rows: dict[str, list[tuple[float, int]]] = defaultdict(list)
    rounds = {"patience": given.calls, "max_iterations": given.calls, "max_samples": given.calls}
    for number in range(given.count):
        words = task(number, given.seed)

        def check(_: Problem, candidate: Candidate, words: list[str] = words) -> Verdict:
            return grade(words, candidate.text)

        problem = Problem(text=f"Write one sentence that contains these words: {', '.join(words)}.", answer_type="text")
        for name, policy in POLICIES.items():
            answer = solve(
                problem,
                verifier=check,
                budget={"max_calls": given.calls},
                store=":memory:",
                seed=given.seed + number,
                max_tokens=60,
                **rounds,
                **policy,
            )
            best = max((item.verdict.score for item in answer.candidates if item.verdict), default=0.0)
            rows[name].append((best, answer.spent.calls))
        told = ", ".join(f"{name} {scores[-1][0]:.2f} in {scores[-1][1]}" for name, scores in rows.items())
        print(f"{number:3} {told}", flush=True)
    for name, scores in rows.items():
        passed = sum(score == 1 for score, _ in scores)
        print(f"{name:10} best score {fmean(s for s, _ in scores):.3f}, passed {passed}, ", end="")
        print(f"calls {fmean(calls for _, calls in scores):.1f}")
    for name in ("best_first", "ab_mcts"):
        apart = [ours - plain for (ours, _), (plain, _) in zip(rows[name], rows["sampling"], strict=True)]
        low, high = interval(apart)
        print(f"{name} - sampling: {fmean(apart):+.3f} ({low:+.3f} to {high:+.3f})")


if __name__ == "__main__":
    main()
