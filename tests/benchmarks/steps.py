"""Our own processor time a call, with the store on and a model that answers at once; and whether it stays flat.

`uv run python -m tests.benchmarks.steps [--repeats 9]`: the median solve of 40 samples, and a search of 200 calls (200
candidates with a verifier, 100 with critiques), whose time a call early on is held against that near its end. Processor
time of the whole process, every thread.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from langchain_core.messages import BaseMessage

from ponder.graphs import asolve
from ponder.nodes.ports import Reply, Request
from ponder.state import Budget, Problem, SQLAlchemySaver, Verdict
from ponder.state.run import Candidate

SAMPLES, CALLS, PART = 40, 200, 40

Scorer = Callable[[Problem, Candidate], Verdict]


@dataclass
class Clocked:
    """A model that answers at once, never twice the same, and notes the processor's time."""

    name: str = "clocked"
    at: list[float] = field(default_factory=list)

    async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
        self.at.append(time.process_time())
        made = len(self.at)
        text = f"Score: {made % 9}" if request.kind == "critique" else f"Step by step: {made}.\nAnswer: {made}"
        return Reply(text, mean_logprob=-0.3)


def score(_: Problem, candidate: Candidate) -> Verdict:
    """Rate later answers higher: a search that is never done."""
    return Verdict(score=min(0.99, int(candidate.answer or 0) / 1000), passed=False, feedback="too small")


async def sampled(saver: SQLAlchemySaver, name: str) -> float:
    """Return the processor's ms a call of a solve by sampling."""
    begun = time.process_time()
    budget = Budget(max_calls=SAMPLES)
    await asolve("What is it?", model=Clocked(), policy="fixed", budget=budget, store=saver, thread_id=name)
    return (time.process_time() - begun) * 1000 / SAMPLES


async def searched(saver: SQLAlchemySaver, search: str, verifier: Scorer | None, name: str) -> tuple[float, float]:
    """Return the ms a call of a search, after its first calls and before its last ones."""
    model = Clocked()
    rounds = {"max_iterations": CALLS, "patience": CALLS, "max_compute_budget": CALLS, "search": search}
    given = {"budget": Budget(max_calls=CALLS), "store": saver, "thread_id": name, **rounds}
    await asolve("What is it?", model=model, policy="search", verifier=verifier, **given)
    assert len(model.at) == CALLS, len(model.at)
    early, late = model.at[PART : 2 * PART + 1], model.at[-PART - 1 :]
    return (early[-1] - early[0]) * 1000 / PART, (late[-1] - late[0]) * 1000 / PART


async def main() -> None:
    """Measure on a store of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    repeats = range(parser.parse_args().repeats)
    with tempfile.TemporaryDirectory() as folder:
        async with SQLAlchemySaver.from_conn_string(f"sqlite:///{Path(folder) / 'ponder.db'}") as saver:
            await sampled(saver, "warm")
            cost = statistics.median([await sampled(saver, f"sampled{turn}") for turn in repeats])
            print(f"{SAMPLES} samples, store on: {cost:.2f} ms of processor a call", flush=True)
            for search, verifier in product(("best_first", "ab_mcts"), (score, None)):
                judge = "a verifier" if verifier else "critiques"
                rows = [await searched(saver, search, verifier, f"{search}, {judge}, {turn}") for turn in repeats]
                early, late = (statistics.median(column) for column in zip(*rows, strict=True))
                ratio = statistics.median(after / before for before, after in rows)
                print(
                    f"{search} with {judge}, {CALLS} calls, store on: {early:.2f} ms a call from {PART} to {2 * PART}, "
                    f"{late:.2f} ms in the last {PART}, ratio {ratio:.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    asyncio.run(main())
