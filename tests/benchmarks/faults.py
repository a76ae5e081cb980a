"""Solve sums through a server that fails and lies, by each policy: what holds, and what is left of the accuracy.

`uv run python -m tests.benchmarks.faults [--solves 143] [--rates 0,10,30,50] [--policies …]`: solves are per policy and
shared out over the failure rates. Of the replies that do not fail, half as many lie. The policies have small budgets,
to show that they hold; `roomy` is `parallel` with as many samples and attempts as the peers, which have no budget.

A peer is measured on the same server where an interpreter is named that has it: `--its-hub PYTHON` (pip install
'its_hub[lm]'), `--optillm PYTHON` (pip install --no-deps optillm; pip install openai).
"""

import argparse
import asyncio
import json
import subprocess
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ponder.graphs import asolve
from ponder.graphs.cli.load import load, named_threads
from ponder.nodes.models.http import close_client
from ponder.nodes.models.openai import openai_model
from ponder.state import Answer, ModelUnreachable, SQLAlchemySaver
from ponder.state.budget import Call
from tests.fault_server import as_process, read_log

POLICIES = ("direct", "parallel", "refine", "search", "adaptive", "cumulative", "fixed", "roomy")
IN_FLIGHT = 16
"""Solves at once."""
CALL_TIMEOUT = 3.0
"""Seconds: what a hanging server costs."""
CANDIDATES = {"probe", "sample", "revise", "expand", "step"}
"""Kinds of calls that make one."""
BUDGETS = ((8, 100_000), (5, 3_000), (20, 6_000), (12, 100_000))
"""Calls and tokens of the solves in turn: room, little of both, few tokens, room."""
ROOM = (64, 1_000_000)
ROOMY: dict[str, Any] = {"policy": "parallel", "max_samples": 8, "retries": 7}
PEERS = Path(__file__).with_name("faults_peers.py")


@dataclass
class Row:
    """What one policy made of one failure rate."""

    solves: int = 0
    right: int = 0
    calls: int = 0
    tokens: int = 0
    """That the server reported, and the ledgers hold alike."""
    unheard: int = 0
    """Solves that stopped because no call was answered: to be resumed, and until then without an answer."""
    found: Counter[str] = field(default_factory=Counter)
    """What must not be."""
    seconds: float = 0.0


def server(rate: float, seed: int) -> AbstractContextManager[str]:
    """Run the server, failing at that rate."""
    return as_process("--rate", rate, "--lies", rate / 2, "--latency", 0.005, "--right", 0.65, "--seed", seed)


def log_of(url: str) -> dict[str, list[dict[str, Any]]]:
    """Return what the server served, by problem."""
    by_problem = defaultdict(list)
    for served in read_log(url):
        by_problem[served["problem"]].append(served)
    return by_problem


def problem_of(index: int) -> tuple[str, int]:
    """Return a problem that no other solve has, and its answer."""
    left, right = 1000 + index, 7 + index % 90
    return f"{left}+{right}", left + right


def limits_of(policy: str, index: int) -> tuple[int, int]:
    """Return the calls and the tokens that a solve may take."""
    return ROOM if policy == "roomy" else BUDGETS[index % len(BUDGETS)]


async def solves(policy: str, count: int, url: str, saver: SQLAlchemySaver) -> Row:
    """Solve so many problems, and hold each against the server's log."""
    row, model, gate = Row(solves=count), openai_model("fault", url, "none"), asyncio.Semaphore(IN_FLIGHT)
    runs: list[tuple[str, int, Answer | None, list[Call]]] = []

    async def one(index: int) -> None:
        problem, _ = problem_of(index)
        thread, (most_calls, most_tokens) = f"{url}/{policy}/{index}", limits_of(policy, index)
        settings: dict[str, Any] = ROOMY if policy == "roomy" else {"policy": policy}
        answer = None
        async with gate:
            try:
                answer = await asolve(
                    f"What is {problem.replace('+', ' + ')}?",
                    model=model,
                    **settings,
                    budget={"max_calls": most_calls, "max_tokens": most_tokens},
                    store=saver,
                    thread_id=thread,
                    seed=index,
                    max_tokens=64,
                    call_timeout=CALL_TIMEOUT,
                )
            except ModelUnreachable:
                row.unheard += 1
            except Exception as error:  # noqa: BLE001 - a crash is what is counted
                row.found[f"crash: {type(error).__name__}"] += 1
                traceback.print_exc()
        runs.append((problem, index, answer, await calls_of(thread, saver)))

    clock = time.perf_counter()
    await asyncio.gather(*(one(index) for index in range(count)))
    row.seconds = time.perf_counter() - clock
    log = log_of(url)
    for problem, index, answer, calls in runs:
        row.found.update(check(answer, calls, log[problem], limits_of(policy, index)))
        row.right += answer is not None and answer.answer == str(problem_of(index)[1])
        row.calls += len(log[problem])
        row.tokens += sum(map(sum, (ours_of(calls) & theirs_of(log[problem])).elements()))
    return row


async def calls_of(thread: str, saver: SQLAlchemySaver) -> list[Call]:
    """Return the ledger of a run, as the store has it; of one that stopped, with its last wave at its worst case."""
    (stored,) = await named_threads(saver, [thread])
    return (await load(saver, stored)).view.calls


def check(
    answer: Answer | None, calls: list[Call], served: list[dict[str, Any]], limits: tuple[int, int]
) -> Iterator[str]:
    """Yield what is wrong with a run."""
    if len(served) > limits[0]:
        yield f"calls over the cap: {len(served)} > {limits[0]}"
    if (true := sum(one["input_tokens"] + one["output_tokens"] for one in served)) > limits[1]:
        yield f"tokens over the cap: {true} > {limits[1]}"
    made = [call for call in calls if call.state != "unmade"]
    if len(made) < len(served):
        yield f"calls that are in no ledger: {len(served) - len(made)}"
    if answer is not None:
        wanted = {call.candidate_id for call in calls if call.kind in CANDIDATES}
        lost = wanted - {candidate.id for candidate in answer.candidates}
        yield from (f"lost candidate {candidate}" for candidate in lost)
    ours, theirs = ours_of(calls), theirs_of(served)
    unknown = sum(call.state in {"lost", "dropped", "reserved"} for call in calls)
    if ours - theirs or (theirs - ours).total() > unknown:
        yield f"usage that differs: ours {dict(ours - theirs)}, the server's {dict(theirs - ours)}"


def ours_of(calls: list[Call]) -> Counter[tuple[int, int]]:
    """Return the usages that a ledger holds as the server's."""
    known = [call.usage for call in calls if call.settled and call.usage.output_tokens and not call.usage.estimated]
    return Counter((usage.input_tokens, usage.output_tokens) for usage in known)


def theirs_of(served: list[dict[str, Any]]) -> Counter[tuple[int, int]]:
    """Return the usages that the server reported as they were, in replies that were not cut."""
    return Counter((one["input_tokens"], one["output_tokens"]) for one in served if one["reported"])


def peer(python: str, name: str, url: str, count: int) -> Row:
    """Let a peer solve the same problems in its own interpreter."""
    clock = time.perf_counter()
    command = [python, str(PEERS), name, url, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return Row(solves=count, found=Counter([f"crash: {done.stderr.strip().splitlines()[-1]}"]))
    told = json.loads(done.stdout.splitlines()[-1])
    log = log_of(url)
    served = [one for by_problem in log.values() for one in by_problem]
    true = sum(one["output_tokens"] for one in served if one["reported"])
    seconds = time.perf_counter() - clock
    row = Row(count, told["right"], len(served), found=Counter(told["errors"]), seconds=seconds)
    row.found[f"output tokens reported {told['tokens']} of the server's {true}"] += told["tokens"] != true
    return row


def show(name: str, rate: int, row: Row) -> None:
    """Print one line of the table, and what is wrong."""
    print(f"{name:12} {rate:3} % {row.solves:6} {row.right / row.solves:6.1%} right ", end="")
    print(f"{row.calls / row.solves:6.1f} calls {row.tokens:8,} tokens {row.seconds:6.1f} s  ", end="")
    print(f"{row.unheard} stopped unheard  " if row.unheard else "", end="")
    print(
        "; ".join(f"{what} ×{times}" for what, times in row.found.most_common(6) if times) or "nothing wrong",
        flush=True,
    )


async def main() -> None:
    """Measure each policy, and the peers that are named, at each rate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--solves", type=int, default=143)
    parser.add_argument("--rates", default="0,10,30,50")
    parser.add_argument("--policies", default=",".join(POLICIES))
    parser.add_argument("--its-hub")
    parser.add_argument("--optillm")
    given = parser.parse_args()
    rates = [int(rate) for rate in given.rates.split(",")]
    count = max(1, given.solves // len(rates))
    for rate in rates:
        for policy in filter(None, given.policies.split(",")):
            with tempfile.TemporaryDirectory() as folder, server(rate / 100, rate) as url:
                async with SQLAlchemySaver.from_conn_string(f"sqlite:///{Path(folder) / 'faults.db'}") as saver:
                    show(policy, rate, await solves(policy, count, url, saver))
                close_client(url)
        for name, python in (("its_hub", given.its_hub), ("optillm", given.optillm)):
            if python:
                with server(rate / 100, rate) as url:
                    show(name, rate, peer(python, name, url, count))


if __name__ == "__main__":
    asyncio.run(main())
