"""Tied or doubtful answers: on a terminal the person is asked, elsewhere the finalists and the command are printed."""

import sys
from json import dumps
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from ...state.errors import ChoiceNeeded

LONGEST = 400
"""Characters of a finalist's text that are shown."""
TIED = 6
"""The exit code where there is nobody to ask."""


def choice(tie: "ChoiceNeeded", resuming: str, *, json: bool) -> int:
    """Return the number of the finalist that the person chooses; where there is nobody to ask, the command ends."""
    from .plain import counted, on_terminal, plain

    finalists = tie.question.finalists
    if json:
        typer.echo(dumps({"thread_id": tie.thread_id, **tie.question.model_dump()}))
        raise typer.Exit(TIED)
    alike = len({item.votes for item in finalists}) == 1
    typer.echo(f"{'tied' if alike else 'in doubt'}: {plain(tie.question.problem, LONGEST)}", err=True)
    for item in finalists:
        typer.echo(f"  {item.number}: {plain(item.answer)} ({counted(item.votes, 'vote')})", err=True)
        typer.echo(f"     {plain(item.text, LONGEST)}", err=True)
    if not (on_terminal(sys.stdin) and on_terminal(sys.stderr)):
        typer.echo(f"choose with: {resuming} --choose NUMBER", err=True)
        raise typer.Exit(TIED)
    while True:
        typer.echo("Which answer is right? ", nl=False, err=True)
        line = sys.stdin.readline()
        if not line:
            raise typer.Abort
        if line.strip() in {str(item.number) for item in finalists}:
            return int(line)
        typer.echo(f"give a number from 1 to {len(finalists)}", err=True)
