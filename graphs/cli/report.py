"""`ponder report`: a stored run as a page that opens anywhere."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from ...state.errors import UsageError
from .runs import Name, load_one
from .solve import Store


def report(
    thread: Name,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file; default: standard output.")] = None,
    svg: Annotated[bool, typer.Option("--svg", help="Only the picture, as SVG.")] = False,
    store: Store = None,
) -> None:
    """Write a run as one HTML file: who was asked what and when, the vote, the budget, the decision in words."""
    from ..report import page, picture
    from ..report.told import Told

    run = asyncio.run(load_one(store, thread))
    if run.thread.status == "foreign":
        raise UsageError(
            f"thread {thread!r} was written by another graph than ponder's: give a run of `ponder runs list`"
        )
    text = (picture if svg else page)(Told(run))
    if output is None:
        typer.echo(text.encode(), nl=False)  # whatever the terminal's encoding is
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"file {str(output)!r} cannot be written ({error}): give another one with -o") from None
