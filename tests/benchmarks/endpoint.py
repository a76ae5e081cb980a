"""Requests at once through `ponder serve`, and through optillm's proxy with majority voting at the same N.

`uv run python -m tests.benchmarks.endpoint [--requests 200] [--n 8] [--rounds 5] [--together] [--optillm PYTHON]`: both
ask the same model server, which takes 50 ms a request, whatever its `n`, and counts what it answers; optillm asks it
once for N choices, ponder N times (with `--together` fewer). Interleaved rounds; latencies as their client sees them.

`--optillm` is the interpreter of an environment of its own: `uv pip install --no-deps optillm`, and openai, flask,
cerebras_cloud_sdk, numpy, networkx, z3-solver, tiktoken, scikit-learn, requests, PyYAML, math-verify, aiohttp and
azure-identity, which it imports.
"""

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

LATENCY = 0.05
READ, WRITTEN = 10, 5
"""Tokens of each prompt and of each choice."""


@dataclass
class Model:
    """The model server: HTTP by hand, so that it takes little of the processor that is measured."""

    calls: int = 0
    tokens: int = 0

    async def serve(self) -> None:
        """Listen on a free port, print its URL, and end with standard input."""
        server = await asyncio.start_server(self.connected, "127.0.0.1", 0, backlog=4096)
        print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
        await asyncio.to_thread(sys.stdin.read)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                size = head.partition("content-length:")[2].partition("\r\n")[0]
                body = json.dumps(await self.answer(await reader.readexactly(int(size or 0)))).encode()
                length = f"content-length: {len(body)}".encode()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n" + length + b"\r\n\r\n" + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def answer(self, body: bytes) -> dict[str, Any]:
        """Return a completion; without a body, what was answered so far."""
        if not body:
            return {"calls": self.calls, "tokens": self.tokens}
        await asyncio.sleep(LATENCY)
        number = json.loads(body).get("n") or 1
        self.calls += 1
        self.tokens += READ + number * WRITTEN
        message = {"role": "assistant", "content": "Answer: 2"}
        choices = [{"index": index, "finish_reason": "stop", "message": message} for index in range(number)]
        usage = {"prompt_tokens": READ, "completion_tokens": number * WRITTEN}
        usage["total_tokens"] = sum(usage.values())
        about = {"id": "1", "object": "chat.completion", "created": 0, "model": "fake"}
        return about | {"choices": choices, "usage": usage}


@dataclass
class Side:
    """One of the endpoints, and what was seen of it."""

    name: str
    url: str
    asked: dict[str, Any]
    medians: list[float] = field(default_factory=list)
    failed: int = 0
    off: int = 0
    """Tokens that its replies report and the model server did not count, or the other way round."""

    async def measure(self, client: httpx.AsyncClient, model: str, requests: int) -> None:
        """Make the requests at once."""
        before = (await client.get(f"{model}/log")).json()["tokens"]
        found = await asyncio.gather(*(self.ask(client) for _ in range(requests)))
        self.medians.append(statistics.median(took for took, _ in found))
        self.failed += sum(tokens is None for _, tokens in found)
        counted = (await client.get(f"{model}/log")).json()["tokens"] - before
        self.off = abs(counted - sum(tokens or 0 for _, tokens in found))

    async def ask(self, client: httpx.AsyncClient) -> tuple[float, int | None]:
        """Make one request; return its seconds, and its tokens where it succeeded."""
        clock = time.perf_counter()
        reply = await client.post(f"{self.url}/v1/chat/completions", json=self.asked)
        took = time.perf_counter() - clock
        whole = reply.status_code == httpx.codes.OK and reply.json()["choices"][0]["message"]["content"] == "Answer: 2"
        usage = reply.json()["usage"] if whole else {}
        return took, usage.get("total_tokens", usage.get("completion_tokens"))  # optillm reports no others


@contextmanager
def started(*command: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command until the block ends."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **pipes, text=True, env=os.environ | environment) as process:
        try:
            yield process
        finally:
            process.kill()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def listening(client: httpx.AsyncClient, url: str) -> None:
    """Wait until a server takes requests."""
    for _ in range(600):
        try:
            await client.get(f"{url}/v1/models")
        except httpx.TransportError:
            await asyncio.sleep(0.1)
        else:
            return
    raise TimeoutError(f"{url} does not start")


async def compare(model: str, sides: list[Side], given: argparse.Namespace) -> None:
    """Print each side's median of medians, and the ratio of the two."""
    # A server closes connections that are idle for five seconds, and would cut a request that comes just then.
    limits = httpx.Limits(max_connections=given.requests, keepalive_expiry=2)
    async with httpx.AsyncClient(limits=limits, timeout=300, trust_env=False) as client:
        for side in sides:
            await listening(client, side.url)
            await side.measure(client, model, 8)
            side.medians.clear()
        for _ in range(given.rounds):
            for side in sides:
                await side.measure(client, model, given.requests)
    for side in sides:
        low, middle, high = statistics.quantiles(side.medians, n=4)
        told = f"p50 {middle * 1000:.0f} ms [{low * 1000:.0f}, {high * 1000:.0f}], {side.failed} failed"
        print(f"{side.name}: {given.requests} requests at once, N = {given.n}: {told}, {side.off} tokens off")
    if len(sides) > 1:
        ratios = [ours / theirs for ours, theirs in zip(sides[0].medians, sides[1].medians, strict=True)]
        print(
            f"{sides[0].name} / {sides[1].name}: {statistics.median(ratios):.2f}, the median of {given.rounds} rounds"
        )


def main() -> None:
    """Start the servers, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", action="store_true", help="Be the model server.")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--n", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--together", action="store_true", help="Let ponder ask for several samples in one request.")
    parser.add_argument("--optillm", help="An interpreter that has optillm.")
    given = parser.parse_args()
    if given.serve:
        asyncio.run(Model().serve())
        return
    messages = [{"role": "user", "content": "What is 1 + 1?"}]
    with ExitStack() as stack:
        server = stack.enter_context(started(sys.executable, "-m", "tests.benchmarks.endpoint", "--serve"))
        assert server.stdout
        model = server.stdout.readline().strip()
        port = free_port()
        serve = ("serve", "--model", "openai:fake", "--base-url", f"{model}/v1", "--port", str(port))
        serve += ("--concurrency", "512")
        stack.enter_context(started(sys.executable, "-c", "from ponder.graphs.cli import main; main()", *serve))
        settings = {"policy": "fixed", "budget": {"max_calls": given.n}}
        settings |= {"n": given.n} if given.together else {}
        asked: dict[str, Any] = {"model": "ponder", "messages": messages, "max_tokens": 64, "ponder": settings}
        sides = [Side("ponder", f"http://127.0.0.1:{port}", asked)]
        if given.optillm:
            port = free_port()
            run = ("-c", "from optillm.server import main; main()", "--approach", "majority_voting", "--log", "error")
            proxy = (given.optillm, *run, "--port", str(port), "--base-url", f"{model}/v1")
            stack.enter_context(started(*proxy, OPENAI_API_KEY="none"))
            body: dict[str, Any] = {"model": "fake", "messages": messages, "max_tokens": 64, "k": given.n}
            sides.append(Side("optillm", f"http://127.0.0.1:{port}", body))
        asyncio.run(compare(model, sides, given))


if __name__ == "__main__":
    main()
