"""One solve of 32 calls of 50 ms, beside what a bare client and a graph written by hand take for the same waves.

`uv run --group bench python -m tests.benchmarks.wide [--rounds 15] [--waves 8 1] [--spread 0]`: eight waves of four are
the default window of `parallel`, since no answer is like another. The critical path is the longest reply of each wave,
by the server's log: 50 ms, or by `--spread` (sigma of the logarithm) what the longest of so many takes.

The graph by hand runs without a checkpointer, and with LangGraph's own for SQLite; with a task a wave, not a call, it
has ponder's adapter and checkpointer: what a machine of such tasks could come down to. Interleaved rounds, medians;
ratios are paired, and without a spread only: with one, every run has waves of its own.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from ponder.graphs import asolve
from ponder.graphs.cli.serve import collect_less
from ponder.nodes.models.openai import openai_model
from ponder.nodes.ports import ChatModel, Request
from ponder.state import SQLAlchemySaver
from tests.benchmarks.by_hand import Run, by_hand, in_waves
from tests.benchmarks.throughput import Timed, bare, served
from tests.fault_server import read_log

CALLS = 32


async def solve(model: Timed, saver: SQLAlchemySaver, waves: int) -> None:
    """Solve once."""
    policy: dict[str, Any] = {"policy": "fixed"} if waves == 1 else {"policy": "parallel", "window": CALLS // waves}
    budget = {"max_calls": CALLS}
    answer = await asolve("What is it?", model=model, store=saver, budget=budget, effort="thorough", seed=1, **policy)
    assert len(answer.candidates) == CALLS


async def ask(model: ChatModel, index: int) -> str:
    """Ask by ponder's adapter alone."""
    asked = Request(temperature=0.7, max_tokens=64, seed=index)
    return (await model.generate([HumanMessage(f"What is {index} + 7?")], asked)).text


def critical(url: str, waves: int) -> float:
    """Return the seconds of the longest reply of each wave, of the last run by the server's log."""
    latencies = [served["latency"] for served in read_log(url)[-CALLS:]]
    size = CALLS // waves
    return sum(max(latencies[place : place + size]) for place in range(0, CALLS, size))


async def compare(url: str, runs: dict[str, Run], rounds: int, waves: int) -> None:
    """Print what each takes, beside the critical path and the first of them."""
    took: dict[str, list[float]] = {name: [] for name in runs}
    paths: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            clock = time.perf_counter()
            await run()
            if number:  # the first time opens connections
                took[name].append(time.perf_counter() - clock)
                paths[name].append(critical(url, waves))
    first = next(iter(took.values()))
    print(f"one solve of {CALLS} calls, waves: {waves}, rounds: {rounds}")
    for name, seconds in took.items():
        middle, path = statistics.median(seconds), statistics.median(paths[name])
        times = statistics.median(second / path for second, path in zip(seconds, paths[name], strict=True))
        ratio = statistics.median(ours / other for ours, other in zip(first, seconds, strict=True))
        print(
            f"  {name:26} {middle * 1000:4.0f} ms, critical path {path * 1000:4.0f} ms, {times:.2f} x; "
            f"ponder takes {ratio:.2f} x of it",
            flush=True,
        )


async def main() -> None:
    """Measure on a server and stores of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--waves", type=int, nargs="+", default=[8, 1])
    parser.add_argument("--spread", type=float, default=0.0)
    given = parser.parse_args()
    collect_less()
    # Named as text: the type checkers do not see the dependency group that it is in.
    langgraph_saver = import_module("langgraph.checkpoint.sqlite.aio").AsyncSqliteSaver
    with served(given.spread) as url, tempfile.TemporaryDirectory() as folder:
        model = Timed(openai_model("fault", url, "none"), quarrelsome=True)
        asking = partial(ask, model.model)
        chat = ChatOpenAI(model="fault", base_url=url, api_key=SecretStr("none"), max_retries=0)
        async with (
            SQLAlchemySaver.from_conn_string(f"sqlite:///{Path(folder) / 'ponder.db'}") as saver,
            langgraph_saver.from_conn_string(str(Path(folder) / "langgraph.db")) as theirs,
        ):
            for waves in given.waves:
                runs: dict[str, Run] = {
                    "ponder": partial(solve, model, saver, waves),
                    "by hand, LangGraph's saver": by_hand(chat, CALLS, waves, saver=theirs, concurrency=CALLS),
                    "by hand, no saver": by_hand(chat, CALLS, waves, concurrency=CALLS),
                    "by hand, a task a wave": in_waves(asking, CALLS, waves, saver=saver),
                    "bare aiohttp": partial(bare, url, CALLS, CALLS, "aiohttp", waves),
                    "bare httpx": partial(bare, url, CALLS, CALLS, "httpx", waves),
                }
                await compare(url, runs, given.rounds, waves)
        await chat.root_async_client.close()


if __name__ == "__main__":
    asyncio.run(main())
