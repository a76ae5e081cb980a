"""Our verdict on the table of pairs beside that of math-verify alone.

`uv run --group bench python -m tests.benchmarks.equality [--all | --hostile | --clusters]`

math-verify gets each text as a formula and, where that gives it nothing, as it stands; the first text is its gold
answer. It is made for mathematics: what it says of words, dates and code is shown for completeness. Without `--all`
only the pairs are printed on which either is wrong.

`--hostile`: what the worst of `tests/hostile.py` cost, each read as every type by `extract`, `equal` and `cluster`,
with nothing remembered. `--clusters`: the time of 1,000 clusterings of 64 numbers.
"""

import argparse
import json
import logging
import os
import random
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from ponder.nodes.answers import cluster, equal, extract
from ponder.state.run import AnswerType
from tests.hostile import HOSTILE, Cost, cost_of

TABLE = Path(__file__).parent.parent / "data" / "equality.jsonl"


def theirs(a: str, b: str) -> bool:
    """Ask math-verify, with its own time limit."""
    from math_verify import parse, verify  # type: ignore[import-not-found, import-untyped, unused-ignore]

    gold, answer = (parse(text) if "$" in text else parse(f"${text}$") or parse(text) for text in (a, b))
    return bool(verify(gold, answer))


def hostile() -> None:
    """Print the most that each operation cost an answer, and the costliest."""
    equal("x", "y", "math")
    costs: list[tuple[Cost, str, str, str]] = []
    for name, text in HOSTILE.items():
        other = text[1:] + "1"
        for kind in (None, *get_args(AnswerType)):
            operations: dict[str, tuple[int, Callable[[], object]]] = {
                "extract": (1, lambda text=text, kind=kind: extract("The answer is " + text, kind)),  # type: ignore[misc]
                "equal": (2, lambda text=text, other=other, kind=kind: equal(text, other, kind)),  # type: ignore[misc]
                "cluster": (
                    4,
                    lambda text=text, other=other, kind=kind: cluster([other, "x+1", text, text + "+1"], kind),
                ),  # type: ignore[misc]
            }
            for operation, (answers, call) in operations.items():
                cost = cost_of(call)
                each = Cost(cost.wall / answers, cost.cpu / answers, cost.here, cost.there)
                costs.append((each, operation, kind or "none", name))
    print(f"{len(HOSTILE)} texts, {len(costs)} measurements; load {os.getloadavg()[0]:.1f}")
    for operation in ("extract", "equal", "cluster"):
        mine = [cost for cost, other, _, _ in costs if other == operation]
        print(
            f"{operation:8} an answer at most {max(cost.cpu for cost in mine):.2f} s of processor time,"
            f" {max(cost.wall for cost in mine):.2f} s by the clock,"
            f" {max(cost.here for cost in mine):.0f} MB here, {max(cost.there for cost in mine):.0f} MB there"
        )
    for cost, operation, kind, name in sorted(costs, key=lambda row: -row[0].cpu)[:20]:
        print(f"{cost.cpu:6.2f} s {cost.wall:6.2f} s {cost.here:6.1f} MB  {operation:8} {kind:7} {name[:70]}")


def clusters() -> None:
    """Print the time that 1,000 clusterings of 64 numbers take, all of them different ones in part."""
    chance = random.Random(1)  # noqa: S311 - no secret
    votes = [[f"{chance.randrange(4000) / 4}" for _ in range(64)] for _ in range(1000)]
    begun = time.process_time()
    for drawn in votes:
        cluster(drawn, "number")
    print(f"{time.process_time() - begun:.2f} s of processor time for 1,000 clusterings of 64 numbers")


def main() -> None:
    """Print the pairs, then the counts by type."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--hostile", action="store_true")
    parser.add_argument("--clusters", action="store_true")
    asked = parser.parse_args()
    if asked.hostile:
        hostile()
        return
    if asked.clusters:
        clusters()
        return
    logging.disable(logging.ERROR)
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    seconds = {"ours": 0.0, "theirs": 0.0}
    equal("x", "y", "math")
    for row in map(json.loads, TABLE.read_text().splitlines()):
        verdicts: dict[str, Any] = {}
        for name, judge in (
            ("ours", lambda r: equal(r["a"], r["b"], r["type"])),
            ("theirs", lambda r: theirs(r["a"], r["b"])),
        ):
            begun = time.perf_counter()
            verdicts[name] = judge(row)
            seconds[name] += time.perf_counter() - begun
        for kind in (row["type"] or "none", "all"):
            counts[kind]["pairs"] += 1
            for name, verdict in verdicts.items():
                counts[kind][f"{name} right"] += verdict is row["same"]
                counts[kind][f"{name} falsely equal"] += verdict and not row["same"]
                counts[kind][f"{name} falsely different"] += row["same"] and not verdict
        if asked.all or any(verdict is not row["same"] for verdict in verdicts.values()):
            told = "  ".join(f"{name} {'=' if verdict else '≠'}" for name, verdict in verdicts.items())
            print(f"{row['type'] or '-':7} {'=' if row['same'] else '≠'}  {told}  {row['a'][:50]!r}  {row['b'][:50]!r}")
    columns = [
        "pairs",
        *(f"{name} {what}" for name in seconds for what in ("right", "falsely equal", "falsely different")),
    ]
    print("\n" + f"{'type':8}" + "".join(f"{column:>25}" for column in columns))
    for kind, count in counts.items():
        print(f"{kind:8}" + "".join(f"{count[column]:25}" for column in columns))
    print(f"seconds: ours {seconds['ours']:.1f}, math-verify's {seconds['theirs']:.1f}")


if __name__ == "__main__":
    main()
