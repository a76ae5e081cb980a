"""`ponder solve` and `ponder resume`."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ...state.errors import UsageError
from .finish import finish
from .limits import MaxCalls, MaxSeconds, MaxTokens, MaxUsd, limits, option
from .log import Verbose

Store = Annotated[str | None, typer.Option(help="SQLAlchemy URL; default: PONDER_STORE, else a file of the user's.")]
Model = Annotated[str | None, typer.Option(help="local, local:PATH.gguf, openai:NAME or provider:NAME.")]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", help="local, local:PATH.gguf, openai:NAME or provider:NAME; several are a pool."),
]
Pool = Annotated[str, typer.Option(help="deal or cascade: several models in turn, or cheap first.")]
BaseUrl = Annotated[str | None, typer.Option(help="An OpenAI-compatible server, …/v1.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the answer and nothing else.")]


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
    thread: Annotated[
        str | None, typer.Option(help="Name the run; it replaces a finished one of that name. Default: a new name.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The seed, to repeat a run where the model honours one.")] = None,
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

    thread = new_thread() if thread is None else thread
    shown: dict[str, Any] = {"json": json, "quiet": quiet, "verbose": verbose}
    finish(
        lambda on_event: run(text, store=store, thread_id=thread, on_event=on_event, **asked),
        thread=thread,
        store=store,
        title=text,
        **shown,
        choose=lambda chosen: resume(thread, store, base_url=base_url, choose=chosen, **shown),
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
    raised: dict[str, Any] = {
        "max_calls": max_calls,
        "max_tokens": max_tokens,
        "max_usd": max_usd,
        "max_seconds": max_seconds,
    }
    if thread is None:
        from .runs import list_unfinished

        alone = {"model": model or None, "base_url": base_url, **raised, "choose": choose}
        for name, value in alone.items():
            if value is not None:
                raise UsageError(f"{option(name)} is for one run: name it, as `ponder resume THREAD {option(name)} …`")
        list_unfinished(store, json=json)
        return
    from ..solver import resume as run
    from .load import check_there

    check_there(store)
    given: dict[str, Any] = {"model": model or None, "base_url": base_url, "budget": limits(**raised), "choice": choose}
    shown: dict[str, Any] = {"json": json, "quiet": quiet, "verbose": verbose}
    finish(
        lambda on_event: run(thread, store=store, on_event=on_event, **given),
        thread=thread,
        store=store,
        title=f"thread {thread}",
        **shown,
        choose=lambda chosen: resume(thread, store, model, base_url, **raised, choose=chosen, **shown),
        goes_on=True,
    )


def read(problem: str | None, file: Path | None) -> str:
    """Return the problem from wherever it was given."""
    if problem is not None and file is not None:
        raise UsageError(f"both a problem and --file {str(file)!r} were given: give one of them")
    try:
        if file is not None:
            text = file.read_text(encoding="utf-8-sig")
        else:
            given = (sys.stdin.read() if sys.stdin else "") if problem == "-" else problem or ""
            # What a locale of ASCII alone could not read Python has kept as bytes.
            text = given.encode(errors="surrogateescape").decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        source = f"file {str(file)!r}" if file is not None else "standard input" if problem == "-" else "the problem"
        raise UsageError(f"{source} cannot be read ({error}): give a text in UTF-8") from None
    if not text.strip():
        raise UsageError("the problem is empty: give a text, - for standard input, or --file")
    return text
