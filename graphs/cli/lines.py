"""Stored runs in lines that fit the terminal."""

from collections.abc import Iterator, Sequence
from shutil import get_terminal_size
from typing import TYPE_CHECKING

from .plain import cells, counted, cut, level, made, plain, quoted

if TYPE_CHECKING:
    from .stored import Stored

PIPED = LONGEST = 2000
"""Characters of a text that is shown whole, and of a line where there is no terminal; `export` has the rest."""


def columns() -> int:
    """Return the width of the terminal."""
    return max(40, get_terminal_size((PIPED, 24)).columns)


def fit(line: str) -> str:
    """Cut a line to the terminal's width."""
    return cut(line, columns())


def briefly(runs: Sequence["Stored"]) -> Iterator[list[str]]:
    """Tell of each run in two lines: how far it is and what it cost; the problem and the answer.

    A thread's name is never cut: one that leaves no room for the rest has a line to itself.
    """
    told = [[run.status, age(run.thread.age), progress(run), cost(run)] for run in runs]
    widths = [max(map(len, column)) for column in zip(*told, strict=True)]
    names = [quoted(run.thread.id) for run in runs]
    room = columns() - sum(widths) - 2 * len(widths)
    wide = max((len(name) for name in names if len(name) <= room), default=0)
    for run, name, texts in zip(runs, names, told, strict=True):
        head, alone = (name, []) if len(name) <= wide else ("", [name])
        aligned = "  ".join(text.ljust(width) for text, width in zip((head, *texts), (wide, *widths), strict=True))
        yield [*alone, fit(f"{aligned}  {way(run, columns() - len(aligned) - 2)}".rstrip()), *question(run)]


def way(run: "Stored", room: int) -> str:
    """Tell the route; where it is too long, the last branches of it that fit."""
    ends = (["…"] * (gone > 0) + run.route[gone:] for gone in range(len(run.route) + 1))
    return next((end for end in map(">".join, ends) if len(end) <= room), "")


def question(run: "Stored") -> list[str]:
    """Tell what was asked, and what the answer is; of a run that cannot be read what to do."""
    if not run.told:
        return [fit(f"    {plain(run.thread.unreadable, LONGEST)}")] if run.thread.unreadable else []
    answer = f" = {plain(run.answer.answer or 'no answer', 24)}" if run.answer else ""
    problem = plain(run.view.problem.text, columns() - len(answer) - 4) or "(not begun)"
    return [f"    {problem}{answer}"]


def fully(run: "Stored") -> Iterator[str]:
    """Tell all that fits on a page."""
    thread, answer, state = run.thread, run.answer, run.view.state
    yield f"thread      {quoted(thread.id)}"
    yield f"status      {run.status}, changed {age(thread.age)} ago, {thread.checkpoints} checkpoints"
    if thread.holder:
        yield f"held by     {plain(str(thread.holder), LONGEST)}"
    if thread.status == "foreign":
        yield "written by  another graph than ponder's: nothing more is told of it"
        return
    yield f"problem     {plain(run.view.problem.text, LONGEST)}"
    yield f"progress    {progress(run)}: {' > '.join(run.route) or 'not begun'}"
    if (by := run.view.allowed_by) != "max_calls":
        yield f"allowed     {run.view.allowed} calls by {by}, and no more with --max-calls"
    yield f"cost        {cost(run)}, {run.spent.seconds:.1f} s of calls"
    if found := state.get("assessment"):
        yield fit(f"assessment  {level(found)} (difficulty {found.difficulty:g}): {found.evidence}")
    for visit in state.get("visits") or []:
        brought = f"{counted(visit.candidates, 'candidate')}, {counted(visit.iterations, 'iteration')}"
        yield fit(f"route       {visit.branch}: {made(run.spent_on(visit))}, {brought}, {visit.stopped}")
    for item in run.view.candidates:
        branch, strategy, outcome, sure, text = cells(item)
        yield fit(f"candidate   {branch:8} {strategy:13} {outcome:12} {sure:4} {text}".rstrip())
    for choice in run.question.finalists if run.question else []:
        yield fit(f"choice      {choice.number}: {plain(choice.answer, LONGEST)} ({counted(choice.votes, 'vote')})")
    if answer:
        yield f"answer      {plain(answer.answer or 'none', LONGEST)}"
        yield f"decided by  {answer.decided_by}, confidence {answer.confidence:.2f}: {answer.stopped_because}"


def progress(run: "Stored") -> str:
    """Tell how many calls were made of those allowed."""
    if not run.told:
        return f"{run.thread.checkpoints} checkpoints"
    return made(run.spent, run.view.allowed, len(run.unsettled), run.standing)


def cost(run: "Stored") -> str:
    """Tell the tokens, in and out, and the price where it is known."""
    if not run.told:
        return ""
    spent = run.spent
    price = "" if spent.usd is None else f" ${spent.usd:.4f}"
    return f"{rounded(spent.input_tokens)}+{rounded(spent.output_tokens)} tokens{price}"


def rounded(count: int) -> str:
    """Write a number in a few characters."""
    for unit, size in (("M", 1_000_000), ("k", 1000)):
        if count >= size:
            return f"{count / size:.1f}{unit}" if count < 10 * size else f"{count / size:.0f}{unit}"
    return str(count)


def age(seconds: float) -> str:
    """Say how long ago in its largest unit."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"
