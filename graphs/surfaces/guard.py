"""Around each request: not too many at once, none too large, and each has an answer though the server stops."""

import asyncio
import json
from typing import TYPE_CHECKING

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .wire import DONE, failure

if TYPE_CHECKING:
    from .service import Service

COUNTED = "/v1/chat/completions"
EVENTS = (b"content-type", b"text/event-stream; charset=utf-8")
STOPS = "the server stops: ask again when it is back"


class Guard:
    """ASGI middleware that turns requests away."""

    def __init__(self, app: ASGIApp, service: "Service") -> None:
        """Stand before an app."""
        self.app = app
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].endswith(COUNTED):
            await self.app(scope, receive, send)
            return
        most = self.service.operator.most_bytes
        if announced(scope) > most:
            await refuse(send, 413, f"the request has {announced(scope)} bytes: send at most {most}")
            return
        if self.service.flying >= self.service.operator.most_requests:
            await refuse(send, 429, f"{self.service.flying} requests are under way: try again in a second")
            return
        answer = Answering(send)
        self.service.flying += 1
        try:
            await self.app(scope, Counting(receive, most), answer)
        except asyncio.CancelledError:  # by the server that stops; who has gone is heard of otherwise
            await answer.cut()
        finally:
            self.service.flying -= 1


class Answering:
    """Sends a response, and knows how far it has come."""

    def __init__(self, send: Send) -> None:
        """Send by the server."""
        self.send = send
        self.started = self.streams = False

    async def __call__(self, message: Message) -> None:
        self.started = True
        self.streams = self.streams or EVENTS in message.get("headers", ())
        await self.send(message)

    async def cut(self) -> None:
        """Answer with an error instead, or end a stream with one."""
        if not self.started:
            await refuse(self.send, 503, STOPS)
        elif self.streams:
            body = (failure(STOPS, "server_error") + DONE).encode()
            await self.send({"type": "http.response.body", "body": body})


class Counting:
    """Receives a body and counts it: not every request says how long it is."""

    def __init__(self, receive: Receive, most: int) -> None:
        """Count up to a number of bytes."""
        self.receive = receive
        self.most = self.left = most

    async def __call__(self) -> Message:
        message = await self.receive()
        self.left -= len(message.get("body", b""))
        if self.left < 0:
            raise HTTPException(413, f"the request has more bytes than {self.most}: send fewer")
        return message


def announced(scope: Scope) -> int:
    """Return the length that a request says it has; 0 where it says none."""
    said = dict(scope["headers"]).get(b"content-length", b"")
    return int(said) if said.isdigit() else 0


async def refuse(send: Send, status: int, reason: str) -> None:
    """Answer without the app, in the form of OpenAI's errors."""
    kind = {429: "rate_limit_error", 503: "server_error"}.get(status, "invalid_request_error")
    body = json.dumps({"error": {"message": reason, "type": kind, "param": None, "code": None}}).encode()
    more = [(b"retry-after", b"1")] if kind == "rate_limit_error" else [(b"connection", b"close")]
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
