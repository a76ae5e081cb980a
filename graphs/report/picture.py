"""The run as a picture: a lane for each branch, a bar for each call in the colour of its answer, and what it cost."""

from collections.abc import Iterator

from ...state.budget import Call
from ...state.run import Candidate
from . import costs
from .style import COLOURS, PICTURE
from .text import lasting, line
from .timeline import Clock, Lane, lanes
from .told import Told

WIDTH, GUTTER, EDGE = 1000, 120, 16
"""Pixels: of the picture, of its names on the left, of the space on the right."""
TALL, THIN = 20, 3
"""Pixels of a row, where there are few, and where there are many."""
ROOM = 700
"""Pixels that the rows may take before they get thinner."""
ROUND = 6
"""Pixels of a row from which on there is space around a bar and a text in it."""
LINKS = 80
"""Revisions whose way from the attempt before is drawn."""
LEGEND = 6
"""Answers that the legend names."""


def picture(told: Told) -> str:
    """Draw a run as one SVG file: what was asked, the lanes, the budget, the answers by colour."""
    body, height = drawn(told, 64)
    legend = [
        f'<rect class="a{colour}" x="{x}" y="{height + 8}" width="12" height="12" rx="3"/>'
        f'<text x="{x + 18}" y="{height + 15}">{line(told.spelled[answer], 10)} × {told.votes[answer]}</text>'
        for x, (answer, colour) in zip(range(GUTTER, WIDTH, 140), list(told.colours.items())[:LEGEND], strict=False)
        if answer in told.votes
    ]
    won = told.run.answer
    answer = "not ended" if won is None else f"answer: {won.answer or 'none'}"
    head = (
        f'<text class="big" x="{EDGE}" y="24">{line(told.run.view.problem.text, 72)}</text>'
        f'<text class="soft" x="{EDGE}" y="48">{line(answer, 100)}</text>'
    )
    size = f'viewBox="0 0 {WIDTH} {height + 32}" width="{WIDTH}" height="{height + 32}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{COLOURS}{PICTURE}</style>'
        f'<rect class="sheet" width="100%" height="100%"/>{head}{body}{"".join(legend)}</svg>\n'
    )


def drawn(told: Told, top: float = 0, *, linked: bool = False) -> tuple[str, float]:
    """Draw lanes and budget from a height on, and say where they end; bars may link to the page's parts."""
    begun = [call for call in told.calls if call.started]
    if not begun:
        return f'<text class="soft" x="{EDGE}" y="{top + 12}">No call has begun.</text>', top + 28
    clock, found = Clock(begun), lanes(begun)
    row = max(THIN, min(TALL, ROOM / sum(len(lane.rows) for lane in found)))
    chart = Chart(told, clock, row, linked=linked)
    parts, y = [], top
    for lane in found:
        parts.append("".join(chart.lane(lane, y)))
        y += chart.height(lane)
    bottom = y
    for strip in costs.strips(told):
        parts.append(costs.drawn(strip, clock, y + 10, (GUTTER, WIDTH - EDGE)))
        y += costs.HEIGHT + 10
    return "".join([*parts, *chart.pauses(top, bottom), *chart.links(), *chart.axis(y + 4)]), y + 28


class Chart:
    """The lanes of one run on one clock."""

    def __init__(self, told: Told, clock: Clock, row: float, *, linked: bool) -> None:
        self.told, self.clock, self.row, self.linked = told, clock, row, linked
        self.ends: dict[str, tuple[float, float]] = {}
        self.begins: dict[str, tuple[float, float]] = {}

    def x(self, time: float) -> float:
        """Return where a time is."""
        return GUTTER + (WIDTH - GUTTER - EDGE) * self.clock.at(time) / self.clock.whole

    def height(self, lane: Lane) -> float:
        """Return the pixels that a lane takes."""
        return max(40.0, len(lane.rows) * self.row + 12) + 6

    def lane(self, lane: Lane, top: float) -> Iterator[str]:
        """Draw a branch: its name, how it ended, and its calls."""
        visit, calls = self.told.visits.get(lane.place), sum(map(len, lane.rows))
        yield f'<rect class="band" x="0" y="{top:.1f}" width="{WIDTH}" height="{self.height(lane) - 6:.1f}" rx="8"/>'
        about = f'<tspan class="soft" font-weight="400" dx="6">{calls}</tspan>'
        yield f'<text class="head" x="12" y="{top + 14:.1f}">{line(lane.branch, 14)}{about}</text>'
        ended = line(visit.stopped, 40) if visit else "not ended"
        yield f'<svg y="{top + 22:.1f}" width="{GUTTER - 6}" height="16"><title>{ended}</title>'
        yield f'<text class="soft" x="12" y="8">{ended}</text></svg>'
        for place, row in enumerate(lane.rows):
            for call in row:
                yield self.bar(call, top + 6 + place * self.row)

    def bar(self, call: Call, y: float) -> str:
        """Draw a call, as wide as it took."""
        item = self.told.by_id.get(call.candidate_id)
        if item is not None and self.told.made_by[call.candidate_id] is not call:
            item = None  # an attempt before the one that told something
        left, right = self.x(call.started), self.x(call.started + call.seconds)
        width, tall = max(2.0, right - left - 1), self.row - (3 if self.row > ROUND else 0.5)
        if item is not None:
            self.begins[item.id], self.ends[item.id] = (left, y + tall / 2), (left + width, y + tall / 2)
        won = " won" if item is not None and item is self.told.chosen else ""
        look = "failed" if call.error else self.told.look(item)
        box = f'x="{left:.1f}" y="{y:.1f}" width="{width:.1f}" height="{tall:.1f}"'
        label = labelled(call, item) if self.row > 2 * ROUND and width > TALL else ""
        ink = "on filled" if look.startswith("a") and look != "aside" else "on"
        text = f'<svg {box}><text class="{ink}" x="5" y="{tall / 2:.1f}">{label}</text></svg>' if label else ""
        told = f"<title>{line(hint(call, item), 300)}</title>"
        made = f'<g>{told}<rect class="{look}{won}" {box} rx="{min(4, tall / 3):.1f}"/>{text}</g>'
        return f'<a href="#{line(item.id, 200)}">{made}</a>' if self.linked and item is not None else made

    def links(self) -> Iterator[str]:
        """Draw the way from an attempt to what was made of it."""
        pairs = [(self.ends[parent], self.begins[item.id]) for item, parent in kin(self.told) if parent in self.ends]
        if len(pairs) <= LINKS:
            for (x1, y1), (x2, y2) in pairs:
                half = max(12.0, (x2 - x1) / 2)
                yield f'<path class="link" d="M{x1:.1f} {y1:.1f}C{x1 + half:.1f} {y1:.1f} {x2 - half:.1f} {y2:.1f} '
                yield f'{x2:.1f} {y2:.1f}"/>'

    def pauses(self, top: float, bottom: float) -> Iterator[str]:
        """Mark where nobody was asked for long."""
        for span in self.clock.spans:
            if span.gap:
                x = self.x(span.begin) - 4
                yield f'<line class="pause" x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" y2="{bottom:.1f}">'
                yield f"<title>nothing was asked for {lasting(span.gap)}</title></line>"

    def axis(self, y: float) -> Iterator[str]:
        """Write the time below."""
        for part in range(5):
            x = GUTTER + (WIDTH - GUTTER - EDGE) * part / 4
            side = " end" if part == 4 else " mid" if part else ""  # noqa: PLR2004 - the last of the five
            yield f'<text class="soft{side}" x="{x:.1f}" y="{y + 8:.1f}">{lasting(self.clock.whole * part / 4)}</text>'


def kin(told: Told) -> Iterator[tuple[Candidate, str]]:
    """Yield each candidate that was made of another one, with that one's id."""
    return ((item, parent) for item in told.candidates for parent in item.parents if item.id in told.made_by)


def labelled(call: Call, item: Candidate | None) -> str:
    """Write on a bar what came of its call."""
    if call.error:
        return call.state
    if item is None or item.raw is None:
        return "" if item is not None else line(call.kind, 12)
    passed = item.verdict.passed if item.verdict else None
    return line(item.raw, 24) + {True: " ✓", False: " ✗", None: ""}[passed]


def hint(call: Call, item: Candidate | None) -> str:
    """Tell of a call where the pointer rests on it."""
    about = [f"{call.kind} {call.id}", call.strategy, item.model if item else "", call.state, lasting(call.seconds)]
    about.append(f"{call.usage.input_tokens}+{call.usage.output_tokens} tokens")
    said = call.error or (item.raw if item and item.raw is not None else "")
    return " · ".join(filter(None, [*about, said]))
