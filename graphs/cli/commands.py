"""The commands by their names, and what becomes of their errors: one line and an exit code."""

import errno
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version

import typer

from ...state.errors import BudgetTooSmall, ModelUnreachable, PonderError, ThreadBusy, UsageError
from . import SIGNALLED, doctor, report, runs, serve, solve
from .limits import as_options, option

EXIT_CODES = {UsageError: 2, ModelUnreachable: 4, ThreadBusy: 5, PonderError: 2}

EPILOG = """Exit codes: 0 answered, 1 a check of the doctor failed, 2 usage or store, 3 no answer within the budget,
4 model unreachable, 5 thread busy, 6 answers are tied or in doubt (see --on-tie, --ask-below), 7 an answer that the
verifier did not pass, 130 interrupted (143 by SIGTERM, 129 by SIGHUP). Environment: PONDER_MODEL, PONDER_STORE,
PONDER_AES_KEY (encrypts the store), PONDER_PRICES, PONDER_LOG (info or debug), PONDER_API_KEY (of the endpoint),
PONDER_REWARD_KEY (of a reward model), OPENAI_API_KEY, OPENAI_BASE_URL."""

app = typer.Typer(
    name="ponder",
    help="Solve problems with more thinking: assess, sample, refine or search, verify, select.",
    epilog=EPILOG,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("solve")(solve.solve)
app.command("resume", short_help="Go on with a stopped run; list what is unfinished.")(solve.resume)
app.add_typer(runs.app, name="runs")
app.command("report", short_help="Write a run as one HTML file.")(report.report)
app.command("doctor", short_help="Check installation, model, store and sandbox.")(doctor.doctor)
app.command("serve", short_help="Serve an OpenAI-compatible endpoint.")(serve.serve)


@app.callback(invoke_without_command=True)
def options(show_version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    """Handle what stands before the command."""
    if show_version:
        typer.echo(f"ponder {version('ponder')}")
        raise typer.Exit


@contextmanager
def guarded() -> Iterator[None]:
    """Turn what goes wrong into one line and an exit code."""
    try:
        yield
    except PonderError as error:
        typer.echo(f"error: {worded(error)}", err=True)
        sys.exit(next(code for kind, code in EXIT_CODES.items() if isinstance(error, kind)))
    except typer.TyperException as error:  # an option that is not there, or a value of the wrong kind
        told = error.format_message().replace("Value error, ", "")
        typer.echo(told if "\n" in told else f"error: {told.rstrip('.')}: see `{named(sys.argv[1:])} --help`", err=True)
        sys.exit(EXIT_CODES[PonderError])
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(SIGNALLED + signal.SIGINT)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        # Where a run cannot be written, that is an error of the store: this is what the command prints.
        typer.echo("error: the output cannot be written, its disk is full; runs are kept: see `ponder runs`", err=True)
        sys.exit(EXIT_CODES[PonderError])


def named(arguments: Sequence[str]) -> str:
    """Return the command that arguments begin with; not every error knows it."""
    names, command = ["ponder"], typer.main.get_command(app)
    for word in arguments:
        found = getattr(command, "commands", {}).get(word)
        if found is None:
            break
        names, command = [*names, word], found
    return " ".join(names)


def worded(error: PonderError) -> str:
    """Return an error with the names that the command line has for settings."""
    if isinstance(error, BudgetTooSmall):
        return error.told(option(error.limit), error.amount, error.costs, option("max_output"))
    return as_options(str(error))


def run() -> None:
    """Run the command that was given."""
    with guarded():
        sys.exit(app(prog_name="ponder", standalone_mode=False))
