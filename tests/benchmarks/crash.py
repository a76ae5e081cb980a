"""Kill solves at random moments, resume them, and compare each with the same solve left alone.

`uv run python -m tests.benchmarks.crash [--kills 100] [--store KIND …] [--policy NAME …] [--surface …] [--seed N]`: the
kills are spread over the policies of each database. What is wrong is printed with its seed and moments; that seed with
`--kills 1`, the same store, policy and surface does it again.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

from tests.crash import Killer, Trial
from tests.oracle import serving
from tests.state.stores import KINDS, databases
from tests.victim import Surface

COLUMNS = "store policy surface kills resumed requests repeated lost equal spent orphans seconds"
ROW = "{:<11}{:<11}{:<8}" + "{:>9}" * 9


@contextmanager
def database(kind: str) -> Iterator[str]:
    """Make a database for the kills alone."""
    with tempfile.TemporaryDirectory() as folder:
        yield from databases(kind, Path(folder))


def row(kind: str, killer: Killer, trials: Sequence[Trial], seconds: float) -> str:
    """Sum up the trials of one policy on one database."""
    ended = [trial for trial in trials if not trial.failed]
    return ROW.format(
        *(kind, killer.policy, killer.surface),
        sum(len(trial.moments) for trial in trials),
        len(ended),
        sum(len(trial.requests) for trial in trials),
        sum(trial.repeated for trial in trials),
        sum(trial.lost for trial in trials),
        f"{sum(not trial.different for trial in ended)}/{len(trials)}",
        f"{sum(not trial.misspent for trial in ended)}/{len(trials)}",
        sum(trial.orphans.total() for trial in trials),
        round(seconds),
    )


def kill(kind: str, killers: Sequence[Killer], kills: int, seed: int) -> bool:
    """Kill on one database; print a row for each policy, and say whether all is well."""
    well = True
    for index, killer in enumerate(killers):
        clock, trials = time.perf_counter(), []
        for trial in killer.trials((kills + index) // len(killers), seed):
            trials.append(trial)
            if trial.complaints:
                well = False
                print(trial, file=sys.stderr, flush=True)
        print(row(kind, killer, trials, time.perf_counter() - clock), flush=True)
    return well


def main() -> None:
    """Kill, and exit with 1 where something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--store", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--policy", nargs="+", default=["parallel", "refine", "search"])
    parser.add_argument("--surface", choices=get_args(Surface), default="solver")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(ROW.format(*COLUMNS.split()))
    well = True
    with serving(given.seed) as url:
        for kind in given.store:
            with database(kind) as store:
                killers = [Killer(store, url, policy, given.surface) for policy in given.policy]
                well &= kill(kind, killers, given.kills, given.seed)
    sys.exit(not well)


if __name__ == "__main__":
    main()
