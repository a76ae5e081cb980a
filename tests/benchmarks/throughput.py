"""Many solves at once in one process, against a bare client with the same limit.

`uv run python -m tests.benchmarks.throughput [--solves 500] [--concurrency 8 16 32] [--rounds 3] [--collector python]
[--client aiohttp] [--by-hand]`: each solve makes 8 calls of 50 ms through the store; the bare client makes the same
requests by asyncio and httpx, which OpenAI's client is built on, or by aiohttp, which ponder uses. Interleaved rounds,
medians; the processor's time is this process's, and means something on a busy machine, too.
Python's garbage collector is set as `ponder serve` sets it, or left as it is.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import httpx
from langchain_core.messages import BaseMessage
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from ponder.graphs import asolve
from ponder.graphs.cli.serve import collect_less
from ponder.nodes.models.openai import openai_model
from ponder.nodes.ports import ChatModel, Reply, Request
from ponder.state import SQLAlchemySaver
from tests.benchmarks.by_hand import by_hand
from tests.fault_server import as_process

CALLS = 8
LATENCY = 0.05


@dataclass
class Timed:
    """A model that notes how long each call took; no answer of a `quarrelsome` one is like another."""

    model: ChatModel
    quarrelsome: bool = False
    took: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.model.name

    async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
        clock = time.perf_counter()
        reply = await self.model.generate(messages, request)
        self.took.append(time.perf_counter() - clock)
        return replace(reply, text=f"Answer: {len(self.took)}") if self.quarrelsome else reply


@asynccontextmanager
async def poster(client: str) -> AsyncIterator[Callable[[str, object], Awaitable[Any]]]:
    """Open a client; yield what posts JSON with it and returns the JSON of the reply."""
    if client == "aiohttp":
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1000)) as session:

            async def post(url: str, body: object) -> Any:
                async with session.post(url, json=body) as reply:
                    return await reply.json()

            yield post
    else:
        limits = httpx.Limits(max_connections=1000, max_keepalive_connections=100)
        async with httpx.AsyncClient(limits=limits, timeout=None) as other:  # noqa: S113 - as ponder's own

            async def send(url: str, body: object) -> Any:
                return (await other.post(url, json=body)).json()

            yield send


async def bare(url: str, requests: int, concurrency: int, client: str, windows: int = 1) -> float:
    """Make the requests with a client alone, so many windows of them one after the other; return the seconds."""
    gate = asyncio.Semaphore(concurrency)
    async with poster(client) as post:

        async def one(index: int) -> str:
            message = {"role": "user", "content": f"What is {index} + 7? Think step by step."}
            body = {"model": "fault", "messages": [message], "max_tokens": 64, "temperature": 0.7, "seed": index}
            async with gate:
                reply = await post(f"{url}/chat/completions", body)
            return str(reply["choices"][0]["message"]["content"])

        clock = time.perf_counter()
        for _ in range(windows):
            await asyncio.gather(*(one(index) for index in range(requests // windows)))
        return time.perf_counter() - clock


async def ponder(model: ChatModel, solves: int, calls: int, saver: SQLAlchemySaver, **settings: object) -> float:
    """Solve at once; return the seconds."""
    given: dict[str, Any] = {"policy": "fixed", "max_tokens": 64, **settings}
    clock = time.perf_counter()
    await asyncio.gather(
        *(
            asolve(
                f"What is {index} + 7?",
                model=model,
                budget={"max_calls": calls},
                store=saver,
                seed=index,
                **given,
            )
            for index in range(solves)
        )
    )
    return time.perf_counter() - clock


def served(spread: float = 0) -> AbstractContextManager[str]:
    """Run a server whose replies take as long at the median, and by default all of them."""
    return as_process("--latency", LATENCY, "--spread", spread)


def memory() -> float:
    """Return what the process holds, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def percentiles(seconds: Iterable[float]) -> str:
    """Return the median and the 99th percentile of an overhead in ms."""
    cuts = statistics.quantiles(seconds, n=100)
    return f"p50 {(cuts[49] - LATENCY) * 1000:.1f} ms, p99 {(cuts[98] - LATENCY) * 1000:.1f} ms"


async def many(url: str, saver: SQLAlchemySaver, chat: ChatOpenAI, given: argparse.Namespace, concurrency: int) -> None:
    """Print the medians of interleaved rounds."""
    timed = Timed(openai_model("fault", url, "none"))
    await ponder(timed, 2, CALLS, saver)
    timed.took.clear()
    held, ratios, rates, busy = memory(), [], [], []
    requests = given.solves * CALLS
    other, others = by_hand(chat, CALLS, concurrency=concurrency), []
    for _ in range(given.rounds):
        begun = time.process_time()
        plain = await bare(url, requests, concurrency, given.client)
        between = time.process_time()
        ours = await ponder(timed, given.solves, CALLS, saver, concurrency=concurrency)
        busy.append((between - begun, time.process_time() - between))
        ratios.append(plain / ours)
        rates.append((requests / plain, requests / ours))
        if given.by_hand:
            clock = time.perf_counter()
            await asyncio.gather(*(other() for _ in range(given.solves)))
            others.append(plain / (time.perf_counter() - clock))
    fast, slow = (statistics.median(column) for column in zip(*rates, strict=True))
    light, heavy = (statistics.median(column) / requests * 1000 for column in zip(*busy, strict=True))
    print(
        f"{given.solves} solves at once, {CALLS} calls each, {concurrency} in flight: bare {fast:.0f} calls/s, ponder "
        f"{slow:.0f}, ratio {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f}); processor "
        f"{light:.1f} and {heavy:.1f} ms a call; memory {held:.0f} -> {memory():.0f} MB; a call's overhead in the "
        f"adapter {percentiles(timed.took)}",
        flush=True,
    )
    if others:
        print(f"    by hand, no saver: ratio {statistics.median(others):.2f} ({min(others):.2f}-{max(others):.2f})")


async def main() -> None:
    """Measure on a server and a store of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("solves", 500), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[8, 16, 32])
    parser.add_argument("--collector", choices=("serve", "python"), default="serve")
    parser.add_argument("--client", choices=("httpx", "aiohttp"), default="httpx")
    parser.add_argument("--by-hand", action="store_true", help="measure a graph written by hand, too")
    given = parser.parse_args()
    if given.collector == "serve":
        collect_less()
    with served() as url, tempfile.TemporaryDirectory() as folder:
        chat = ChatOpenAI(model="fault", base_url=url, api_key=SecretStr("none"), max_retries=0)
        async with SQLAlchemySaver.from_conn_string(f"sqlite:///{Path(folder) / 'ponder.db'}") as saver:
            for concurrency in given.concurrency:
                await many(url, saver, chat, given, concurrency)
        await chat.root_async_client.close()


if __name__ == "__main__":
    asyncio.run(main())
