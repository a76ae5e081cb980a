"""Requests over HTTP: one session per server, shared by all runs of the process, and closed when it ends."""

import asyncio
import atexit
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import aiohttp

from ..deadline import sending
from ..loop import after_fork, background, background_loop, inherited, submit
from .between import MOST_REDIRECTS, check_arrived, passage, proxy_for, trust

MOST_CONNECTIONS = 512
"""To one server: what is left of the 1,024 files that most systems allow belongs to others."""
KEPT_ALIVE_SECONDS = 15.0
"""How long a connection that nobody needs is kept for the next call."""
CONNECT_SECONDS = 10.0
"""For a socket and its encryption."""
REACH_SECONDS = 30.0
"""For all of a connection: to find the host and to be let through by a proxy come on top."""
CLOSING_SECONDS = 5.0
LONGEST_HEADER = 64 * 1024
"""Bytes; some gateways send long ones."""
LONGEST_REPLY = 64 * 1024 * 1024
"""Bytes: a reply without an end would take all memory."""
SHORTEST_SECRET = 8
"""Characters: a shorter key, such as the `none` of a server that wants none, may be any word of a reply."""

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
        """Not a `response`: LangChain would read one as httpx's."""


class TooLong(Exception):  # noqa: N818 - reads as the fact it states
    """A reply is longer than any completion."""

    def __init__(self) -> None:
        """Say how long."""
        super().__init__(f"more than {LONGEST_REPLY >> 20} MiB")


@dataclass(frozen=True)
class Way:
    """How far a request is: what to call when it leaves, and the limit while its connection is made."""

    sent: Callable[[], None]
    limit: asyncio.Timeout


def decoded(said: bytes) -> Any:
    """Return the JSON that a reply is; a text that is none as it is."""
    try:
        return json.loads(said)
    except (ValueError, RecursionError):
        return said.decode(errors="replace")


sessions: dict[str, aiohttp.ClientSession] = {}
lock = threading.Lock()


async def post(server: str, url: str, body: object, headers: Headers) -> object:
    """Post JSON to a server, on the loop that its connections belong to; return the reply's, or its text if it is none.

    Raises:
        BadStatus: the server refuses.
        TooLong: its reply has no end.
        ModelNotSetUp: nobody can be trusted.
        aiohttp.ClientError: there was no reply, or not a whole one.

    """
    return await background(posted(server, url, body, headers))


async def posted(server: str, url: str, body: object, headers: Headers) -> object:
    """Post from the background loop."""
    with lock:
        if server not in sessions:
            sessions[server] = open_session(server)
        session = sessions[server]
    limit = asyncio.timeout(None)
    try:
        with sending() as sent, passage(server):
            way = Way(sent, limit)
            async with (
                limit,
                session.post(
                    url, json=body, headers=headers, max_redirects=MOST_REDIRECTS, trace_request_ctx=way
                ) as response,
            ):
                said = decoded(masked(await whole(response), headers))
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise aiohttp.ConnectionTimeoutError(f"no connection within {REACH_SECONDS:g} s") from error
    check_arrived(response, server, url)
    if response.ok:
        return said
    raise BadStatus(response.status, said, response.headers)


async def whole(response: aiohttp.ClientResponse) -> bytes:
    """Return the whole reply.

    Raises:
        TooLong: it is no reply that anybody wants.

    """
    parts: list[bytes] = []
    left = LONGEST_REPLY
    async for part in response.content.iter_any():
        parts.append(part)
        left -= len(part)
        if left < 0:
            raise TooLong
    return b"".join(parts)


def masked(said: bytes, headers: Headers) -> bytes:
    """Take the key out of a reply: some gateways repeat the request, and what a server says is kept and shown."""
    key = headers.get("Authorization", "").rpartition(" ")[2].encode()
    return said.replace(key, b"***") if len(key) >= SHORTEST_SECRET else said


def open_session(server: str) -> aiohttp.ClientSession:
    """Open a session without cookies; how long a reply may take is decided where a call is made, by the budget."""
    proxy = proxy_for(server)
    trace = aiohttp.TraceConfig()
    trace.on_connection_create_start.append(connect)
    trace.on_connection_create_end.append(connected)
    trace.on_request_headers_sent.append(leave)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=MOST_CONNECTIONS, keepalive_timeout=KEPT_ALIVE_SECONDS, ssl=trust(server)),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        trace_configs=[trace],
        proxy=proxy.url if proxy else None,
        max_line_size=LONGEST_HEADER,
        max_field_size=LONGEST_HEADER,
    )


async def connect(_: object, context: SimpleNamespace, __: object) -> None:
    """Begin the time of a connection; until here the request has waited for one that others use."""
    context.trace_request_ctx.limit.reschedule(asyncio.get_running_loop().time() + REACH_SECONDS)


async def connected(_: object, context: SimpleNamespace, __: object) -> None:
    """End it; from here on the time of the call counts."""
    context.trace_request_ctx.limit.reschedule(None)


async def leave(_: object, context: SimpleNamespace, __: object) -> None:
    """Say that a request leaves."""
    context.trace_request_ctx.sent()


def close_client(server: str) -> None:
    """Close the connections to a server."""
    with lock:
        session = sessions.pop(server, None)
    if session and background_loop().is_running():
        submit(session.close()).result(CLOSING_SECONDS)


def forget() -> None:
    """Leave the connections of the parent to it, in a process that was forked."""
    global lock  # noqa: PLW0603 - a thread of the parent may have held it
    lock = threading.Lock()
    inherited.extend(sessions.values())
    sessions.clear()


after_fork(forget)


@atexit.register
def close_clients() -> None:
    """Close all connections."""
    for server in list(sessions):
        close_client(server)
