"""`ponder runs`: list, show, export and delete what a store holds."""

import asyncio
import json as json_
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ...state.errors import StoreError
from .finish import resume_command
from .prune import prune
from .solve import Json, Store

if TYPE_CHECKING:
    from .stored import Stored

app = typer.Typer(help="List, show, export, prune and delete the runs of a store.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The run's thread; see `ponder runs list`.")]
Wanted = Literal["running", "unfinished", "waiting", "finished", "foreign", "unreadable"]
LIMIT = 20


@app.command("list", short_help="List runs, the one that changed last first.")
def list_runs(
    store: Store = None,
    status: Annotated[Wanted | None, typer.Option(help="Only runs that are so.", show_choices=True)] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most runs.")] = LIMIT,
    json: Json = False,
) -> None:
    """List runs, the one that changed last first: status, age, calls, tokens, route; problem and answer.

    Running is what somebody works on now; waiting, of the unfinished ones, for a choice that a person is to make;
    foreign is a thread that another graph wrote; unreadable one that was written under another key, or is damaged.
    """
    found, more = asyncio.run(collect(store, status, limit))
    print_runs(found, more, json=json)
    if not found and not json:
        typer.echo(f"no {status} runs" if status else "no runs yet: solve something with `ponder solve`", err=True)


def list_unfinished(store: str | None, *, json: bool) -> None:
    """List what can be resumed, and how."""
    found, more = asyncio.run(collect(store, "unfinished", LIMIT))
    print_runs(found, more, json=json, resume=lambda run: resuming(run, store))
    if not found and not json:
        typer.echo("nothing is unfinished", err=True)
    if closed := asyncio.run(count_unreadable(store)):
        told = "1 run cannot" if closed == 1 else f"{closed} runs cannot"
        typer.echo(f"{told} be read: see `ponder runs list --status unreadable`", err=True)


def resuming(run: "Stored", store: str | None) -> str:
    """Return what to type to go on with a run."""
    return resume_command(run.thread.id, store) + (" --choose NUMBER" if run.question else "")


@app.command("show", short_help="Show one run: status, cost, candidates, outcome.")
def show(thread: Name, store: Store = None, json: Json = False) -> None:
    """Show one run: status, progress, cost, candidates and outcome, and who works on it."""
    run = asyncio.run(load_one(store, thread))
    if json:
        typer.echo(dumped(run.row() | run.outcome()))
        return
    from .lines import fully

    for line in fully(run):
        typer.echo(line)
    if run.thread.status == "unfinished":
        typer.echo(f"go on with  {resuming(run, store)}")


@app.command("export", short_help="Print everything about a run, as JSON.")
def export(thread: Name, store: Store = None) -> None:
    """Print one JSON object with everything about a run, down to the single call."""
    typer.echo(dumped(asyncio.run(load_one(store, thread)).everything()))


app.command("prune")(prune)


@app.command("delete", short_help="Delete runs.")
def delete(
    threads: Annotated[list[str], typer.Argument(help="The runs' threads; see `ponder runs list`.")],
    store: Store = None,
    json: Json = False,
) -> None:
    """Delete runs: all of them, or none where one does not exist or is worked on."""
    names = list(dict.fromkeys(threads))
    asyncio.run(delete_all(store, names))
    if json:
        typer.echo(dumped({"deleted": names}))
        return
    from .plain import quoted

    for name in names:
        typer.echo(f"deleted {quoted(name)}")


def print_runs(
    runs: "list[Stored]", more: bool, *, json: bool, resume: "Callable[[Stored], str] | None" = None
) -> None:
    """Print runs, how to resume each where that is asked for, and whether there are more."""
    from .lines import briefly

    if json:
        typer.echo(dumped([run.row() for run in runs]))
    else:
        for run, lines in zip(runs, briefly(runs), strict=True):
            for line in [*lines, *([f"    {resume(run)}"] if resume else [])]:
                typer.echo(line)
    if more:
        typer.echo(f"these are the newest {len(runs)}: `ponder runs list --limit N` shows more", err=True)


def dumped(told: object) -> str:
    """Write JSON; what has no form in it as text."""
    return json_.dumps(told, default=str)


async def collect(store: str | None, status: str | None, limit: int) -> "tuple[list[Stored], bool]":
    """Load the newest runs."""
    from .load import listing, newest

    async with listing(store) as saver:
        return await newest(saver, status, limit)


async def count_unreadable(store: str | None) -> int:
    """Count the runs that may be unfinished, but cannot be read."""
    from .load import each_thread, listing

    async with listing(store) as saver:
        return len([thread async for thread in each_thread(saver) if thread.status == "unreadable"])


async def load_one(store: str | None, thread: str) -> "Stored":
    """Load one run.

    Raises:
        StoreError: it cannot be read.

    """
    from .load import existing, load, named_threads

    async with existing(store) as saver:
        (found,) = await named_threads(saver, [thread])
        run = await load(saver, found)
    if run.thread.unreadable:
        raise StoreError(f"thread {thread!r} cannot be read: {run.thread.unreadable}")
    return run


async def delete_all(store: str | None, names: list[str]) -> None:
    """Delete threads, once all of them are ours."""
    from ...state.lease import hold
    from .load import existing, named_threads

    async with existing(store) as saver, AsyncExitStack() as held:
        await named_threads(saver, names)
        for name in sorted(names):
            await held.enter_async_context(hold(saver, name))
        for name in names:
            await saver.adelete_thread(name)
