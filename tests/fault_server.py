"""A loopback server of OpenAI's chat API that fails and lies as servers do: seeded, fast, with a log of what it did.

It knows how to add, so that problems are `What is A + B?`; what it says depends on the prompt and the seed alone, and
is right with a probability. What goes wrong depends on those and on how often they were asked.

`uv run python -m tests.fault_server [--rate 0.3]` serves as a process of its own: it prints its URL, GET /log is its
log, and it ends with its standard input.
"""

import argparse
import asyncio
import contextlib
import json
import random
import re
import subprocess
import sys
import threading
import urllib.request
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Self

from tests.lies import HONEST, LIES, Body, clean

FAILURES = ("limited", "error", "hang", "cut")
WRONG = (1, 2, 10, 100)
"""How far wrong answers are off."""


@dataclass(frozen=True)
class Behaviour:
    """What the server does; rates are from 0 to 1."""

    rate: float = 0.0
    """Requests that fail: a burst of 429, 500/502/503, a hang, a cut."""
    lies: float = 0.0
    """Of the others, those whose reply is not what it should be."""
    right: float = 0.6
    """Answers that are right."""
    latency: float = 0.0
    """Median in seconds."""
    spread: float = 0.5
    """Sigma of the latency's logarithm; 0: all take the median."""
    burst: int = 4
    """Requests that a burst turns away."""
    retry_after: float = 0.02
    """Seconds that it asks for."""
    failures: tuple[str, ...] = FAILURES
    lying: tuple[str, ...] = ()
    """Lies it tells; empty: all of them."""
    seed: int = 0


@dataclass
class Served:
    """One request, and what became of it."""

    problem: str
    """The sum that it is about, `A+B`."""
    kind: str = "true"
    """`true`, a failure or a lie."""
    status: int = 200
    input_tokens: int = 0
    output_tokens: int = 0
    reported: bool = False
    """The whole reply was sent, with this usage in it."""
    latency: float = 0.0
    """Seconds that it took."""


def said(prompt: str, chance: random.Random, right: float) -> str:
    """Answer a prompt of ponder's, or any that holds a sum."""
    if "Score: <0-10>" in prompt:
        return f"Score: {chance.randint(3, 8)}"
    if "Better: 1" in prompt:
        return f"Better: {chance.choice((1, 2))}"
    if "Difficulty:" in prompt:
        return f"Difficulty: {chance.randint(1, 9)}"
    left, other = summands(prompt)
    total = left + other + (0 if chance.random() < right else chance.choice(WRONG))
    return f"{left} and {other} are together \\boxed{{{total}}}.\nAnswer: {total}"


def summands(prompt: str) -> tuple[int, int]:
    """Find the sum that a prompt is about."""
    found = re.search(r"(\d+) \+ (\d+)", prompt)
    return (int(found[1]), int(found[2])) if found else (1, 1)


@dataclass
class Play:
    """Decides about each request, and keeps the log."""

    behaviour: Behaviour
    log: list[Served] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    burst: int = 0
    connected: set[asyncio.Transport] = field(default_factory=set)

    def chance(self, *key: object) -> random.Random:
        """Return the randomness of one thing."""
        return random.Random(zlib.crc32("/".join(map(str, (self.behaviour.seed, *key))).encode()))  # noqa: S311

    def respond(self, request: Body) -> tuple[float, Served, bytes | None]:
        """Return when to answer (seconds), what goes into the log, and the bytes; None hangs, too few are a cut."""
        prompt, seed = str(request["messages"][-1]["content"]), request.get("seed")
        times = self.asked[f"{seed} {prompt}"]
        self.asked[f"{seed} {prompt}"] += 1
        served = Served("{}+{}".format(*summands(prompt)))
        chance = self.chance(prompt, seed, times)
        latency = served.latency = self.behaviour.latency * chance.lognormvariate(0, self.behaviour.spread)
        served.kind = self.kind(chance)
        if served.kind == "limited":
            return 0.0, served, self.fail(served, 429)
        if served.kind == "error":
            return latency, served, self.fail(served, chance.choice((500, 502, 503)))
        body = self.complete(request, prompt, times if seed is None else seed, served)
        if served.kind == "hang":
            return latency, served, None
        raw = LIES.get(served.kind, clean)(body)
        data = raw if isinstance(raw, bytes) else json.dumps(raw).encode()
        kind = "text/html" if served.kind == "html" else "application/json"
        whole = head(200, kind, len(data)) + data
        served.reported = served.kind in HONEST | {"true"}
        return latency, served, whole[: -chance.randint(1, len(data))] if served.kind == "cut" else whole

    def kind(self, chance: random.Random) -> str:
        """Choose what is done to a request."""
        if self.burst:
            self.burst -= 1
            return "limited"
        if chance.random() < self.behaviour.rate:
            failure = chance.choice(self.behaviour.failures)
            self.burst = self.behaviour.burst - 1 if failure == "limited" else 0
            return failure
        lying = self.behaviour.lying or tuple(LIES)
        return chance.choice(lying) if chance.random() < self.behaviour.lies else "true"

    def fail(self, served: Served, status: int) -> bytes:
        """Make a reply of a status that is an error."""
        served.status = status
        extra = f"retry-after: {self.behaviour.retry_after}\r\n" if status == 429 else ""
        data = b"<html><h1>Bad gateway</h1></html>" if status == 502 else b'{"error": {"message": "on purpose"}}'
        return head(status, "text/html" if status == 502 else "application/json", len(data), extra) + data

    def complete(self, request: Body, prompt: str, nth: object, served: Served) -> Body:
        """Make a true completion, and put what it costs into the log."""
        most = request.get("max_completion_tokens") or request.get("max_tokens") or 1000
        choices = []
        for index in range(request.get("n") or 1):
            chance = self.chance("said", prompt, nth, index)
            text = said(prompt, chance, self.behaviour.right)
            served.output_tokens += min(most, len(text) // 4 + chance.randint(1, 30))
            message = {"role": "assistant", "content": text}
            choices.append({"index": index, "finish_reason": "stop", "message": message})
        served.input_tokens = sum(len(str(message["content"])) for message in request["messages"]) // 4 + 3
        usage = {
            "prompt_tokens": served.input_tokens,
            "completion_tokens": served.output_tokens,
            "total_tokens": served.input_tokens + served.output_tokens,
        }
        about = {"id": "1", "object": "chat.completion", "created": 0, "model": "fault"}
        return {**about, "choices": choices, "usage": usage}


def head(status: int, kind: str, length: int, extra: str = "") -> bytes:
    """Make the head of a reply."""
    return f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n{extra}\r\n".encode()


class Connection(asyncio.Protocol):
    """One connection: a request, its reply, the next request."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.received = b""
        self.waiting: tuple[asyncio.TimerHandle, Served] | None = None
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.play.connected.add(transport)

    def data_received(self, data: bytes) -> None:
        self.received += data
        top, found, rest = self.received.partition(b"\r\n\r\n")
        length = int((re.search(rb"(?i)content-length: *(\d+)", top) or [0, 0])[1])
        if not found or len(rest) < length:
            return
        self.received = rest[length:]
        if top.startswith(b"GET /log"):
            log = json.dumps([asdict(served) for served in self.play.log]).encode()
            self.transport.write(head(200, "application/json", len(log)) + log)
            return
        latency, served, reply = self.play.respond(json.loads(rest[:length]))
        self.play.log.append(served)
        if reply is not None:
            timer = asyncio.get_running_loop().call_later(latency, self.reply, reply, served)
            self.waiting = (timer, served)

    def reply(self, data: bytes, served: Served) -> None:
        self.waiting = None
        self.transport.write(data)
        if served.kind == "cut":
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.play.connected.discard(self.transport)
        if self.waiting:  # the client did not wait for it
            self.waiting[0].cancel()
            self.waiting[1].reported = False


class FaultServer:
    """The server on a thread of its own, for tests."""

    def __init__(self, behaviour: Behaviour = Behaviour()) -> None:
        self.play = Play(behaviour)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.url = ""

    @property
    def log(self) -> list[Served]:
        return self.play.log

    async def listen(self) -> str:
        """Serve on a free port of loopback; return the URL."""
        self.server = await asyncio.get_running_loop().create_server(lambda: Connection(self.play), "127.0.0.1", 0)
        return f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/v1"

    async def end(self) -> None:
        self.server.close()
        await asyncio.sleep(0)
        while accepting := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(accepting)
        for transport in set(self.play.connected):
            transport.abort()
        while self.play.connected:  # noqa: ASYNC110 - a transport tells nobody else that it is gone
            await asyncio.sleep(0)

    def __enter__(self) -> Self:
        self.thread.start()
        self.url = asyncio.run_coroutine_threadsafe(self.listen(), self.loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        from ponder.nodes.models.http import close_client

        close_client(self.url)
        asyncio.run_coroutine_threadsafe(self.end(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


@contextlib.contextmanager
def as_process(*options: object) -> Iterator[str]:
    """Run the server as a process of its own, with these options of its command line; yield its URL."""
    command = [sys.executable, "-m", "tests.fault_server", *map(str, options)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        yield process.stdout.readline().strip()
        process.stdin.close()


def read_log(url: str) -> list[Body]:
    """Return what a server that is a process of its own has served."""
    with urllib.request.urlopen(url.removesuffix("/v1") + "/log") as reply:  # noqa: S310 - our own server
        log: list[Body] = json.load(reply)
    return log


async def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("rate", 0.0), ("lies", 0.0), ("right", 0.6), ("latency", 0.0), ("spread", 0.5)):
        parser.add_argument(f"--{name}", type=float, default=default)
    parser.add_argument("--seed", type=int, default=0)
    print(await FaultServer(Behaviour(**vars(parser.parse_args()))).listen(), flush=True)
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
