"""One HTTP client per server, shared by all runs of the process, and closed when it ends."""

import asyncio
import atexit
import threading
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import cast

import httpx

from ..deadline import waiting
from ..loop import background_loop, submit

MOST_CONNECTIONS = 512
"""To one server: what is left of the 1,024 files that most systems allow belongs to others."""
KEPT_ALIVE = 100
CLOSING_SECONDS = 5.0

clients: dict[str, httpx.AsyncClient] = {}
lock = threading.Lock()


@dataclass
class GivenBack(httpx.AsyncByteStream):
    """A reply's body, after which its connection is free."""

    body: httpx.AsyncByteStream
    give_back: Callable[[bool], Awaitable[None]]
    read: bool = False
    """To the end."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self.body:
            yield part
        self.read = True

    async def aclose(self) -> None:
        closed = False
        try:
            await self.body.aclose()
            closed = True
        finally:
            await self.give_back(self.read and closed)


class Connections(httpx.AsyncBaseTransport):
    """Connections to one server, each in a pool of its own, the last one used first.

    httpcore's pool asks every connection that it holds whether it still lives, before and after each request: with
    dozens in flight that costs more than the requests.
    """

    def __init__(self) -> None:
        """Start with none."""
        self.idle: list[httpx.AsyncHTTPTransport] = []
        self.busy: set[httpx.AsyncHTTPTransport] = set()
        self.room = asyncio.Semaphore(MOST_CONNECTIONS)
        self.context = httpx.create_ssl_context()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        with waiting():
            await self.room.acquire()
        connection = self.idle.pop() if self.idle else self.open()
        self.busy.add(connection)
        try:
            response = await connection.handle_async_request(request)
        except BaseException:
            await self.give_back(connection, False)
            raise
        body = cast("httpx.AsyncByteStream", response.stream)
        response.stream = GivenBack(body, partial(self.give_back, connection))
        return response

    def open(self) -> httpx.AsyncHTTPTransport:
        """Return a new connection."""
        return httpx.AsyncHTTPTransport(verify=self.context, limits=httpx.Limits(max_connections=1))

    async def give_back(self, connection: httpx.AsyncHTTPTransport, whole: bool) -> None:
        """Keep a connection for the next request, unless there are enough; a body may be closed twice.

        One whose request was cut off is closed: a pool of one place that still counts it would make the next request
        wait for ever.
        """
        if connection not in self.busy:
            return
        self.busy.remove(connection)
        self.room.release()
        if whole and len(self.idle) < KEPT_ALIVE:
            self.idle.append(connection)
        else:
            await asyncio.shield(connection.aclose())

    async def aclose(self) -> None:
        for connection in (*self.idle, *self.busy):
            await connection.aclose()
        self.idle.clear()


def client_for(base_url: str) -> httpx.AsyncClient:
    """Return the client of a server; it is used on the background loop alone."""
    with lock:
        if base_url not in clients:
            clients[base_url] = make_client()
        return clients[base_url]


def make_client() -> httpx.AsyncClient:
    """Make a client; how long a call may take is decided where it is made, by the budget."""
    if urllib.request.getproxies():  # httpx reads them where it makes the connections itself
        limits = httpx.Limits(max_connections=MOST_CONNECTIONS, max_keepalive_connections=KEPT_ALIVE)
        return httpx.AsyncClient(limits=limits, timeout=None, follow_redirects=True)  # noqa: S113
    return httpx.AsyncClient(transport=Connections(), timeout=None, follow_redirects=True)  # noqa: S113


def close_client(base_url: str) -> None:
    """Close the connections to a server."""
    with lock:
        client = clients.pop(base_url, None)
    if client and background_loop().is_running():
        submit(client.aclose()).result(CLOSING_SECONDS)


@atexit.register
def close_clients() -> None:
    """Close all connections."""
    for base_url in list(clients):
        close_client(base_url)
