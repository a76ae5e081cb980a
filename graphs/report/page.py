"""The run as one page of HTML: no script, nothing fetched, and a policy that would not let either happen."""

import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from hashlib import sha256

from ..cli.plain import counted
from . import candidates
from .picture import drawn
from .style import COLOURS, PAGE, PICTURE
from .text import lasting, line, shown
from .told import Told
from .words import explained

STYLE = COLOURS + PICTURE + PAGE
HASH = b64encode(sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{HASH}'; base-uri 'none'; form-action 'none'"
"""Lets in this style, and nothing else: neither scripts nor pictures nor what a markup of a model's could ask for."""
PROBLEM, ANSWER = 4000, 20_000
"""Characters that are shown of them."""
VOTES = 10
"""Answers that are shown before the rest is folded."""


def page(told: Told) -> str:
    """Write the page."""
    title = line(told.run.view.problem.text, 80) or "run"
    sections = [header(told), decision(told), vote(told), lanes(told), candidates.section(told)]
    sections += [accounts(told), calls(told), settings(told)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title} · ponder</title><style>{STYLE}</style></head>\n<body><main>\n"
        + "\n".join(filter(None, sections))
        + "\n</main></body></html>\n"
    )


def header(told: Told) -> str:
    """Tell the question, the answer, and the figures."""
    run, answer = told.run, told.run.answer
    thread, spent = run.thread, run.spent
    facts = {"confidence": f"{answer.confidence:.2f}", "decided by": answer.decided_by} if answer else {}
    facts |= {
        "calls": f"{spent.calls} of {run.view.allowed}",
        **{name: str(count) for name, count in (("lost", spent.lost), (run.standing, len(run.unsettled))) if count},
        "tokens": f"{spent.input_tokens:,} + {spent.output_tokens:,}",
        "work": lasting(spent.seconds),
        "route": " ▸ ".join(run.route) or "not begun",
    }
    facts |= {"US dollars": f"{spent.usd:.4f}"} if spent.usd is not None else {}
    facts |= {"stopped": answer.stopped_because} if answer else {}
    said = shown(answer.answer if answer.answer is not None else "no answer", ANSWER) if answer else thread.status
    state = " open" if answer is None else " none" if answer.answer is None else ""
    listed = "".join(f"<div><dt>{name}</dt><dd>{line(value, 80)}</dd></div>" for name, value in facts.items())
    return (
        f'<header><div class="kicker">ponder · thread {line(thread.id, 80)} · {thread.changed:%Y-%m-%d %H:%M} UTC</div>'
        f'<h1 class="said" dir="auto">{shown(run.view.problem.text, PROBLEM) or "(not begun)"}</h1></header>'
        f'<section class="answer{state}"><div class="said" dir="auto">{said}</div>'
        f'<dl class="facts">{listed}</dl></section>'
    )


def decision(told: Told) -> str:
    """Explain the answer."""
    steps = "".join(f"<li>{shown(step, PROBLEM)}</li>" for step in explained(told))
    return f"<section><h2>How it was decided</h2><ol>{steps}</ol></section>" if steps else ""


def vote(told: Told) -> str:
    """Show each answer with its votes."""
    if not told.votes:
        return ""
    most = max(told.votes.values())
    rows = [
        f'<span dir="auto" title="{line(told.spelled[answer], 300)}">{line(told.spelled[answer])}</span>'
        f'<svg viewBox="0 0 100 10" preserveAspectRatio="none"><rect class="a{told.colours[answer]}" height="10" '
        f'width="{100 * count / most:.1f}"/></svg><span class="count">{count}</span>'
        for answer, count in told.votes.items()
    ]
    first, rest = "".join(rows[:VOTES]), "".join(rows[VOTES:])
    more = counted(len(rows) - VOTES, "other answer")
    folded = f'<details><summary>{more}</summary><div class="votes">{rest}</div></details>' if rest else ""
    return f'<section><h2>The vote</h2><div class="votes">{first}</div>{folded}</section>'


def lanes(told: Told) -> str:
    """Show who was asked when, and what it cost."""
    body, height = drawn(told, linked=True)
    note = "A bar is a call, a colour an answer; grey bars judge, dashed ones brought no answer, the golden one won."
    return (
        f'<section><h2>The deliberation over time</h2><p class="soft">{note}</p><div class="wide">'
        f'<svg viewBox="0 0 1000 {height:.0f}" role="img" aria-label="Calls over time">{body}</svg></div></section>'
    )


def accounts(told: Told) -> str:
    """Show what each strategy and model brought."""
    found = told.run.answer.accounts if told.run.answer else []
    rows = [
        [
            *(account.by, account.name or "none", account.candidates, account.answers, account.votes, account.passed),
            *(f"{account.tokens:,}", "" if account.usd is None else f"{account.usd:.4f}"),
        ]
        for account in found
    ]
    names = ("by", "name", "candidates", "answers", "for the answer", "passed", "tokens", "US dollars")
    return f"<section><h2>Who brought what</h2>{table(names, rows, 2)}</section>" if rows else ""


def calls(told: Told) -> str:
    """List every call."""
    begun = min((call.started for call in told.calls if call.started), default=0.0)
    rows = [
        [
            *(call.id, call.kind, call.strategy, call.state, f"{call.started - begun:.2f}" if call.started else ""),
            *(f"{call.seconds:.2f}", call.usage.input_tokens, call.usage.output_tokens),
            *("" if call.usd is None else f"{call.usd:.5f}", call.error),
        ]
        for call in told.calls
    ]
    names = ("call", "kind", "strategy", "state", "begun, s", "took, s", "in", "out", "US dollars", "error")
    listed = table(names, rows, 4)
    return f"<section><details><summary>All {counted(len(rows), 'call')}</summary>{listed}</details></section>"


def table(names: Sequence[str], rows: Sequence[Sequence[object]], words: int) -> str:
    """Write a table whose first columns are words and whose others are numbers."""

    def cells(values: Sequence[object], tag: str) -> Iterator[str]:
        for place, value in enumerate(values):
            kind = ' class="num"' if place >= words and names[place] != "error" else ""
            yield f"<{tag}{kind}>{line(str(value), 120)}</{tag}>"

    lines = ["".join(cells(names, "th")), *("".join(cells(row, "td")) for row in rows)]
    return f'<div class="wide"><table>{"".join(f"<tr>{cells}</tr>" for cells in lines)}</table></div>'


def settings(told: Told) -> str:
    """Show the settings in force."""
    found = told.run.view.state.get("settings")
    if found is None:
        return ""
    text = json.dumps(found.model_dump(mode="json", exclude_none=True), indent=2, ensure_ascii=False)
    written = f'<pre class="said">{shown(text, ANSWER)}</pre>'
    return f"<section><details><summary>Settings</summary>{written}</details></section>"
