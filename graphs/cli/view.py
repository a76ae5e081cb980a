"""What a run shows while it runs: a live picture on a terminal, plain lines when piped."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ...nodes.events import Arrived, Assessed, Escalated, Event
from ...state.run import Answer, Candidate
from .plain import cells, objection, outcome, plain

SHOWN = 8
"""Candidates and answers that the live picture shows."""
LINE = 200
"""Characters of an answer where it has a line to itself."""


class View:
    """Shows nothing; what the others do beside it."""

    prints_answer = False
    """The view itself prints the answer."""

    def show(self, event: Event) -> None:
        """Take in an event."""

    def close(self, answer: Answer) -> None:
        """Take in the outcome."""


@dataclass
class Lines(View):
    """One line on standard error for each event that matters."""

    known: list[str] = field(default_factory=list)
    """The candidates so far, by whose place they are numbered."""

    def show(self, event: Event) -> None:
        line = self.introduced(event) if event.type == "candidate" else described(event)
        if line:
            print(line, file=sys.stderr, flush=True)  # noqa: T201 - what a command does

    def introduced(self, event: Arrived) -> str:
        """Tell of a candidate: which one, whence, and its answer; one that is graded later is told of again."""
        candidate = event.candidate
        if candidate.id not in self.known:
            self.known.append(candidate.id)
        number = self.known.index(candidate.id) + 1
        way = ", ".join(filter(None, (event.branch, candidate.strategy)))
        return " ".join(filter(None, (f"candidate {number} ({way}):", outcome(candidate, LINE), objection(candidate))))

    def close(self, answer: Answer) -> None:
        print(summary(answer), file=sys.stderr, flush=True)  # noqa: T201


@dataclass
class Picture(View):
    """A live picture: the route, the calls, the candidates as they arrive, the vote."""

    title: str
    live: Live
    route: list[str] = field(default_factory=list)
    calls: int = 0
    allowed: int = 0
    candidates: list[Candidate] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    prints_answer = True

    def show(self, event: Event) -> None:
        if event.type == "budget":
            self.calls += len(event.calls)
            self.allowed = event.allowed
            if event.branch not in self.route[-1:]:
                self.route.append(event.branch)
        elif event.type == "candidate":
            self.candidates.append(event.candidate)
        elif isinstance(event, Assessed | Escalated):
            self.notes.append(described(event))
        self.live.update(self.drawn())

    def close(self, answer: Answer) -> None:
        verdict = Text.assemble(("answer  ", "bold"), (plain(answer.answer or "none", 400), "bold green"))
        self.live.update(Group(self.drawn(), verdict, Text(summary(answer), style="dim")))

    def drawn(self) -> RenderableType:
        """Draw what is known by now."""
        head = Text.assemble((plain(self.title, 200), "bold"))
        way = Text(f"{' ▸ '.join(self.route) or 'starting'} · {self.calls} of {self.allowed} calls", style="cyan")
        notes = [Text(note, style="dim") for note in self.notes]
        table = Table("branch", "strategy", "answer", "sure", "text", box=None, pad_edge=False, header_style="dim")
        for candidate in self.candidates[-SHOWN:]:
            table.add_row(*map(Text, cells(candidate)))
        return Group(head, way, *notes, table, self.votes())

    def votes(self) -> RenderableType:
        """Draw the answers with the most votes."""
        voting = {item.id: item for item in self.candidates if item.answer is not None}.values()
        written = {item.answer: item.raw or "" for item in reversed(voting)}
        table = Table.grid(padding=(0, 1))
        for answer, count in Counter(item.answer for item in voting).most_common(SHOWN):
            bar = Text("█" * min(count, 40), style="green")
            table.add_row(Text(plain(written[answer], 30)), bar, Text(str(count)))
        return table


def described(event: Event) -> str:
    """Put an event into one line; empty for one that needs none."""
    if isinstance(event, Assessed | Escalated):
        found = event.assessment
        return f"{event.type}: {found.level}, {found.evidence}, up to {found.compute_budget} calls, {found.plan[-1]}"
    if event.type == "voted":
        said = ", ".join(f"{plain(answer)} x {count}" for answer, count in list(event.votes.items())[:SHOWN])
        return f"vote: {said or 'none'}"
    if event.type == "finished":
        return f"{event.branch}: {event.reason}"
    return ""


def summary(answer: Answer) -> str:
    """Say how the answer came about."""
    spent = answer.spent
    calls = f"{spent.calls} call{'' if spent.calls == 1 else 's'}" + (f" and {spent.lost} lost" if spent.lost else "")
    return (
        f"confidence {answer.confidence:.2f} by {answer.decided_by}, stopped: {answer.stopped_because}; "
        f"{calls}, {spent.input_tokens} + {spent.output_tokens} tokens, {spent.seconds:.1f} s; "
        f"thread {answer.thread_id}"
    )


@contextmanager
def open_view(title: str, *, silent: bool) -> Iterator[View]:
    """Choose the view: nothing, a live picture on a terminal, or lines."""
    console = Console(stderr=not sys.stdout.isatty())
    if silent:
        yield View()
    elif console.is_terminal and sys.stdout.isatty():
        with Live(console=console, refresh_per_second=8) as live:
            yield Picture(title, live)
    else:
        yield Lines()
