"""What ponder adds to eight calls of 50 ms: a parallel solve with the store on, against the same requests by asyncio.

And how long it takes from the start of the process to its first request, against a script that only asks by
langchain-openai. `uv run python -m tests.benchmarks.overhead [--repeats 15]`: interleaved medians.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from langchain_core.messages import HumanMessage

from ponder.graphs import asolve
from ponder.nodes.models.openai import openai_model
from ponder.nodes.ports import Request
from ponder.state import Budget

CALLS = 8
LATENCY = 0.05
REPLY = json.dumps(
    {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "fake",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Answer: 2"}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }
).encode()


PLAIN = "from langchain_openai import ChatOpenAI; ChatOpenAI(model='fake', max_retries=0).invoke('What is 1 + 1?')"
SOLVE = "from ponder.graphs.cli import main; main()", "solve", "What is 1 + 1?", "--model", "openai:fake", "--quiet"
arrivals: list[float] = []
"""When the requests arrived."""


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer every request of a connection after the latency."""
    with contextlib.suppress(asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            arrivals.append(time.perf_counter())
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            await asyncio.sleep(LATENCY)
            writer.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
                % (len(REPLY), REPLY)
            )
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def server() -> AsyncIterator[str]:
    """Serve on a free port of loopback."""
    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    listening.close()


async def measure(repeats: int, url: str, store: str) -> None:
    """Print the medians of both, and of their ratio."""
    model = openai_model("fake", url, "none")
    request = Request(temperature=0.7, max_tokens=64)
    rows: list[tuple[float, float]] = []
    for _ in range(repeats + 1):
        clock = time.perf_counter()
        await asyncio.gather(*(model.generate([HumanMessage("What is 1 + 1?")], request) for _ in range(CALLS)))
        bare = time.perf_counter() - clock
        clock = time.perf_counter()
        await asolve("What is 1 + 1?", model=model, policy="fixed", budget=Budget(max_calls=CALLS), store=store)
        rows.append((bare, time.perf_counter() - clock))
    rows = rows[1:]
    plain, ours = (statistics.median(column) * 1000 for column in zip(*rows, strict=True))
    ratio = statistics.median(ponder / bare for bare, ponder in rows)
    print(f"{CALLS} calls at {LATENCY * 1000:.0f} ms, median of {repeats}: asyncio {plain:.1f} ms, ", end="")
    print(f"ponder with store {ours:.1f} ms, ratio {ratio:.2f}, {(ours - plain) / CALLS:.1f} ms a call")


async def measure_start(repeats: int, url: str, store: str) -> None:
    """Print the medians of the time from the start of a process to its first request."""
    env = {**os.environ, "OPENAI_BASE_URL": url, "OPENAI_API_KEY": "none", "PONDER_STORE": store}
    rows: list[list[float]] = []
    for _ in range(repeats):
        rows.append([])
        for program in ((PLAIN,), SOLVE):
            arrivals.clear()
            clock = time.perf_counter()
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", *program, env=env, stdout=asyncio.subprocess.DEVNULL
            )
            assert await process.wait() == 0, program
            rows[-1].append(arrivals[0] - clock)
    plain, ours = (statistics.median(column) * 1000 for column in zip(*rows, strict=True))
    ratio = statistics.median(ponder / bare for bare, ponder in rows)
    print(f"start of the process to its first request, median of {repeats}: langchain-openai {plain:.0f} ms, ", end="")
    print(f"ponder solve with store {ours:.0f} ms, ratio {ratio:.2f}")


async def main() -> None:
    """Measure against a server of its own, on a store of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        async with server() as url:
            store = f"sqlite:///{Path(folder) / 'ponder.db'}"
            await measure(repeats, url, store)
            await measure_start(repeats, url, store)


if __name__ == "__main__":
    asyncio.run(main())
