"""Every candidate of a run, folded: what it says, what was said about it, and what a revision changed."""

from collections.abc import Iterator
from itertools import groupby

from ...nodes.prompts import STRATEGIES
from ...state.budget import CallKind
from ...state.run import Candidate
from ..cli.plain import counted, remark
from .diff import changes
from .text import line, shown
from .told import Told

ROOM = 300_000
"""Characters of all candidates together: each may have an equal part of them, within these bounds."""
LEAST, MOST = 500, 20_000
FEW = 24
"""Candidates beside the winner up to which the branches are unfolded."""
REVISED: tuple[CallKind, ...] = ("revise", "step")
"""Kinds of calls whose candidate goes on from its parent."""


def section(told: Told) -> str:
    """List the winner, unfolded, and the others by branch; many are folded."""
    if not told.candidates:
        return ""
    room = max(LEAST, min(MOST, ROOM // len(told.candidates)))
    winner = f'<div class="winner">{one(told, told.chosen, room)}</div>' if told.chosen else ""
    others = [item for item in told.candidates if item is not told.chosen]
    groups = groupby(others, lambda item: "-".join(item.id.split("-")[:2]))
    unfolded = " open" if len(others) <= FEW else ""
    folded = [branch(told, list(items), room, unfolded) for _, items in groups]
    return f"<section><h2>Candidates</h2>{winner}{''.join(folded)}</section>"


def branch(told: Told, items: list[Candidate], room: int, unfolded: str) -> str:
    """List a branch's candidates."""
    kind = "other candidate" if told.chosen and told.chosen.branch == items[0].branch else "candidate"
    name = f'<b>{line(items[0].branch)}</b> <span class="soft">{counted(len(items), kind)}</span>'
    inner = "".join(one(told, item, room) for item in items)
    return f'<details{unfolded}><summary>{name}</summary><div class="inner">{inner}</div></details>'


def one(told: Told, item: Candidate, room: int) -> str:
    """Show one candidate: a line, and behind it everything about it."""
    won = item is told.chosen
    swatch = f'<svg viewBox="0 0 12 12"><rect class="{told.look(item)}" width="12" height="12" rx="3"/></svg>'
    answer = line(item.error or item.raw or ("cut off" if item.finish == "length" else "no answer"), 80)
    votes = told.votes.get(item.answer or "", 0) if item.answer is not None else 0
    row = (
        f'{swatch}<b dir="auto">{"★ " if won else ""}{answer}{mark(item)}</b>'
        f'<span class="aside-text">{line(item.strategy) or asked(told, item)}</span>'
        f'<span class="soft aside-text">{line(item.model)}</span><span class="soft">{counted(votes, "vote")}</span>'
    )
    inner = f'<div class="inner" id="{line(item.id, 200)}">{"".join(inside(told, item, room))}</div>'
    return f'<details{" open" if won else ""}><summary><span class="row">{row}</span></summary>{inner}</details>'


def mark(item: Candidate) -> str:
    """Say whether the verifier passed it."""
    passed = item.verdict.passed if item.verdict else None
    return {True: ' <span class="good">✓</span>', False: ' <span class="bad">✗</span>', None: ""}[passed]


def asked(told: Told, item: Candidate) -> str:
    """Name the kind of call that made it."""
    return told.made_by[item.id].kind if item.id in told.made_by else ""


def inside(told: Told, item: Candidate, room: int) -> Iterator[str]:
    """Yield what is behind the line."""
    sure = "" if item.confidence is None else f" · confidence {item.confidence:.2f} ({item.confidence_source})"
    tokens = f"{item.usage.input_tokens}+{item.usage.output_tokens} tokens"
    told_to = f" · “{STRATEGIES[item.strategy]}”" if item.strategy in STRATEGIES else ""
    yield f'<div class="soft">{line(item.id, 200)} · {asked(told, item)}{told_to} · {tokens}{sure}</div>'
    if item.error:
        yield block("It failed", shown(item.error, room))
    parent = told.by_id.get(item.parents[0]) if item.parents else None
    if parent is not None:
        yield f'<div>made of <a href="#{line(parent.id, 200)}">{line(parent.id, 200)}</a></div>'
    if parent is not None and asked(told, item) in REVISED and parent.written:
        yield block("What it changed", "".join(changes(parent.written[:room], item.written[:room])))
        yield f"<details><summary>The whole text</summary>{block('', shown(item.written, room))}</details>"
    elif item.written:
        yield block("", shown(item.written, room))
    if item.verdict is not None:
        score = f"The verifier ({item.verdict.kind}): score {item.verdict.score:.2f}"
        yield block(score, shown(remark(item.verdict), room))
    for call in told.said_about.get(item.id, []):
        others = "".join(f", beside {line(other, 200)}" for other in call.parents if other != item.id)
        yield block(f"{call.kind.capitalize()} {line(call.id, 200)}{others}", shown(call.reply, room))


def block(title: str, text: str) -> str:
    """Show a text as it was written; `text` is HTML."""
    head = f"<h3>{title}</h3>" if title else ""
    return f'{head}<pre class="said" dir="auto">{text}</pre>' if text else head
