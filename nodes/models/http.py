"""Requests over HTTP: one session per server, shared by all runs of the process, and closed when it ends."""

import asyncio
import atexit
import json
import os
import threading
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import httpx

from ..deadline import waiting
from ..loop import background, background_loop, inherited, submit

MOST_CONNECTIONS = 512
"""To one server: what is left of the 1,024 files that most systems allow belongs to others."""
KEPT_ALIVE_SECONDS = 15.0
"""How long a connection that nobody needs is kept for the next call."""
CLOSING_SECONDS = 5.0

Headers = Mapping[str, str]


class BadStatus(Exception):  # noqa: N818 - reads as the fact it states
    """A server answered with a status of failure."""

    def __init__(self, status_code: int, body: object, headers: Headers) -> None:
        """Take what it said; an error in OpenAI's form is unwrapped."""
        said = body.get("error", body) if isinstance(body, Mapping) else body
        super().__init__(f"{status_code}: {said}")
        self.status_code = status_code
        self.body = said
        self.code = said.get("code") if isinstance(said, Mapping) else None
        self.headers = headers


@dataclass
class Client:
    """The connections to one server; it is used on the background loop alone."""

    session: aiohttp.ClientSession
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_CONNECTIONS))

    async def post(self, url: str, body: object, headers: Headers) -> object:
        """Post JSON, and return the reply's, or its text where it is none.

        Raises:
            BadStatus: the server refuses.
            aiohttp.ClientError: there was no reply, or not a whole one.

        """
        with waiting():
            await self.room.acquire()
        try:
            async with self.session.post(url, json=body, headers=headers) as response:
                said = decoded(await response.read())
        finally:
            self.room.release()
        if response.ok:
            return said
        raise BadStatus(response.status, said, response.headers)


def decoded(said: bytes) -> Any:
    """Return the JSON that a reply is; a text that is none as it is."""
    try:
        return json.loads(said)
    except (ValueError, RecursionError):
        return said.decode(errors="replace")


clients: dict[str, Client] = {}
lock = threading.Lock()


async def post(server: str, url: str, body: object, headers: Headers) -> object:
    """Post to a server, on the loop that its connections belong to; raises as `Client.post`."""
    return await background(posted(server, url, body, headers))


async def posted(server: str, url: str, body: object, headers: Headers) -> object:
    """Post to a server from the background loop."""
    with lock:
        if server not in clients:
            clients[server] = Client(open_session(server))
        client = clients[server]
    return await client.post(url, body, headers)


def open_session(server: str) -> aiohttp.ClientSession:
    """Open a session without cookies; how long a call may take is decided where it is made, by the budget."""
    # httpx knows where the certificates are, also where the system has none.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_ALIVE_SECONDS, ssl=httpx.create_ssl_context())
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        proxy=proxy_for(server),
    )


def proxy_for(url: str) -> str | None:
    """Return the user's proxy for a URL; aiohttp's own way also takes passwords from a file that they are not for."""
    parts, known = urlsplit(url), urllib.request.getproxies()
    if not parts.hostname or urllib.request.proxy_bypass(parts.hostname):
        return None
    return known.get(parts.scheme) or known.get("all")


def close_client(server: str) -> None:
    """Close the connections to a server."""
    with lock:
        client = clients.pop(server, None)
    if client and background_loop().is_running():
        submit(client.session.close()).result(CLOSING_SECONDS)


def forget() -> None:
    """Leave the connections of the parent to it, in a process that was forked."""
    global lock  # noqa: PLW0603 - a thread of the parent may have held it
    lock = threading.Lock()
    inherited.extend(clients.values())
    clients.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget)


@atexit.register
def close_clients() -> None:
    """Close all connections."""
    for server in list(clients):
        close_client(server)
