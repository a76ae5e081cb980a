"""`ponder report`: a stored run as a page that opens anywhere."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from ...state.errors import UsageError
from .runs import Name, load_one
from .solve import Store

PAGES = {"", ".html", ".htm", ".svg"}
"""Of the file's name."""


def report(
    thread: Name,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file; default: standard output.")] = None,
    svg: Annotated[
        bool, typer.Option("--svg", help="Only the picture, as SVG; also where the file is called so.")
    ] = False,
    png: Annotated[Path | None, typer.Option(help="Write the picture to this PNG file; needs ponder[png].")] = None,
    store: Store = None,
) -> None:
    """Write a run as one HTML file: who was asked what and when, the vote, the budget, the decision in words."""
    ending = output.suffix.lower() if output else ""
    if ending not in PAGES:
        raise UsageError(
            f"file {str(output)!r} would hold a page: call it *.html, or *.svg, or give a picture's to --png"
        )
    from ..report import page, picture
    from ..report.told import Told

    run = asyncio.run(load_one(store, thread))
    if run.thread.status == "foreign":
        raise UsageError(
            f"thread {thread!r} was written by another graph than ponder's: give a run of `ponder runs list`"
        )
    told = Told(run)
    if png is not None:
        from ..report.png import png as drawn

        write(png, drawn(picture(told)), "--png")
        if output is None:
            return
    svg = svg or ending == ".svg"
    text = (picture if svg else page)(told).encode()
    if output is None:
        typer.echo(text, nl=False)  # whatever the terminal's encoding is
    else:
        write(output, text, "-o")


def write(path: Path, content: bytes, option: str) -> None:
    """Write a file."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UsageError(f"file {str(path)!r} cannot be written ({error}): give another one with {option}") from None
