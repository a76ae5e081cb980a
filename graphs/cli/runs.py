"""`ponder runs`: what the store holds."""

import asyncio
import json as json_
from datetime import UTC, datetime
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...state.errors import ThreadNotFound
from .solve import Json, Store, resume_command

if TYPE_CHECKING:
    from langgraph.checkpoint.base import CheckpointTuple

app = typer.Typer(help="List and show the runs of a store.", no_args_is_help=True)


@app.command("list")
def list_runs(
    store: Store = None, limit: Annotated[int, typer.Option(min=1, help="Most runs.")] = 20, json: Json = False
) -> None:
    """List the runs of a store, the newest first."""
    rows = asyncio.run(collect(store, limit))
    if json:
        typer.echo(json_.dumps(rows))
        return
    room = max(20, get_terminal_size((110, 24)).columns - 62)
    for row in rows:
        typer.echo(
            f"{short(row['thread_id'], 14):14} {row['status']:10} {row['calls']:4} calls  {row['age']:>5}  "
            f"{short(row['answer'] or '-', 16):16} {short(row['problem'], room)}"
        )
    if not rows:
        typer.echo("no runs yet: solve something with `ponder solve`", err=True)


@app.command("show")
def show(
    thread: Annotated[str, typer.Argument(help="The run's thread.")], store: Store = None, json: Json = False
) -> None:
    """Show one run: problem, route, candidates, outcome."""
    values = asyncio.run(load(store, thread))
    row = described(thread, values)
    if json:
        typer.echo(json_.dumps(row | {"candidates": [item.model_dump() for item in values["candidates"]]}))
        return
    typer.echo(f"problem     {short(row['problem'], 200)}")
    typer.echo(f"status      {row['status']}, {row['calls']} calls")
    if values.get("assessment"):
        found = values["assessment"]
        typer.echo(f"assessment  {found.level} (difficulty {found.difficulty:g}): {found.evidence}")
    for visit in values.get("visits", []):
        counted = f"{visit.calls} calls, {visit.candidates} candidates, {visit.iterations} iterations"
        typer.echo(f"route       {visit.branch}: {counted}, {visit.stopped}")
    from .view import cells

    for item in values.get("candidates", []):
        branch, strategy, answer, sure, text = cells(item)
        typer.echo(f"candidate   {branch:9} {strategy:13} {answer:16} {sure:4} {text}")
    found = values.get("answer")
    if found:
        typer.echo(f"answer      {short(found.answer or 'none', 200)}")
        typer.echo(f"decided by  {found.decided_by}, confidence {found.confidence:.2f}: {found.stopped_because}")
    else:
        typer.echo(f"go on with  {resume_command(thread, store)}")


async def collect(store: str | None, limit: int) -> list[dict[str, Any]]:
    """Describe the newest runs of a store."""
    from ...state.checkpointer import SQLAlchemySaver
    from ..app import default_store
    from ..solver import configured

    async with SQLAlchemySaver.from_conn_string(store or default_store()) as saver:
        threads = await saver.alist_threads(limit)
        found = [(thread, await saver.aget_tuple(configured(thread))) for thread in threads]
    return [described(thread, loaded(stored)) for thread, stored in found if stored]


async def load(store: str | None, thread: str) -> dict[str, Any]:
    """Return the newest state of a run."""
    from ..solver import configured, opened

    async with opened(store) as saver:
        stored = await saver.aget_tuple(configured(thread))
    if stored is None:
        raise ThreadNotFound(f"thread {thread!r} does not exist in this store: see `ponder runs list`")
    return loaded(stored)


def loaded(stored: "CheckpointTuple") -> dict[str, Any]:
    """Return a checkpoint's values and its time."""
    return {**stored.checkpoint["channel_values"], "ts": stored.checkpoint["ts"]}


def described(thread: str, values: dict[str, Any]) -> dict[str, Any]:
    """Put a run into one row."""
    problem, answer = values.get("problem", ""), values.get("answer")
    when = datetime.fromisoformat(values["ts"])
    return {
        "thread_id": thread,
        "status": "finished" if answer else "unfinished",
        "problem": problem if isinstance(problem, str) else problem.text,
        "answer": answer and answer.answer,
        "calls": sum(call.state != "reserved" for call in values.get("calls", [])),
        "updated": when.isoformat(),
        "age": age((datetime.now(UTC) - when).total_seconds()),
    }


def age(seconds: float) -> str:
    """Say how long ago in its largest unit."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f}{unit}"
    return f"{max(0.0, seconds):.0f}s"


def short(text: str, width: int) -> str:
    """Make any text one safe, short line."""
    from .view import plain

    return plain(text, width)
