"""Solve real problems live on the embedded model, by each policy: how many are right, for how many calls.

`uv run python -m tests.benchmarks.live [--count 20] [--policies direct,parallel,…] [--verified]`; `--verified` tells
each run, by an exact verifier, whether a candidate is right.
"""

import argparse
import gzip
import json
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver

from ponder.graphs import solve
from ponder.nodes.answers import equal, infer_type
from ponder.state.run import PERSISTED, Candidate, Problem, Verdict

DATA = Path(__file__).parent.parent / "data" / "smollm2_samples.jsonl.gz"
POLICIES = "direct,parallel,refine,search,adaptive"


def problems(count: int) -> list[dict[str, Any]]:
    """Take problems from every family in turn."""
    families: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with gzip.open(DATA, "rt") as lines:
        for line in lines:
            problem = json.loads(line)
            families[problem["family"]].append(problem)
    turns = max(map(len, families.values()))
    mixed = [family[turn] for turn in range(turns) for family in families.values() if turn < len(family)]
    return mixed[:count]


def right(problem: dict[str, Any], answer: str | None) -> bool:
    """Compare with the gold answer."""
    question = problem["question"]
    return answer is not None and equal(answer, problem["answer"], infer_type(question), question=question)


def checking(problem: dict[str, Any]) -> Callable[[Problem, Candidate], Verdict]:
    """Return an exact verifier: it knows the gold answer, and says no more than whether a candidate has it."""

    def check(_: Problem, candidate: Candidate) -> Verdict:
        passed = right(problem, candidate.raw)
        return Verdict(score=float(passed), passed=passed, feedback="" if passed else "the answer is wrong")

    return check


def main() -> None:
    """Print one row a problem and policy, then the totals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--policies", default=POLICIES)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verified", action="store_true")
    asked = parser.parse_args()
    totals: dict[str, list[float]] = defaultdict(lambda: [0, 0, 0, 0])
    store = InMemorySaver().with_allowlist([(kind.__module__, kind.__name__) for kind in PERSISTED])
    for problem in problems(asked.count):
        for policy in asked.policies.split(","):
            clock = time.perf_counter()
            verifier = checking(problem) if asked.verified else None
            answer = solve(
                problem["question"], policy=policy, verifier=verifier, store=store, seed=asked.seed, max_tokens=96
            )
            good = right(problem, answer.answer)
            contained = any(right(problem, candidate.raw) for candidate in answer.candidates)
            row = (good, contained, answer.spent.calls, time.perf_counter() - clock)
            totals[policy] = [total + value for total, value in zip(totals[policy], row, strict=True)]
            print(
                f"{problem['family']:6} {policy:9} {'right' if good else 'wrong'} {answer.answer!r:>12.12} of "
                f"{problem['answer']!r:12.12} {answer.spent.calls:3} calls {row[3]:5.1f} s  {answer.decided_by}, "
                f"{answer.stopped_because}, {' > '.join(visit.branch for visit in answer.route)}",
                flush=True,
            )
    print(f"\n{'policy':10} right of {asked.count}  among the candidates  calls each  seconds each")
    for policy, (good, contained, calls, seconds) in totals.items():
        each = f"{calls / asked.count:10.1f}  {seconds / asked.count:12.1f}"
        print(f"{policy:10} {good:8.0f}     {contained:20.0f}  {each}")


if __name__ == "__main__":
    main()
