"""`ponder solve --dry-run`: what a run may cost, before its first call."""

from typing import Any

import typer


def tell(problem: str, asked: dict[str, Any], *, json: bool) -> None:
    """Print the least and the most of each figure."""
    from ..rehearsal import preview

    told = preview(problem, **asked)
    if json:
        typer.echo(told.model_dump_json())
        return
    rows = {"calls": told.calls, **{f"  {name}": calls for name, calls in told.branches.items()}}
    rows |= {"input tokens": told.input_tokens, "output tokens": told.output_tokens}
    lines = [("", "at least", "at most"), *((name, f"{row.low:,}", f"{row.high:,}") for name, row in rows.items())]
    if told.usd is not None:
        lines.append(("USD", f"{told.usd.low:,.4f}", f"{told.usd.high:,.4f}"))
    for name, low, high in lines:
        typer.echo(f"{name:14} {low:>12} {high:>12}")
    if told.usd is None:
        typer.echo("USD            unknown: no price for the model; see PONDER_PRICES")
    typer.echo("No call was made. A call that fails is tried again, and that comes on top.")
