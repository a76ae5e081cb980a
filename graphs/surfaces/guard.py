"""Before a request is read: not too many at once, and none too large."""

import json
from typing import TYPE_CHECKING

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from .service import Service

COUNTED = "/v1/chat/completions"


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
        self.service.flying += 1
        try:
            await self.app(scope, Counting(receive, most), send)
        finally:
            self.service.flying -= 1


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
    kind = "rate_limit_error" if status == 429 else "invalid_request_error"  # noqa: PLR2004
    body = json.dumps({"error": {"message": reason, "type": kind, "param": None, "code": None}}).encode()
    more = [(b"retry-after", b"1")] if kind == "rate_limit_error" else [(b"connection", b"close")]
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
