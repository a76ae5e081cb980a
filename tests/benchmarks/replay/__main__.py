"""Replay recorded samples through the real machine: what does each policy reach, and for how many calls?

`uv run python -m tests.benchmarks.replay [--data FILE…] [--laws agreeing…] [--json OUT] [--plot DIR] [--sweep]`

`--summary tests/data/replay.json` writes the table that the README quotes.

Each run gets the problem's recorded samples in another order, none twice, the same order for every policy; the
intervals are bootstrapped over questions, and comparisons are paired. A strategy's samples are not told apart, what was
not recorded (a judge's word) fails, and branches that make other calls than samples cannot be replayed.

`single` is one sample; `sc@n` the plain majority of n; `vote@n` ponder's `fixed` policy, which also hears how sure the
model was; `fast`, `balanced` and `thorough` are `adaptive` with that effort; `oracle` picks a right sample if there is
one among 40 (unbiased). Where the recording holds an exact verifier's word, every policy uses it, `stop@n` samples one
by one, and the efforts are those of `parallel`.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.replay.laws import LAWS
from tests.benchmarks.replay.recordings import load
from tests.benchmarks.replay.study import DATA, study


def main() -> None:
    """Print a table for each file and one over all, and write what it is made of."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", default=[])
    parser.add_argument("--laws", nargs="+", choices=LAWS, default=[], help="answers drawn from stated laws")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--summary", type=Path, help="the table of each set, and nothing else")
    parser.add_argument("--resamples", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sweep", action="store_true", help="thresholds and caps against fixed self-consistency")
    asked = parser.parse_args()
    clock = time.perf_counter()
    files = asked.data or ([] if asked.laws else [DATA / "smollm2_samples.jsonl.gz"])
    sets = {path.name: load(path) for path in files} | {name: LAWS[name](asked.seed) for name in asked.laws}
    found = study(sets, resamples=asked.resamples, jobs=asked.jobs, seed=asked.seed, sweep=asked.sweep)
    found["seconds"] = time.perf_counter() - clock
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1))
    if asked.summary:
        asked.summary.write_text(json.dumps(summary(found, asked.resamples), indent=1) + "\n")
    if asked.plot:
        from tests.benchmarks.replay.plot import plot  # the bench group

        plot(found, asked.plot)


def summary(found: dict[str, Any], resamples: int) -> dict[str, Any]:
    """Return what the README quotes."""
    quoted = ("policy", "accuracy", "ci", "mean_calls", "mean_tokens", "questions")
    sets = [
        {"data": one["data"], "policies": [{name: row[name] for name in quoted} for row in one["policies"]]}
        for one in found["sets"]
    ]
    return {"resamples": resamples, "sets": sets}


if __name__ == "__main__":
    sys.exit(main())
