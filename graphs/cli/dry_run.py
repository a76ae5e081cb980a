"""`ponder solve --dry-run`: what a run may cost, before its first call."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from ...state.preview import Preview

LEAST = 0.0001
"""US dollars that are told."""


def tell(problem: str, asked: dict[str, Any], *, json: bool) -> None:
    """Print the least and the most of each figure."""
    from ..rehearsal import preview

    told = preview(problem, **asked)
    if json:
        typer.echo(told.model_dump_json())
        return
    lines = [("", "at least", "at most"), ("calls", f"{told.calls.low:,}", f"{told.calls.high:,}")]
    # What a step makes at least says nothing of the run: one that is not needed makes none.
    lines += [(f"  in {name}", "", f"{calls.high:,}") for name, calls in told.branches.items()]
    for name, row in (("input tokens", told.input_tokens), ("output tokens", told.output_tokens)):
        lines.append((name, f"{row.low:,}", f"{row.high:,}"))
    if told.usd is not None:
        lines.append(("US dollars", dollars(told.usd.low), dollars(told.usd.high)))
    for name, low, high in lines:
        typer.echo(f"{name:14} {low:>12} {high:>12}")
    if told.usd is None:
        typer.echo("US dollars     unknown: the model has no price; see PONDER_PRICES")
    for line in explained(told):
        typer.echo(line)


def dollars(amount: float) -> str:
    """Write an amount of US dollars."""
    return f"<{LEAST}" if 0 < amount < LEAST else f"{amount:,.4f}"


def explained(told: "Preview") -> Iterator[str]:
    """Say what the figures mean."""
    steps = sum(calls.high for calls in told.branches.values())
    yield "At least: the model agrees with itself at once, in few words. A step that is not needed makes no call."
    yield "At most: every step makes all its calls, replies are as long as they may be, a byte of a prompt is a token."
    if steps > told.calls.high:
        yield f"The steps could make {steps} calls; the limit on calls ends the run at {told.calls.high}."
    yield "No call was made. A call that fails is tried again, and that comes on top."
