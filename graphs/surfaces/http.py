"""An OpenAI-compatible endpoint: any client of that API gets its replies from runs of ponder."""

import asyncio
import contextlib
import ipaddress
import os
import secrets
import time
from collections.abc import AsyncIterator
from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.exceptions import HTTPException

from ...nodes.events import Event
from ...state.errors import (
    KeyHeld,
    KeySpent,
    KeyUnknown,
    ModelUnreachable,
    NoReply,
    PonderError,
    StoreError,
    ThreadBusy,
    UsageError,
)
from .guard import Guard
from .keys import listed
from .service import Found, Operator, Service, line, told_alive
from .wire import DONE, MODELS, Asked, chunks, completion, event, failure

SIGN_OF_LIFE = 10.0
"""Seconds of silence after which a stream says that it lives."""
STATUS: dict[type[Exception], tuple[int, str]] = {
    KeyUnknown: (401, "authentication_error"),
    KeyHeld: (429, "rate_limit_error"),
    KeySpent: (429, "insufficient_quota"),
    UsageError: (400, "invalid_request_error"),
    ThreadBusy: (409, "conflict_error"),
    ModelUnreachable: (503, "upstream_error"),
    NoReply: (502, "upstream_error"),
    StoreError: (503, "store_error"),
    PonderError: (500, "server_error"),
}
"""Error -> HTTP status and OpenAI's word for the kind."""
DISCONNECTED = 499


ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"description": "What is wrong, as OpenAI's API says it."} for status in (400, 401, 409, 413, 429)
}
router = APIRouter()


def create_app(operator: Operator | None = None) -> FastAPI:
    """Make the app; nothing is opened before it starts."""
    service = Service(operator or Operator())

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.open()
        try:
            yield
        finally:
            await service.close()

    app = FastAPI(title="ponder", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.service = service
    app.add_middleware(Guard, service=service)
    app.add_exception_handler(RequestValidationError, refused)
    app.add_exception_handler(HTTPException, halted)
    for kind in STATUS:
        app.add_exception_handler(kind, failed)
    app.include_router(router)
    return app


def serving(request: Request) -> Service:
    """Return what serves a request."""
    service: Service = request.app.state.service
    return service


def allowed(request: Request) -> str:
    """Let in who has a key, or who asks on this machine where there is none."""
    keys, authorization = serving(request).keys, request.headers.get("authorization", "")
    keys.account(authorization)
    if keys.open and not is_loopback(str((request.scope.get("server") or ("",))[0])):
        raise KeyUnknown("beyond this machine a key is needed: set PONDER_API_KEY, or --api-key, at the server")
    return authorization


Allowed = Annotated[str, Depends(allowed)]


@router.get("/v1/models", responses=ERRORS)
async def models(_: Allowed) -> dict[str, Any]:
    """List the names that a request may have for its model."""
    listed = [{"id": name, "object": "model", "created": 0, "owned_by": "ponder"} for name in MODELS]
    return {"object": "list", "data": listed}


@router.get("/v1/models/{name:path}", responses={**ERRORS, 404: {"description": "No such model."}})
async def model(name: str, _: Allowed) -> Response:
    """Describe one of them."""
    if name not in MODELS:
        return told(404, "invalid_request_error", f"model {name!r} does not exist: see /v1/models")
    return JSONResponse({"id": name, "object": "model", "created": 0, "owned_by": "ponder"})


@router.post("/v1/chat/completions", responses=ERRORS, response_model=None)
async def complete(asked: Asked, request: Request, authorization: Allowed) -> Response:
    """Answer a chat."""
    service = serving(request)
    service.check(asked)  # before a stream begins
    id_, created = f"chatcmpl-{secrets.token_hex(12)}", int(time.time())
    if asked.stream:
        body = stream(service, asked, authorization, id_, created)
        return StreamingResponse(body, media_type="text/event-stream", headers={"cache-control": "no-cache"})
    found = await while_connected(request, service.answer(asked, authorization))
    if found is None:
        return Response(status_code=DISCONNECTED)
    return JSONResponse(completion(id_, created, asked.model, found, stored=service.saver is not None))


@router.get("/healthz")
async def healthy() -> dict[str, str]:
    """Say that the server runs."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"description": "It is full."}})
async def ready(request: Request) -> Response:
    """Say whether it takes requests."""
    service = serving(request)
    full = service.flying >= service.operator.most_requests
    return JSONResponse({"status": "full" if full else "ready", "requests": service.flying}, 503 if full else 200)


async def stream(service: Service, asked: Asked, authorization: str, id_: str, created: int) -> AsyncIterator[str]:
    """Yield a completion as server-sent events; one who reads no further ends the run."""
    progress: asyncio.Queue[str] = asyncio.Queue()

    def tell(event: Event) -> None:
        progress.put_nowait(line(event))

    work = asyncio.ensure_future(service.answer(asked, authorization, tell))
    try:
        async for comment in told_alive(work, progress, SIGN_OF_LIFE):
            yield comment
        whole = completion(id_, created, asked.model, work.result(), stored=service.saver is not None)
        options = asked.stream_options
        for part in chunks(whole, with_usage=options is not None and options.include_usage):
            yield event(part)
    except PonderError as error:
        _, kind, reason = judged(error)
        yield failure(reason, kind)
    finally:
        await ended(work)
    yield DONE


async def while_connected(request: Request, answering: Any) -> Found | None:
    """Wait for an answer; None where the client has gone, and the run is ended."""
    work: asyncio.Task[Found] = asyncio.ensure_future(answering)
    leaving = asyncio.ensure_future(disconnected(request))
    try:
        await asyncio.wait({work, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return work.result() if work.done() else None
    finally:
        leaving.cancel()
        await ended(work)


async def disconnected(request: Request) -> None:
    """Return when the client has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def ended(work: "asyncio.Task[Found]") -> None:
    """Cancel a run that still goes on, and wait until its calls are let go and counted."""
    if not work.done():
        work.cancel()
        await asyncio.wait({work})
    if not work.cancelled():
        work.exception()  # seen: who waited has raised it, or has gone


def refused(_: Request, error: Exception) -> JSONResponse:
    """Answer a request whose body has not the form of one."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - that is what it is registered for
    first = error.errors()[0]
    if first["type"] == "json_invalid" or first["loc"] == ("body",):
        return told(400, "invalid_request_error", "the body is no JSON object: send one, as application/json")
    place = ".".join(str(part) for part in first["loc"] if part != "body")
    return told(400, "invalid_request_error", f"{place}: {first['msg'].lower()}", place)


def halted(_: Request, error: Exception) -> JSONResponse:
    """Answer a request that was stopped while it was read, or that asks for what is not there."""
    assert isinstance(error, HTTPException)  # noqa: S101 - likewise
    return told(error.status_code, "invalid_request_error", str(error.detail))


def failed(_: Request, error: Exception) -> JSONResponse:
    """Answer a request that came to nothing."""
    return told(*judged(error))


def judged(error: Exception) -> tuple[int, str, str]:
    """Return the status, the kind and the words of an error."""
    status, kind = next((told for known, told in STATUS.items() if isinstance(error, known)), (500, "server_error"))
    return status, kind, str(error)


def told(status: int, kind: str, reason: str, place: str | None = None) -> JSONResponse:
    """Write an error as OpenAI's API does."""
    code = "insufficient_quota" if kind == "insufficient_quota" else None
    said = {"message": printable(reason), "type": kind, "param": place and printable(place), "code": code}
    return JSONResponse({"error": said}, status, {"retry-after": "1"} if kind == "rate_limit_error" else None)


def printable(text: str) -> str:
    """Return text that can be sent."""
    return text.encode(errors="replace").decode()


def is_loopback(host: str) -> bool:
    """Say whether an address is this machine's own."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost" or host.startswith("/")


@cache
def default_app() -> FastAPI:
    """Make the app that `langgraph.json` names: the model and the keys are those of the environment."""
    return create_app(Operator(keys=listed(os.environ.get("PONDER_API_KEY", ""))))


def __getattr__(name: str) -> FastAPI:
    """Make `app` where it is asked for."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return default_app()
