"""`ponder runs prune`: take old runs, or their history, out of a store; never one that somebody works on."""

import asyncio
import json as json_
import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from ...state.errors import ThreadBusy, ThreadNotFound, Unreadable, UsageError
from .solve import Json, Store

if TYPE_CHECKING:
    from ...state.checkpointer import SQLAlchemySaver
    from ...state.threads import Thread

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}

Keep = Annotated[
    str | None, typer.Option(metavar="AGE", help="Delete what has not changed for: 90s, 5m, 12h, 30d, 2w.")
]
History = Annotated[bool, typer.Option("--history", help="Drop the history of finished runs, not their outcome.")]
Unfinished = Annotated[bool, typer.Option("--unfinished", help="Delete old unfinished runs too: they hold paid calls.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")]


@dataclass
class Pruned:
    """What was done to which thread."""

    dry_run: bool
    deleted: list[str] = field(default_factory=list)
    shortened: dict[str, int] = field(default_factory=dict)
    """Thread -> checkpoints dropped."""
    kept_unfinished: list[str] = field(default_factory=list)
    kept_running: list[str] = field(default_factory=list)
    kept_unreadable: list[str] = field(default_factory=list)
    """Whether they have ended is not known."""
    unbegun: int = 0
    """Runs without a name: killed before they had stored anything."""


def prune(
    keep: Keep = None,
    history: History = False,
    unfinished: Unfinished = False,
    dry_run: DryRun = False,
    store: Store = None,
    json: Json = False,
) -> None:
    """Delete old runs, or the history of finished ones.

    Runs that somebody works on, threads that another graph wrote and what cannot be read are always kept.
    """
    if keep is None and not history:
        raise UsageError("nothing says what to prune: give --keep AGE, such as --keep 30d, or --history")
    oldest = None if keep is None else seconds_in(keep)
    done = asyncio.run(go_through(store, oldest, Pruned(dry_run), history=history, unfinished=unfinished))
    if json:
        typer.echo(json_.dumps(asdict(done)))
    else:
        print_pruned(done)


def seconds_in(age: str) -> float:
    """Read an age.

    Raises:
        UsageError: it is none.

    """
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smhdw])", age.strip())
    if not found:
        raise UsageError(f"--keep {age!r} is not an age: give a number and one of s, m, h, d, w, such as 30d")
    return float(found[1]) * SECONDS[found[2]]


async def go_through(
    store: str | None, oldest: float | None, done: Pruned, *, history: bool, unfinished: bool
) -> Pruned:
    """Prune thread by thread."""
    from ...state.retention import delete_unbegun, unbegun
    from .load import each_thread, listing

    async with listing(store) as saver:
        async for thread in each_thread(saver):
            if oldest is not None and thread.age > oldest:
                await drop(saver, thread, done, unfinished=unfinished)
            elif history and thread.status == "finished":
                await shorten(saver, thread, done)
        if oldest is not None:
            free = unbegun if done.dry_run else delete_unbegun
            done.unbegun = await saver.threaded(saver.write, partial(free, seconds=oldest))
    return done


async def drop(saver: "SQLAlchemySaver", thread: "Thread", done: Pruned, *, unfinished: bool) -> None:
    """Delete an old thread, or say why it stays."""
    if thread.status == "running":
        done.kept_running.append(thread.id)
    elif thread.status == "unreadable":
        done.kept_unreadable.append(thread.id)
    elif thread.status == "unfinished" and not unfinished:
        done.kept_unfinished.append(thread.id)
    elif thread.status != "foreign" and await alone(saver, thread, done, saver.adelete_thread):
        done.deleted.append(thread.id)


async def shorten(saver: "SQLAlchemySaver", thread: "Thread", done: Pruned) -> None:
    """Drop all checkpoints of a finished run but the last, which holds its outcome."""
    dropped = thread.checkpoints - 1
    if dropped and await alone(saver, thread, done, lambda name: saver.aprune([name])):
        done.shortened[thread.id] = dropped


async def alone(
    saver: "SQLAlchemySaver", thread: "Thread", done: Pruned, change: Callable[[str], Awaitable[None]]
) -> bool:
    """Change a thread that nobody works on, and that is still as it was seen; say whether it is so."""
    from ...state.lease import hold
    from .load import named_threads

    if done.dry_run:
        return True
    try:
        async with hold(saver, thread.id):
            (now,) = await named_threads(saver, [thread.id])
            if now.changed == thread.changed:
                await change(thread.id)
            return now.changed == thread.changed
    except ThreadBusy:
        done.kept_running.append(thread.id)
    except Unreadable:
        done.kept_unreadable.append(thread.id)
    except ThreadNotFound:
        pass  # somebody else has deleted it
    return False


def print_pruned(done: Pruned) -> None:
    """Print a line for each thread, and a sum."""
    from .plain import quoted

    would = "would be " if done.dry_run else ""
    for name in done.deleted:
        typer.echo(f"{would}deleted    {quoted(name)}")
    for name, count in done.shortened.items():
        typer.echo(f"{would}shortened  {quoted(name)}  by {count} checkpoints")
    for name in done.kept_unfinished:
        typer.echo(f"kept       {quoted(name)}  unfinished: resume it, or give --unfinished")
    for name in done.kept_running:
        typer.echo(f"kept       {quoted(name)}  running")
    for name in done.kept_unreadable:
        typer.echo(f"kept       {quoted(name)}  unreadable: set PONDER_AES_KEY, or `ponder runs delete` it")
    if done.unbegun:
        typer.echo(f"{would}deleted    {done.unbegun} of which nothing was stored: killed as they began")
    kept = len(done.kept_unfinished) + len(done.kept_running) + len(done.kept_unreadable)
    typer.echo(f"{would}deleted {len(done.deleted)}, shortened {len(done.shortened)}, kept {kept}")
