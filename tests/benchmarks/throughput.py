"""Many solves at once in one process, against a bare client with the same limit; and one wide solve.

`uv run python -m tests.benchmarks.throughput [--solves 500] [--concurrency 32] [--rounds 3]`: each solve makes 8 calls
of 50 ms through the store; the bare client makes the same requests by asyncio and httpx. Interleaved rounds, medians;
the processor's time is this process's, and means something on a busy machine, too. The wide solve makes 32 calls at
once: its critical path is 50 ms.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE, Popen

import httpx
from langchain_core.messages import BaseMessage

from ponder.graphs import asolve
from ponder.nodes.limits import Limiter
from ponder.nodes.models.openai import openai_model
from ponder.nodes.ports import ChatModel, Reply, Request
from ponder.state import SQLAlchemySaver

CALLS = 8
WIDE = 32
LATENCY = 0.05


@dataclass
class Timed:
    """A model of which at most so many calls are in flight, and how long each took."""

    model: ChatModel
    limiter: Limiter
    took: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.model.name

    async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
        async with self.limiter.slot():
            clock = time.perf_counter()
            reply = await self.model.generate(messages, request)
            self.took.append(time.perf_counter() - clock)
        return reply


async def bare(url: str, requests: int, concurrency: int) -> float:
    """Make the requests with httpx alone; return the seconds."""
    gate = asyncio.Semaphore(concurrency)
    limits = httpx.Limits(max_connections=1000, max_keepalive_connections=100)
    async with httpx.AsyncClient(limits=limits, timeout=None) as client:  # noqa: S113 - as ponder's own

        async def one(index: int) -> str:
            message = {"role": "user", "content": f"What is {index} + 7? Think step by step."}
            body = {"model": "fault", "messages": [message], "max_tokens": 64, "temperature": 0.7, "seed": index}
            async with gate:
                reply = await client.post(f"{url}/chat/completions", json=body)
            return str(reply.json()["choices"][0]["message"]["content"])

        clock = time.perf_counter()
        await asyncio.gather(*(one(index) for index in range(requests)))
        return time.perf_counter() - clock


async def ponder(model: ChatModel, solves: int, calls: int, saver: SQLAlchemySaver, name: str) -> float:
    """Solve at once; return the seconds."""
    clock = time.perf_counter()
    await asyncio.gather(
        *(
            asolve(
                f"What is {index} + 7?",
                model=model,
                policy="fixed",
                budget={"max_calls": calls},
                store=saver,
                thread_id=f"{name}-{index}",
                seed=index,
                max_tokens=64,
            )
            for index in range(solves)
        )
    )
    return time.perf_counter() - clock


def memory() -> float:
    """Return what the process holds, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def percentiles(seconds: Iterable[float]) -> str:
    """Return the median and the 99th percentile of an overhead in ms."""
    cuts = statistics.quantiles(seconds, n=100)
    return f"p50 {(cuts[49] - LATENCY) * 1000:.1f} ms, p99 {(cuts[98] - LATENCY) * 1000:.1f} ms"


async def measure(url: str, saver: SQLAlchemySaver, given: argparse.Namespace) -> None:
    """Print the medians of interleaved rounds."""
    timed = Timed(openai_model("fault", url, "none"), Limiter(given.concurrency))
    await ponder(timed, 2, CALLS, saver, "warm")
    timed.took.clear()
    held, ratios, rates, busy = memory(), [], [], []
    requests = given.solves * CALLS
    for turn in range(given.rounds):
        begun = time.process_time()
        plain = await bare(url, requests, given.concurrency)
        between = time.process_time()
        ours = await ponder(timed, given.solves, CALLS, saver, f"many{turn}")
        busy.append((between - begun, time.process_time() - between))
        ratios.append(plain / ours)
        rates.append((requests / plain, requests / ours))
        print(
            f"bare {requests / plain:.0f} calls/s, ponder {requests / ours:.0f}, memory {memory():.0f} MB", flush=True
        )
    fast, slow = (statistics.median(column) for column in zip(*rates, strict=True))
    print(
        f"{given.solves} solves at once, {CALLS} calls each, {given.concurrency} in flight, {given.rounds} rounds: ",
        end="",
    )
    light, heavy = (statistics.median(column) / requests * 1000 for column in zip(*busy, strict=True))
    print(f"bare {fast:.0f} calls/s, ponder {slow:.0f}, ratio {statistics.median(ratios):.2f}; ", end="")
    print(f"processor {light:.1f} and {heavy:.1f} ms a call; ", end="")
    print(f"memory {held:.0f} -> {memory():.0f} MB; a call's overhead in the adapter {percentiles(timed.took)}")


async def wide(url: str, saver: SQLAlchemySaver, rounds: int) -> None:
    """Print what one solve of many calls takes."""
    model = openai_model("fault", url, "none")
    took = [await ponder(model, 1, WIDE, saver, f"wide{turn}") for turn in range(rounds + 1)][1:]
    plain = [await bare(url, WIDE, WIDE) for _ in range(rounds)]
    ours, least = statistics.median(took) * 1000, statistics.median(plain) * 1000
    print(
        f"one solve of {WIDE} calls at {LATENCY * 1000:.0f} ms, median of {rounds}: ponder with store {ours:.0f} ms, ",
        end="",
    )
    print(f"bare {least:.0f} ms; {ours / LATENCY / 1000:.2f} × the critical path, {ours / least:.2f} × bare")


async def main() -> None:
    """Measure on a server and a store of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("solves", 500), ("concurrency", 32), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    command = [sys.executable, "-m", "tests.fault_server", "--latency", str(LATENCY), "--spread", "0"]
    with tempfile.TemporaryDirectory() as folder, Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:  # noqa: ASYNC220
        assert process.stdin
        assert process.stdout
        url = process.stdout.readline().strip()
        async with SQLAlchemySaver.from_conn_string(f"sqlite:///{Path(folder) / 'ponder.db'}") as saver:
            await wide(url, saver, given.rounds * 5)
            await measure(url, saver, given)
        process.stdin.close()


if __name__ == "__main__":
    asyncio.run(main())
