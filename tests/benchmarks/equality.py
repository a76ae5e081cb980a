"""Our verdict on the table of pairs beside that of math-verify alone.

`uv run --group bench python -m tests.benchmarks.equality [--all]`

math-verify gets each text as a formula and, where that gives it nothing, as it stands; the first text is its gold
answer. It is made for mathematics: what it says of words, dates and code is shown for completeness. Without `--all`
only the pairs are printed on which either is wrong.
"""

import argparse
import json
import logging
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from ponder.nodes.answers import equal

TABLE = Path(__file__).parent.parent / "data" / "equality.jsonl"


def theirs(a: str, b: str) -> bool:
    """Ask math-verify, with its own time limit."""
    from math_verify import parse, verify  # type: ignore[import-not-found, import-untyped, unused-ignore]

    gold, answer = (parse(text) if "$" in text else parse(f"${text}$") or parse(text) for text in (a, b))
    return bool(verify(gold, answer))


def main() -> None:
    """Print the pairs, then the counts by type."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true")
    asked = parser.parse_args()
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
