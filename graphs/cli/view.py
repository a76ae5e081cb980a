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

from ...nodes.events import Admitted, Arrived, Assessed, Escalated, Event, Finished, Replaced
from ...state.run import Answer, Assessment, Candidate
from .lines import progress
from .plain import cells, counted, level, made, objection, on_terminal, outcome, plain, quoted
from .stored import Stored

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

    def begin(self, run: Stored) -> None:
        """Take in what is known of a run that goes on."""

    def stop(self, run: Stored) -> None:
        """Take in how far it is where it stops without an outcome."""

    def close(self, answer: Answer) -> None:
        """Take in the outcome."""


@dataclass
class Lines(View):
    """One line on standard error for each event that matters."""

    told: dict[str, str] = field(default_factory=dict)
    """The candidates so far, by whose place they are numbered, and what was said of each."""

    def begin(self, run: Stored) -> None:
        self.told = dict.fromkeys((candidate.id for candidate in run.view.candidates), "")

    def show(self, event: Event) -> None:
        line = self.introduced(event) if event.type == "candidate" else described(event)
        if line:
            print(line, file=sys.stderr, flush=True)  # noqa: T201 - what a command does

    def introduced(self, event: Arrived) -> str:
        """Tell of a candidate: which one, whence, and its answer; again only what has changed, as by a grade."""
        candidate = event.candidate
        before = self.told.setdefault(candidate.id, "")
        number = [*self.told].index(candidate.id) + 1
        way = ", ".join(filter(None, (event.branch, candidate.strategy)))
        why = ": " if candidate.raw is None else " "
        line = f"candidate {number} ({way}): " + why.join(
            filter(None, (outcome(candidate, LINE), objection(candidate)))
        )
        self.told[candidate.id] = line
        return line if line != before else ""

    def close(self, answer: Answer) -> None:
        print(summary(answer), file=sys.stderr, flush=True)  # noqa: T201


@dataclass
class Picture(View):
    """A live picture: the route, the calls, the candidates as they arrive, the vote."""

    title: str
    live: Live
    route: list[str] = field(default_factory=list)
    begun: set[str] = field(default_factory=set)
    allowed: int = 0
    candidates: dict[str, Candidate] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    prints_answer = True

    def begin(self, run: Stored) -> None:
        self.title = run.view.problem.text or self.title  # none yet, where it was stopped before it began
        self.route, self.allowed = run.route, run.view.allowed
        self.begun = {call.id for call in run.view.calls if call.state != "unmade"}
        self.candidates = {item.id: item for item in run.view.candidates}
        if found := run.view.state.get("assessment"):
            self.notes.append(rated("assessed", found))
        self.live.update(self.drawn())

    def stop(self, run: Stored) -> None:
        self.live.update(self.drawn(progress(run)))

    def show(self, event: Event) -> None:
        if event.type == "budget":
            self.begun |= {call.id for call in event.calls}
            self.allowed = event.allowed
        if isinstance(event, Admitted | Finished) and event.branch not in self.route:
            self.route.append(event.branch)
        if event.type == "candidate":
            self.candidates.pop(event.candidate.id, None)  # one that is graded comes again
            self.candidates[event.candidate.id] = event.candidate
        elif isinstance(event, Replaced | Assessed | Escalated):
            self.notes.append(described(event))
        self.live.update(self.drawn())

    def close(self, answer: Answer) -> None:
        verdict = Text.assemble(("answer  ", "bold"), (plain(answer.answer or "none", 400), "bold green"))
        drawn = self.drawn(made(answer.spent, self.allowed))
        self.live.update(Group(drawn, verdict, Text(summary(answer), style="dim")))

    def drawn(self, calls: str = "") -> RenderableType:
        """Draw what is known by now; while the run goes on, all calls that have begun count as made."""
        head = Text.assemble((plain(self.title, 200), "bold"))
        calls = calls or f"{len(self.begun)} of {counted(self.allowed, 'call')}"
        way = Text(f"{' ▸ '.join(self.route) or 'starting'} · {calls}", style="cyan")
        notes = [Text(note, style="dim") for note in self.notes]
        table = Table("branch", "strategy", "answer", "sure", "text", box=None, pad_edge=False, header_style="dim")
        for candidate in [*self.candidates.values()][-SHOWN:]:
            table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in cells(candidate)))
        return Group(head, way, *notes, table, self.votes())

    def votes(self) -> RenderableType:
        """Draw the answers with the most votes."""
        voting = [item for item in self.candidates.values() if item.answer is not None]
        written = {item.answer: item.raw or "" for item in reversed(voting)}
        table = Table.grid(padding=(0, 1))
        for answer, count in Counter(item.answer for item in voting).most_common(SHOWN):
            bar = Text("█" * min(count, 40), style="green")
            table.add_row(Text(plain(written[answer], 30)), bar, Text(str(count)))
        return table


def described(event: Event) -> str:
    """Put an event into one line; empty for one that needs none."""
    if isinstance(event, Assessed | Escalated):
        return rated(event.type, event.assessment)
    if event.type == "replaced":
        before = "none" if event.answer is None else plain(event.answer)
        return f"this thread's finished run, whose answer was {before}, gives way to the new problem"
    if event.type == "voted":
        said = [f"{plain(answer)} x {count}" for answer, count in event.votes.items()]
        more = [f"{len(said) - SHOWN} more"] if len(said) > SHOWN else []
        return f"vote: {', '.join(said[:SHOWN] + more) or 'none'}"
    if event.type == "finished":
        return f"{event.branch}: {event.reason}"
    return ""


def rated(kind: str, found: Assessment) -> str:
    """Put an assessment into one line."""
    return f"{kind}: {level(found)}, {found.evidence}, compute budget {found.compute_budget}, {found.plan[-1]}"


def summary(answer: Answer) -> str:
    """Say how the answer came about."""
    spent = answer.spent
    return (
        f"confidence {answer.confidence:.2f} by {answer.decided_by}, stopped: {answer.stopped_because}; "
        f"{made(spent)}, {spent.input_tokens} + {spent.output_tokens} tokens, {spent.seconds:.1f} s; "
        f"thread {quoted(answer.thread_id)}"
    )


@contextmanager
def open_view(title: str, *, silent: bool) -> Iterator[View]:
    """Choose the view: nothing, a live picture on a terminal that can show one, or lines."""
    terminal = on_terminal(sys.stdout)
    console = Console(stderr=not terminal)
    if silent or sys.stderr is None:
        yield View()
    elif console.is_terminal and terminal and not console.options.ascii_only:
        with Live(console=console, refresh_per_second=8) as live:
            yield Picture(title, live)
    else:
        yield Lines()
