"""Replay whole sets: all policies on all questions, by several processes, and the tables of what came out."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from typing import Any

from ponder.nodes.telemetry import unwatched
from tests.benchmarks.replay.measure import Row, at_calls, difference, families, oracle
from tests.benchmarks.replay.playback import Run, play
from tests.benchmarks.replay.policies import EFFORTS, FIXED, SINGLE, VERIFIED, VOTED, Policy, consistency
from tests.benchmarks.replay.recordings import Question

DATA = Path(__file__).parents[2] / "data"
RULER = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 40)
"""Samples of the fixed policies that a sweep is held against."""
THRESHOLDS = (0.7, 0.8, 0.9, 0.95)
CAPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 40)


def study(
    sets: dict[str, list[Question]], *, resamples: int = 20, jobs: int = 2, seed: int = 1, sweep: bool = False
) -> dict[str, Any]:
    """Return the figures of each set, and those over all questions that no verifier decides."""
    found: dict[str, Any] = {"sets": []}
    pooled: list[Question] = []
    rows: dict[str, dict[str, Row]] = {}
    for name, questions in sets.items():
        policies = VERIFIED if all(question.verified for question in questions) else VOTED
        rows[name] = replayed(questions, policies, resamples, jobs, seed)
        pooled += questions
        told = {"data": name, **figures(questions, rows[name])}
        if sweep and policies is VOTED:
            told["sweep"] = swept(questions, resamples, jobs, seed)
        found["sets"].append(told)
        print(f"\n{name}: {len(questions)} questions")
        show(told)
    if len(sets) == 1:
        return {**found, **{key: value for key, value in found["sets"][0].items() if key != "data"}}
    shared = [name for name in next(iter(rows.values())) if all(name in each for each in rows.values())]
    over = {name: joined([each[name] for each in rows.values()]) for name in shared}
    found |= figures(pooled, over)
    print(f"\nall {len(pooled)} questions")
    show(found)
    return found


def replayed(
    questions: Sequence[Question], policies: Iterable[Policy], resamples: int, jobs: int, seed: int
) -> dict[str, Row]:
    """Run every policy on every question; the oracle is worked out."""
    policies = tuple(policies)
    task = partial(ask, policies=policies, resamples=resamples, seed=seed)
    if jobs == 1:
        runs = [task(question) for question in questions]
    else:
        with get_context("fork").Pool(jobs) as pool:
            runs = list(pool.imap(task, questions, chunksize=4))
    rows = {policy.name: Row.of(policy.name, [run[index] for run in runs]) for index, policy in enumerate(policies)}
    return {**rows, "oracle": oracle(questions, max(FIXED))}


def ask(question: Question, policies: Sequence[Policy], resamples: int, seed: int) -> list[list[Run]]:
    """Run every policy on one question."""

    unsure = any(sample.reply.mean_logprob is not None for sample in question.samples)

    async def runs() -> list[list[Run]]:
        known: dict[Policy, list[Run]] = {}
        found: list[list[Run]] = []
        for policy in policies:
            # Where nothing tells how sure the model was, policies that differ in that alone do not differ.
            same = replace(policy, name="", plain=policy.plain or not unsure)
            if same not in known:
                times = range(turns(question, policy, resamples))
                known[same] = [await play(question, same, f"{seed}/{turn}") for turn in times]
            found.append(known[same])
        return found

    with unwatched():
        return asyncio.run(runs())


def turns(question: Question, policy: Policy, resamples: int) -> int:
    """Return how often to draw: of samples that are nearly all drawn, another order says little new."""
    recorded = len(question.samples)
    left = 1 - policy.most(recorded) / recorded if policy.fixed else 1
    return max(min(resamples, 2), round(resamples * left))


def figures(questions: Sequence[Question], rows: dict[str, Row]) -> dict[str, Any]:
    """Return the table, the families, and each effort compared with what it is to match."""
    fixed = [name for name in rows if name.startswith(("single", "sc@", "vote@"))]
    best = max(fixed, key=lambda name: fmean(rows[name].right))
    against = dict.fromkeys([*fixed, best])
    return {
        "policies": [row.report() for row in rows.values()],
        "best_fixed": best,
        "majority": fmean(rows[f"sc@{max(FIXED)}"].right),
        "versus": {
            effort: {name: compared(rows[effort], rows[name]) for name in against}
            for effort in EFFORTS
            if effort in rows
        },
        "families": families(questions, rows),
    }


def compared(row: Row, other: Row) -> dict[str, Any]:
    """Compare accuracy, paired, and calls."""
    return {**difference(row, other.right), "calls": fmean(row.calls) / fmean(other.calls)}


def joined(rows: Sequence[Row]) -> Row:
    """Put a policy's rows on several sets together."""
    told = [row.tokens for row in rows if row.tokens is not None]
    return Row(
        rows[0].policy,
        [*chain(*(row.right for row in rows))],
        [*chain(*(row.calls for row in rows))],
        [*chain(*told)] if len(told) == len(rows) else None,
        [*chain(*(row.unrecorded for row in rows))],
        max(row.resamples for row in rows),
    )


def swept(questions: Sequence[Question], resamples: int, jobs: int, seed: int) -> dict[str, Any]:
    """Hold thresholds and caps against fixed self-consistency at as many calls."""
    ruler = [SINGLE if samples == 1 else consistency(samples) for samples in RULER]
    points = [
        Policy(f"{threshold:g}/{cap}", effort="thorough", threshold=threshold, samples=cap)
        for cap in CAPS
        for threshold in THRESHOLDS
    ]
    rows = replayed(questions, (*ruler, *points), max(1, resamples // 4), jobs, seed + 1)
    fixed = [rows[policy.name] for policy in ruler]
    report = []
    for policy in points:
        row = rows[policy.name]
        apart = difference(row, at_calls(fixed, fmean(row.calls)))
        report.append({"threshold": policy.threshold, "cap": policy.samples, **row.report(), "versus_sc": apart})
    return {"fixed": [row.report() for row in fixed], "points": report}


def show(found: dict[str, Any]) -> None:
    """Print a table."""
    print("policy      right %   (95 %)         calls   tokens  unrecorded")
    for row in found["policies"]:
        low, high = (100 * end for end in row["ci"])
        tokens = "-" if row["mean_tokens"] is None else f"{row['mean_tokens']:.0f}"
        print(
            f"{row['policy']:10} {100 * row['accuracy']:8.2f}   ({low:.1f} to {high:.1f})  {row['mean_calls']:7.2f}"
            f"  {tokens:>7}  {row['mean_unrecorded_calls']:8.2f}",
            flush=True,
        )
    for effort, others in found["versus"].items():
        for name, told in others.items():
            low, high = (100 * end for end in told["ci"])
            print(
                f"{effort:8} - {name:7} {100 * told['difference']:+6.2f} ({low:+.2f} to {high:+.2f}) points at "
                f"{told['calls']:.2f} of its calls"
            )
    for point in found.get("sweep", {}).get("points", []):
        told = point["versus_sc"]
        low, high = (100 * end for end in told["ci"])
        print(
            f"threshold {point['threshold']:g} cap {point['cap']:2}: {100 * point['accuracy']:6.2f} % at "
            f"{point['mean_calls']:5.2f} calls, {100 * told['difference']:+.2f} ({low:+.2f} to {high:+.2f})"
        )
