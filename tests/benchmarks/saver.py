"""Our saver against LangGraph's own on the same database; the sizes; the memory.

`uv run --group bench python -m tests.benchmarks.saver [--kind sqlite] [--part speed] [--repeats 5]`

A ratio is ours to theirs in operations a second: above 1 ours is faster. In each repeat both sides work on new
databases and take turns of a few calls, so that whatever else the machine does hits both; the median ratio counts.
"""

import argparse
import asyncio
import contextlib
import operator
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, Checkpoint, empty_checkpoint
from langgraph.checkpoint.base.id import uuid6
from langgraph.graph import END, START, StateGraph
from sqlalchemy import create_engine, text
from typing_extensions import TypedDict

from ponder.state import SQLAlchemySaver
from tests.state.stores import KINDS, databases

Saver = BaseCheckpointSaver[Any]
Opener = Callable[[str], contextlib.AbstractAsyncContextManager[Saver]]

CONCURRENT, SUPERSTEPS = 32, 20
LENGTHS = (50, 100, 200, 400)
KILOBYTE, MEGABYTE = 1_000, 1_000_000
THREADS = (100, 400, 700, 1000)
STORED = {
    "postgresql": "SELECT sum(pg_total_relation_size(relid)) FROM pg_stat_user_tables",
    "mariadb": "SELECT sum(data_length) FROM information_schema.tables WHERE table_schema = database()",
}


@contextlib.asynccontextmanager
async def ours(url: str) -> AsyncIterator[Saver]:
    """Open our saver."""
    async with SQLAlchemySaver.from_conn_string(url) as saver:
        await saver.asetup()
        yield saver


@contextlib.asynccontextmanager
async def theirs(url: str) -> AsyncIterator[Saver]:
    """Open LangGraph's own; it is in a dependency group that the type checkers do not see."""
    if url.startswith("sqlite"):
        kind = import_module("langgraph.checkpoint.sqlite.aio").AsyncSqliteSaver
        async with kind.from_conn_string(url.removeprefix("sqlite:///")) as saver:
            await saver.setup()
            yield saver
        return
    kind = import_module("langgraph.checkpoint.postgres.aio").AsyncPostgresSaver
    settings = {"autocommit": True, "prepare_threshold": 0, "row_factory": import_module("psycopg.rows").dict_row}
    pool_type = import_module("psycopg_pool").AsyncConnectionPool
    async with pool_type(url, min_size=8, max_size=8, kwargs=settings) as pool:
        saver = kind(pool)
        await saver.setup()
        yield saver


def noise(length: int) -> str:
    """Make text that no database compresses away."""
    return random.randbytes(length // 2).hex()  # noqa: S311 - not a secret


def on(thread: str, **more: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": "", **more}}


def checkpoint_of(saver: Saver, last: str | None = None) -> Checkpoint:
    """Make a checkpoint of 1.2 kB, all of it new."""
    values = {"text": noise(600), "messages": [{"role": "ai", "content": noise(180)} for _ in range(3)], "step": 1}
    versions = dict.fromkeys(values, saver.get_next_version(last, None))
    return {**empty_checkpoint(), "id": str(uuid6()), "channel_values": values, "channel_versions": versions}


TEXT = noise(300)


@dataclass
class Side:
    """One of the two savers, with a thread of 300 checkpoints."""

    saver: Saver
    version: Any = None
    last: list[str] = field(default_factory=list)

    async def aput(self) -> None:
        made = checkpoint_of(self.saver, self.version)
        self.version = made["channel_versions"]["step"]
        await self.saver.aput(on("t"), made, {"step": 1}, made["channel_versions"])
        self.last.append(made["id"])

    async def aput_writes(self) -> None:
        writes = [("text", TEXT), ("messages", [TEXT]), ("step", 1)]
        await self.saver.aput_writes(on("t", checkpoint_id=self.last.pop()), writes, "task")

    async def aget_tuple(self) -> None:
        assert await self.saver.aget_tuple(on("t"))

    async def alist(self, limit: int) -> None:
        assert len([found async for found in self.saver.alist(on("t"), limit=limit)]) == limit

    async def concurrent(self) -> None:
        """Run 32 graphs side by side."""
        graph = looping(self.saver, SUPERSTEPS, lambda: {"text": noise(1200)})
        name = noise(16)
        await asyncio.gather(
            *(graph.ainvoke({"step": 0}, on(f"{name}{number}"), durability="sync") for number in range(CONCURRENT))
        )


WORKLOADS: dict[str, tuple[Callable[[Side], Awaitable[None]], int, int, int]] = {
    "aput": (Side.aput, 300, 20, 1),
    "aput_writes": (Side.aput_writes, 300, 20, 1),
    "aget_tuple": (Side.aget_tuple, 300, 20, 1),
    "alist(50)": (lambda side: side.alist(50), 16, 2, 1),
    "alist(200)": (lambda side: side.alist(200), 8, 1, 1),
    "32 concurrent": (Side.concurrent, 1, 1, CONCURRENT * SUPERSTEPS),
}
"""Name -> work, how often, how often before the other side's turn, and how many operations it is."""


async def race(sides: Sequence[Side], work: Callable[[Side], Awaitable[None]], times: int, turn: int) -> list[float]:
    """Return the seconds that each side takes, in turns."""
    seconds = [0.0 for _ in sides]
    for number in range(times // turn):
        for place in range(len(sides)):
            chosen = (place + number) % len(sides)
            clock = time.perf_counter()
            for _ in range(turn):
                await work(sides[chosen])
            seconds[chosen] += time.perf_counter() - clock
    return seconds


class Steps(TypedDict, total=False):
    step: int
    text: str
    items: Annotated[list[str], operator.add]
    constant: str


def looping(saver: Saver, supersteps: int, update: Callable[[], Steps]) -> Any:
    """Make a graph that runs so many supersteps."""

    async def work(state: Steps) -> Steps:
        return {"step": state.get("step", 0) + 1, **update()}

    graph: Any = StateGraph(Steps).add_node("work", work).add_edge(START, "work")
    graph.add_conditional_edges("work", lambda state: END if state["step"] >= supersteps else "work")
    return graph.compile(checkpointer=saver)


async def fresh(kind: str, opener: Opener, work: Callable[[Saver], Awaitable[Any]]) -> tuple[Any, int]:
    """Work on an empty database; return the result and the bytes that are stored then."""
    with tempfile.TemporaryDirectory() as folder:
        for url in databases(kind, Path(folder)):
            async with opener(url) as saver:
                done = await work(saver)
            return done, stored(kind, url)
    raise AssertionError


def stored(kind: str, url: str) -> int:
    """Count a database's bytes."""
    if kind == "sqlite":
        return Path(url.removeprefix("sqlite:///")).stat().st_size
    driver = {"postgresql": "+psycopg", "mariadb": "+pymysql"}[kind]
    engine = create_engine(url.replace(kind, kind + driver, 1))
    with engine.connect() as connection:
        if kind == "mariadb":
            connection.execute(text("ANALYZE TABLE ponder_checkpoints, ponder_blobs, ponder_writes"))
        size = int(connection.scalar(text(STORED[kind])))
    engine.dispose()
    return size


async def measure_speed(kind: str, repeats: int) -> None:
    """Print the medians of both sides and of their ratios."""
    rates: dict[str, list[list[float]]] = {name: [] for name in WORKLOADS}

    async def both(mine: Saver) -> None:
        async def work(other: Saver) -> None:
            sides = [Side(mine), Side(other)]
            for name, (call, times, turn, operations) in WORKLOADS.items():
                seconds = await race(sides, call, times, turn)
                rates[name].append([times * operations / taken for taken in seconds])

        await fresh(kind, theirs, work)

    for _ in range(repeats):
        await fresh(kind, ours, both)
    print(f"{kind}, operations a second, medians of {repeats}: ours, theirs, ratio (all ratios)")
    for name, found in rates.items():
        mine, other = (statistics.median(column) for column in zip(*found, strict=True))
        ratios = sorted(a / b for a, b in found)
        spread = " ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"{name:14} {mine:8.0f} {other:8.0f} {statistics.median(ratios):6.2f}   ({spread})")


async def measure_size(kind: str, openers: list[Opener]) -> None:
    """Print what a list that grows by 1 kB a step takes, and a constant of 1 MB."""

    async def run(saver: Saver, steps: int, start: Steps, update: Callable[[], Steps]) -> None:
        graph = looping(saver, steps, update)
        await graph.ainvoke({"step": 0, **start}, {**on("t"), "recursion_limit": 1000}, durability="sync")

    for opener in openers:
        sizes = [
            (await fresh(kind, opener, lambda it, n=n: run(it, n, {}, lambda: {"items": [noise(KILOBYTE)]})))[1]
            for n in LENGTHS
        ]
        shown = ", ".join(f"{n}: {size / 1e6:.2f}" for n, size in zip(LENGTHS, sizes, strict=True))
        print(
            f"{kind} {opener.__name__}: growing list, MB at N supersteps: {shown}; 400/200 = {sizes[3] / sizes[2]:.2f}"
        )
        big: Steps = {"constant": noise(MEGABYTE)}
        _, size = await fresh(kind, opener, lambda it: run(it, 200, big, dict))  # type: ignore[arg-type] # noqa: B023
        print(f"{kind} {opener.__name__}: constant of 1 MB over 200 supersteps: {size / 1e6:.2f} MB")


def resident() -> float:
    """Return this process's memory in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


async def measure_memory(kind: str) -> None:
    """Print the memory of this process as it runs threads, each with a list that grows."""

    async def run(saver: Saver) -> None:
        graph = looping(saver, 5, lambda: {"items": [noise(KILOBYTE)]})
        for number in range(THREADS[-1] + 1):
            if number in THREADS:
                print(f"{kind} ours: {resident():.1f} MB after {number} threads")
            await graph.ainvoke({"step": 0}, on(f"t{number}"), durability="sync")

    await fresh(kind, ours, run)


async def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=KINDS, nargs="+", default=list(KINDS))
    parser.add_argument("--part", choices=("speed", "size", "memory"), nargs="+", default=["speed", "size", "memory"])
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args()
    for kind in chosen.kind:
        has_rival = kind != "mariadb"
        if "speed" in chosen.part and has_rival:
            await measure_speed(kind, chosen.repeats)
        if "size" in chosen.part:
            await measure_size(kind, [ours, theirs] if has_rival else [ours])
        if "memory" in chosen.part:
            await measure_memory(kind)


if __name__ == "__main__":
    asyncio.run(main())
