"""A server for OpenAI's chat API that answers by what it is asked: equal requests get equal answers, and are counted.

Answers are spread, so that votes stay open, critiques find fault and policies do real work. Every reply carries the
digest of its request, so that a journaled reply tells which request it answers.
"""

import asyncio
import contextlib
import json
import os
import random
import re
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from http.client import HTTPConnection
from urllib.parse import urlsplit

from tests.fake_server import Said, completion
from tests.fakes import kind_of
from tests.forks import fork

LATENCY_SECONDS = (0.005, 0.08)


def digest(request: dict[str, object]) -> str:
    """Name a request by all that makes its reply what it is."""
    asked = {name: request.get(name) for name in ("model", "messages", "seed", "temperature", "max_tokens")}
    return sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


def digests_in(text: str) -> list[str]:
    return re.findall(r"\[([0-9a-f]{16})\]", text)


def reply(prompt: str, key: str) -> str:
    """Say what the digest has decided."""
    chance = random.Random(key)  # noqa: S311 - no secret
    match kind_of(prompt):
        case "critique":
            last = f"Score: {chance.randrange(8)}"
        case "judge":
            last = f"Better: {chance.choice('12')}"
        case "rate":
            last = f"Difficulty: {chance.randrange(1, 10)}"
        case _:
            last = f"Answer: {chance.choices(['12', '15', '18', '21'], [4, 3, 2, 1])[0]}"
    return f"Thought [{key}] through.\n{last}"


class Oracle:
    """The server's own process: the digests of all requests, in the order in which they came."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311
        self.log: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of a connection."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):  # the client is killed: the purpose
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
                body = await reader.readexactly(length)
                said = json.dumps(self.log if head.startswith(b"get") else await self.answer(json.loads(body)))
                top = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(said)}\r\n\r\n"
                writer.write(top.encode() + said.encode())
                await writer.drain()
        writer.close()

    async def answer(self, request: dict[str, object]) -> dict[str, object]:
        """Count a request, think, answer."""
        key = digest(request)
        self.log.append(key)
        await asyncio.sleep(self.chance.uniform(*LATENCY_SECONDS))
        messages = request["messages"]
        assert isinstance(messages, list)
        prompt = str(messages[-1]["content"])
        tokens = {"prompt_tokens": len(prompt) // 4, "completion_tokens": int(key[:2], 16)}
        return completion(Said(reply(prompt, key), usage={**tokens, "total_tokens": sum(tokens.values())}))

    async def run(self, listening: socket.socket, parent: int) -> None:
        """Serve for as long as the process lives that wants it."""
        async with await asyncio.start_server(self.serve, sock=listening):
            while os.getppid() == parent:  # noqa: ASYNC110 - nobody signals a parent's death
                await asyncio.sleep(1)


@contextmanager
def serving(seed: int) -> Iterator[str]:
    """Serve in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        parent = os.getpid()
        process = fork(lambda: asyncio.run(Oracle(seed).run(listening, parent)))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        finally:
            process.kill()
            process.gone()


def asked(url: str) -> list[str]:
    """Return the digests of all requests so far."""
    with closing(HTTPConnection(urlsplit(url).netloc)) as connection:
        connection.request("GET", "/log")
        return json.loads(connection.getresponse().read())
