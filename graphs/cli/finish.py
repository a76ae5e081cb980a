"""What becomes of a run on the command line: shown while it runs, printed at its end, with its exit code."""

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from ...state.errors import ChoiceNeeded, ModelUnreachable, StoreError, ThreadBusy, ThreadNotFound, UsageError
from ..unheard import unheard
from . import ENDINGS, stoppable
from .limits import option
from .log import logged
from .plain import made, objection, on_terminal, plain, quoted

if TYPE_CHECKING:
    from ...nodes.events import Event
    from ...state.run import Answer, Candidate
    from .stored import Stored
    from .view import View

LINE = 120
"""Characters."""
NO_ANSWER = 3
NOT_PASSED = 7
"""There is an answer, and an exact verifier passed neither it nor any other."""


@stoppable(*ENDINGS)
def finish(
    run: "Callable[[Callable[[Event], None]], Answer]",
    *,
    thread: str,
    store: str | None,
    title: str,
    json: bool,
    quiet: bool,
    verbose: int,
    choose: "Callable[[int], None]",
    goes_on: bool = False,
) -> None:
    """Run, show, and print the outcome; a run that stops says how to go on, and one that is tied asks and goes on."""
    from .view import open_view

    resuming, silent = resume_command(thread, store), json or quiet
    before = known(thread, store) if goes_on and not silent else None
    stopped: list[Stored | StoreError] = []
    try:
        with (
            open_view(title, silent=silent) as view,
            logged(verbose),
            stopping(view, lambda: known(thread, store), stopped),
        ):
            if before is not None and not isinstance(before, StoreError):  # whoever goes on with it says so
                view.begin(before)
            answer = run(view.show)
            view.close(answer)
    except ChoiceNeeded as tie:
        from .tie import choice

        choose(choice(tie, resuming, json=json))
        return
    except (ModelUnreachable, KeyboardInterrupt) as error:
        if isinstance(error, UsageError):  # it has not begun
            raise
        if isinstance(error, KeyboardInterrupt):
            typer.echo(f"interrupted: {saved(stopped)}", err=True)
        if stopped:
            typer.echo(f"resume with: {resuming}", err=True)
        raise
    if json:
        typer.echo(answer.model_dump_json(ensure_ascii=True))  # whatever the stream's encoding is
    elif not view.prints_answer:
        typer.echo(printed(answer.answer or ""), nl=answer.answer is not None)
    judge(answer, resuming, json=json)


@contextmanager
def stopping(
    view: "View", look: "Callable[[], Stored | StoreError | None]", stopped: "list[Stored | StoreError]"
) -> Iterator[None]:
    """Show, and hand out, how far a run is that stops without an outcome, as the store has it."""
    try:
        yield
    except (ChoiceNeeded, ModelUnreachable, KeyboardInterrupt):
        if run := look():
            stopped.append(run)
            if not isinstance(run, StoreError):
                view.stop(run)
        raise


def saved(stopped: "Sequence[Stored | StoreError]") -> str:
    """Tell what is left of a run that was interrupted."""
    if not stopped:
        return "nothing of the run is stored"
    run = stopped[0]
    if isinstance(run, StoreError):
        return f"what is saved cannot be read now ({run})"
    if not run.unsettled:
        return "what was paid is saved"
    told, view = "what was paid is saved, what was in flight counts as lost", run.view
    used_up = len(run.counted) + len(run.unsettled) >= view.allowed and view.allowed_by == "max_calls"
    return f"{told}; where no call is left, go on with more {option(view.allowed_by)}" if used_up else told


def known(thread: str, store: str | None) -> "Stored | StoreError | None":
    """Return what is stored of a run, or why it cannot be read; None where it is nothing, or no run of ponder's."""
    from ..stores import default_store
    from .load import is_there
    from .runs import load_one

    if not is_there(store or default_store()):
        return None
    try:
        run = asyncio.run(load_one(store, thread))
    except (ThreadNotFound, ThreadBusy):  # whoever goes on with it says so
        return None
    except StoreError as error:
        return error
    return None if run.thread.status == "foreign" else run


def judge(answer: "Answer", resuming: str, *, json: bool) -> None:
    """End with a code of its own where there is no answer, or none that the verifier passed; say why."""
    if answer.unchecked and not json:
        typer.echo(f"warning: {plain(answer.unchecked, 2 * LINE)}", err=True)
    if answer.answer is None:
        if not json:
            told = plain(unheard(answer), 3 * LINE) or f"no answer in {made(answer.spent)} ({answer.stopped_because})"
            typer.echo(f"error: {told}{advice(answer, resuming)}", err=True)
        raise typer.Exit(NO_ANSWER)
    if failed := unpassed(answer):
        if not json:
            same = [] if answer.unchecked else [item for item in failed if item.raw == answer.answer]
            why = next((f" ({said})" for item in same if (said := objection(item))), "")
            told = f"no candidate of {len(failed)} passed the verifier{why}"
            alike = answer.decided_by == "first"
            best = "nothing tells them apart, and this came first" if alike else "this is the best of them"
            typer.echo(f"warning: {told}; {best}", err=True)
        raise typer.Exit(NOT_PASSED)


def advice(answer: "Answer", resuming: str) -> str:
    """Say what may help where there is no answer."""
    cut = sum(item.finish == "length" for item in answer.candidates)
    if 2 * cut > len(answer.candidates):
        return f": {cut} of {len(answer.candidates)} replies were cut off: raise --max-output"
    limit = answer.stopped_because
    return f": raise it with {resuming} {option(limit)} NUMBER" if limit.startswith("max_") else ""


def unpassed(answer: "Answer") -> "list[Candidate]":
    """Return the candidates that an exact verifier has looked at, where it passed none."""
    exact = [item for item in answer.candidates if item.verdict and item.verdict.kind == "exact"]
    return [] if any(item.verdict and item.verdict.passed for item in exact) else exact


def printed(text: str) -> str:
    """Keep a model's control characters from a terminal; a pipe gets them as they are."""
    if not on_terminal(sys.stdout):
        return text
    return "".join(character for character in text if character.isprintable() or character in "\n\t")


def resume_command(thread: str, store: str | None) -> str:
    """Return what to type to go on with a run; a password is not repeated."""
    from ...state.engine import masked

    words = ["ponder", "resume", thread, *(("--store", masked(store)) if store else ())]
    return " ".join(map(quoted, words))
