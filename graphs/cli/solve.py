"""`ponder solve` and `ponder resume`."""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...state.errors import ChoiceNeeded, ModelUnreachable, UsageError
from .limits import MaxCalls, MaxSeconds, MaxTokens, MaxUsd, limits, option
from .log import Verbose, logged
from .plain import objection, plain

if TYPE_CHECKING:
    from ...nodes.events import Event
    from ...state.run import Answer, Candidate

Store = Annotated[str | None, typer.Option(help="SQLAlchemy URL; default: PONDER_STORE, else a file of the user's.")]
Model = Annotated[str | None, typer.Option(help="local, local:PATH.gguf, openai:NAME or provider:NAME.")]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", help="local, local:PATH.gguf, openai:NAME or provider:NAME; several are a pool."),
]
Pool = Annotated[str, typer.Option(help="deal or cascade: several models in turn, or cheap first.")]
BaseUrl = Annotated[str | None, typer.Option(help="An OpenAI-compatible server, …/v1.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the answer and nothing else.")]

LINE = 120
"""Characters."""
NO_ANSWER = 3
NOT_PASSED = 7
"""There is an answer, and an exact verifier passed neither it nor any other."""


def solve(
    problem: Annotated[str | None, typer.Argument(help="The problem, or - for standard input.")] = None,
    file: Annotated[Path | None, typer.Option(help="Read the problem from a file.")] = None,
    model: Models = None,
    base_url: BaseUrl = None,
    policy: Annotated[
        str, typer.Option(help="adaptive, cumulative, fixed, direct, parallel, refine or search.")
    ] = "adaptive",
    effort: Annotated[str, typer.Option(help="low, fast, balanced or thorough.")] = "balanced",
    assessor: Annotated[str, typer.Option(help="probe, ask, logprob, learned:FILE or fixed:N (0 to 10).")] = "probe",
    pool: Pool = "deal",
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    max_usd: MaxUsd = None,
    max_seconds: MaxSeconds = None,
    max_output: Annotated[int | None, typer.Option(min=1, help="Output tokens of one call; default: 512.")] = None,
    verify: Annotated[
        str | None,
        typer.Option(
            help="python:TESTS.py, 'cmd:COMMAND {answer_file}', py:MODULE:FUNCTION, regex:PATTERN, schema:FILE.json, "
            "choice:LETTER, math:CONDITIONS, judge:RUBRIC or reward:URL, see README."
        ),
    ] = None,
    write_tests: Annotated[
        int, typer.Option(min=0, help="Calls that write tests for code; the programs are then run, in a sandbox.")
    ] = 0,
    self_rated: Annotated[
        bool, typer.Option("--self-rated", help="Ask how sure the model is; it weighs votes.")
    ] = False,
    on_tie: Annotated[str, typer.Option(help="Who decides on tied answers: judge, or ask you.")] = "judge",
    semantic: Annotated[
        bool, typer.Option("--semantic", help="Of free texts take the one most like the others, by embeddings.")
    ] = False,
    ask_below: Annotated[float, typer.Option(help="Ask you, too, where the confidence is below this, 0 to 1.")] = 0.0,
    store: Store = None,
    thread: Annotated[str | None, typer.Option(help="Name the run; default: a new name.")] = None,
    seed: Annotated[int | None, typer.Option(help="Repeat a run, where the model honours seeds.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what it may cost, and call nobody.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> None:
    """Solve a problem and print the answer."""
    text = read(problem, file)
    asked: dict[str, Any] = {
        "model": model or None,
        "base_url": base_url,
        "policy": policy,
        "effort": effort,
        "assessor": assessor,
        "pool": pool,
        "budget": limits(max_calls=max_calls, max_tokens=max_tokens, max_usd=max_usd, max_seconds=max_seconds),
        "verifier": verify,
        "seed": seed,
        "max_tokens": max_output,
        "write_tests": write_tests,
        "self_rated": self_rated,
        "on_tie": on_tie,
        "semantic": semantic,
        "ask_below": ask_below,
    }
    if dry_run:
        from .dry_run import tell

        tell(text, asked, json=json)
        return
    from ..solver import new_thread
    from ..solver import solve as run

    thread = thread or new_thread()
    finish(
        lambda on_event: run(text, store=store, thread_id=thread, on_event=on_event, **asked),
        thread=thread,
        store=store,
        again={"base_url": base_url},
        title=text,
        json=json,
        quiet=quiet,
        verbose=verbose,
    )


def resume(
    thread: Annotated[str | None, typer.Argument(help="The run to go on with.", show_default=False)] = None,
    store: Store = None,
    model: Models = None,
    base_url: BaseUrl = None,
    max_calls: MaxCalls = None,
    max_tokens: MaxTokens = None,
    max_usd: MaxUsd = None,
    max_seconds: MaxSeconds = None,
    choose: Annotated[int | None, typer.Option(min=1, help="Which of the answers asked about is right.")] = None,
    json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
) -> None:
    """Go on with a stopped run; a finished one prints its answer again, unless its budget ended it and is raised.

    Without a thread, list what is unfinished.
    """
    if thread is None:
        from .runs import list_unfinished

        list_unfinished(store, json=json)
        return
    from ..solver import resume as run

    raised = {"max_calls": max_calls, "max_tokens": max_tokens, "max_usd": max_usd, "max_seconds": max_seconds}
    given: dict[str, Any] = {"model": model or None, "base_url": base_url, "budget": limits(**raised), "choice": choose}
    finish(
        lambda on_event: run(thread, store=store, on_event=on_event, **given),
        thread=thread,
        store=store,
        again={"model": model, "base_url": base_url, **raised},
        title=f"thread {thread}",
        json=json,
        quiet=quiet,
        verbose=verbose,
    )


def finish(
    run: "Callable[[Callable[[Event], None]], Answer]",
    *,
    thread: str,
    store: str | None,
    again: dict[str, Any],
    title: str,
    json: bool,
    quiet: bool,
    verbose: int,
) -> None:
    """Run, show, and print the outcome; a run that stops says how to go on, and one that is tied asks.

    It is then resumed with what is given `again`.
    """
    from .view import open_view

    resuming = resume_command(thread, store)

    try:
        with open_view(title, silent=json or quiet) as view, logged(verbose):
            answer = run(view.show)
            view.close(answer)
    except ChoiceNeeded as tie:
        from .tie import choice

        chosen = choice(tie, resuming, json=json)
        resume(thread, store, choose=chosen, json=json, quiet=quiet, verbose=verbose, **again)
        return
    except (ModelUnreachable, KeyboardInterrupt) as error:
        if isinstance(error, UsageError):  # it has not begun
            raise
        if isinstance(error, KeyboardInterrupt):
            typer.echo("interrupted: what was paid is saved", err=True)
        typer.echo(f"resume with: {resuming}", err=True)
        raise
    if json:
        typer.echo(answer.model_dump_json())
    elif not view.prints_answer:
        typer.echo(printed(answer.answer or ""), nl=answer.answer is not None)
    judge(answer, resuming, json=json)


def judge(answer: "Answer", resuming: str, *, json: bool) -> None:
    """End with a code of its own where there is no answer, or none that the verifier passed; say why."""
    if answer.unchecked and not json:
        typer.echo(f"warning: {plain(answer.unchecked, 2 * LINE)}", err=True)
    if answer.answer is None:
        if not json:
            lost = f", {answer.spent.lost} lost" if answer.spent.lost else ""
            told = f"no answer in {answer.spent.calls} calls{lost} ({answer.stopped_because})"
            typer.echo(f"error: {told}{advice(answer, resuming)}", err=True)
        raise typer.Exit(NO_ANSWER)
    if failed := unpassed(answer):
        if not json:
            same = [] if answer.unchecked else [item for item in failed if item.raw == answer.answer]
            why = next((f" ({said})" for item in same if (said := objection(item))), "")
            told = f"no candidate of {len(failed)} passed the verifier{why}"
            typer.echo(f"warning: {told}; this is the best of them", err=True)
        raise typer.Exit(NOT_PASSED)


def advice(answer: "Answer", resuming: str) -> str:
    """Say what may help where there is no answer."""
    cut = sum(item.finish == "length" for item in answer.candidates)
    if 2 * cut > len(answer.candidates):
        return f": {cut} of {len(answer.candidates)} replies were cut off: raise --max-output"
    limit = answer.stopped_because
    return f": raise it with {resuming} {option(limit)}" if limit.startswith("max_") else ""


def unpassed(answer: "Answer") -> "list[Candidate]":
    """Return the candidates that an exact verifier has looked at, where it passed none."""
    exact = [item for item in answer.candidates if item.verdict and item.verdict.kind == "exact"]
    return [] if any(item.verdict and item.verdict.passed for item in exact) else exact


def printed(text: str) -> str:
    """Keep a model's control characters from a terminal; a pipe gets them as they are."""
    if not sys.stdout.isatty():
        return text
    return "".join(character for character in text if character.isprintable() or character in "\n\t")


def read(problem: str | None, file: Path | None) -> str:
    """Return the problem from wherever it was given."""
    if problem is not None and file is not None:
        raise UsageError(f"both a problem and --file {str(file)!r} were given: give one of them")
    if file is not None:
        try:
            text = file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"file {str(file)!r} cannot be read ({error}): give a text file") from None
    else:
        text = sys.stdin.read() if problem == "-" else problem or ""
    if not text.strip():
        raise UsageError("the problem is empty: give a text, - for standard input, or --file")
    return text


def resume_command(thread: str, store: str | None) -> str:
    """Return what to type to go on with a run; a password is not repeated."""
    from ...state.engine import masked

    words = ["ponder", "resume", thread, *(("--store", masked(store)) if store else ())]
    return " ".join(map(quoted, words))


def quoted(word: str) -> str:
    """Write a word for the shell; what a terminal might obey, in the notation of bash and zsh."""
    if word.isprintable():
        return shlex.quote(word)
    kept = {byte: chr(byte) for byte in range(32, 127) if chr(byte) not in "'\\"}
    return "$'" + "".join(kept.get(byte, f"\\x{byte:02x}") for byte in word.encode(errors="surrogateescape")) + "'"
