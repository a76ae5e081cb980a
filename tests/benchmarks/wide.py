"""One solve of 32 calls of 50 ms, beside what a bare client and a graph written by hand take for the same waves.

`uv run --group bench python -m tests.benchmarks.wide [--rounds 15] [--waves 8 1]`: in eight waves of four, the default
window of `parallel`, the critical path is 400 ms, since no answer is like another; in a single wave it is 50 ms.

The graph by hand runs without a checkpointer, and with LangGraph's own for SQLite. Interleaved rounds, medians; ratios
are paired.
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

from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from ponder.graphs import asolve
from ponder.graphs.cli.serve import collect_less
from ponder.nodes.models.openai import openai_model
from ponder.state import SQLAlchemySaver
from tests.benchmarks.by_hand import Run, by_hand
from tests.benchmarks.throughput import LATENCY, Timed, bare, served

CALLS = 32


async def solve(model: Timed, saver: SQLAlchemySaver, waves: int) -> None:
    """Solve once."""
    policy: dict[str, Any] = {"policy": "fixed"} if waves == 1 else {"policy": "parallel", "window": CALLS // waves}
    budget = {"max_calls": CALLS}
    answer = await asolve("What is it?", model=model, store=saver, budget=budget, effort="thorough", seed=1, **policy)
    assert len(answer.candidates) == CALLS


async def compare(runs: dict[str, Run], rounds: int, waves: int) -> None:
    """Print what each takes, beside the critical path and the first of them."""
    took: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 1):
        for name, run in runs.items():
            clock = time.perf_counter()
            await run()
            if number:  # the first time opens connections
                took[name].append(time.perf_counter() - clock)
    first = next(iter(took.values()))
    print(f"one solve of {CALLS} calls, waves: {waves}, rounds: {rounds}")
    for name, seconds in took.items():
        middle = statistics.median(seconds)
        ratio = statistics.median(ours / other for ours, other in zip(first, seconds, strict=True))
        path = middle / LATENCY / waves
        print(f"  {name:26} {middle * 1000:4.0f} ms, {path:.2f} x the critical path; ponder {ratio:.2f} x", flush=True)


async def main() -> None:
    """Measure on a server and stores of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--waves", type=int, nargs="+", default=[8, 1])
    given = parser.parse_args()
    collect_less()
    # Named as text: the type checkers do not see the dependency group that it is in.
    langgraph_saver = import_module("langgraph.checkpoint.sqlite.aio").AsyncSqliteSaver
    with served() as url, tempfile.TemporaryDirectory() as folder:
        model = Timed(openai_model("fault", url, "none"), quarrelsome=True)
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
                    "bare aiohttp": partial(bare, url, CALLS, CALLS, "aiohttp", waves),
                    "bare httpx": partial(bare, url, CALLS, CALLS, "httpx", waves),
                }
                await compare(runs, given.rounds, waves)
        await chat.root_async_client.close()


if __name__ == "__main__":
    asyncio.run(main())
