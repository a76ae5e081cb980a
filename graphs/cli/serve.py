"""`ponder serve`."""

import asyncio
import gc
import signal
from typing import Annotated

import typer

from ...state.budget import Budget
from ...state.errors import UsageError
from ...state.run import Problem
from ...state.settings import parse_settings
from . import stoppable
from .limits import limits
from .load import opened
from .solve import Models, Pool

COLLECTED = (20_000, 20, 100)
"""New objects after which those are looked through, and how often before the older ones are."""
KEY_VARIABLE = "PONDER_API_KEY"


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; beyond this machine a key is needed.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 is a free one.")] = 8000,
    model: Models = None,
    pool: Pool = "deal",
    base_url: Annotated[str | None, typer.Option(help="An OpenAI-compatible server, …/v1.")] = None,
    store: Annotated[str | None, typer.Option(help="SQLAlchemy URL; default: runs are not kept.")] = None,
    api_key: Annotated[
        list[str] | None,
        typer.Option(envvar=KEY_VARIABLE, help="What clients must send; several may be given, or with commas."),
    ] = None,
    max_calls: Annotated[int | None, typer.Option(min=1, help="Most model calls of one request.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Most tokens of one request.")] = None,
    max_usd: Annotated[float | None, typer.Option(min=0, help="Most US dollars of one request.")] = None,
    max_seconds: Annotated[float | None, typer.Option(min=0, help="Most seconds of work of one request.")] = None,
    key_calls: Annotated[
        int | None, typer.Option(min=1, help="Most model calls of each key, over restarts with --store.")
    ] = None,
    key_tokens: Annotated[int | None, typer.Option(min=1, help="Most tokens of each key.")] = None,
    key_usd: Annotated[float | None, typer.Option(min=0, help="Most US dollars of each key.")] = None,
    allow_verifier: Annotated[list[str] | None, typer.Option(help="A spec that requests may name; may repeat.")] = None,
    max_body: Annotated[int, typer.Option(min=1, help="Most bytes of one request.")] = 4 * 2**20,
    max_requests: Annotated[int, typer.Option(min=1, help="Most requests at once.")] = 512,
    concurrency: Annotated[int, typer.Option(min=1, help="Most calls of the model at once, of all requests.")] = 64,
    requests_per_minute: Annotated[int | None, typer.Option(min=1, help="Most calls of the model a minute.")] = None,
    tokens_per_minute: Annotated[int | None, typer.Option(min=1, help="Most tokens of the model a minute.")] = None,
    grace: Annotated[int, typer.Option(min=0, help="Seconds that requests have to end when the server stops.")] = 30,
) -> None:
    """Serve an OpenAI-compatible endpoint, /v1/chat/completions; runs are kept only with --store."""
    try:
        import uvicorn

        from ..surfaces.http import create_app, is_loopback
        from ..surfaces.keys import listed
        from ..surfaces.service import Operator
    except ImportError as error:
        raise UsageError(f"serve needs a package that is missing ({error}): install ponder[serve]") from error
    from ..app import prepare

    keys = listed(" ".join(api_key or ()))
    if not keys and not is_loopback(host):
        raise UsageError(f"host {host!r} is open to others: give --api-key, or set {KEY_VARIABLE}")
    each = limits(max_calls=max_calls, max_tokens=max_tokens, max_usd=max_usd, max_seconds=max_seconds)
    limits(key_calls=key_calls, key_tokens=key_tokens, key_usd=key_usd)
    rates = {"requests_per_minute": requests_per_minute, "tokens_per_minute": tokens_per_minute}
    whole = {"max_calls": key_calls, "max_tokens": key_tokens, "max_usd": key_usd}
    operator = Operator(
        model=model or None,
        base_url=base_url,
        store=store,
        keys=keys,
        per_key=Budget.model_validate(whole),
        per_request=parse_settings(budget=each, pool=pool, concurrency=concurrency, **rates),
        verifiers=tuple(allow_verifier or ()),
        most_bytes=max_body,
        most_requests=max_requests,
    )
    app = create_app(operator)
    prepare(model or None, base_url=base_url, pool=pool, budget=each).ready(Problem(text="Any"))
    try:
        prepare(model or None, base_url=base_url, pool=pool, budget=whole).check(Problem(text="Any"))
    except UsageError as error:  # a key's limit is called otherwise than a run's
        raise UsageError(str(error).replace("max_", "key_", 1)) from None
    if store is not None:
        asyncio.run(reached(store))
    config = uvicorn.Config(app, host, port, access_log=False, timeout_graceful_shutdown=grace)
    collect_less()
    with stoppable(signal.SIGINT):  # uvicorn hears SIGTERM itself
        try:
            uvicorn.Server(config).run()
        except SystemExit:  # its log has said why
            raise UsageError(f"nothing can listen at {host!r}, port {port}: give another --host or --port") from None


async def reached(store: str) -> None:
    """Open a store and close it again.

    Raises:
        StoreError: it cannot be.

    """
    async with opened(store):
        pass


def collect_less() -> None:
    """Keep the garbage collector from looking at what is loaded by now, which stays, again and again.

    Python's own way takes up to a third of the time where hundreds of runs share a process.
    """
    gc.freeze()
    gc.set_threshold(*COLLECTED)
