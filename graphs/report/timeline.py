"""Where each call of a run stands on a picture: lanes of branches, rows of calls that do not overlap, and a clock."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import heappop, heappush
from typing import NamedTuple

from ...state.budget import Call

PAUSE, LEAST = 0.1, 2.0
"""Of the busy time, and seconds: a longer gap, as between a crash and a resume, is cut out."""
CUT = 0.03
"""Of the busy time: how wide it then looks."""


class Span(NamedTuple):
    """A stretch in which calls were in flight, in Unix time."""

    begin: float
    end: float
    at: float
    """Seconds shown before it."""
    gap: float
    """Seconds in which nobody was asked before it; 0 where they are all shown."""


@dataclass(frozen=True)
class Clock:
    """Seconds of work by Unix time: long gaps, in which nobody was asked, are cut short."""

    calls: Sequence[Call]

    @cached_property
    def spans(self) -> list[Span]:
        """The stretches of work."""
        joined: list[list[float]] = []
        for begin, end in sorted((call.started, call.started + call.seconds) for call in self.calls):
            if joined and begin <= joined[-1][1]:
                joined[-1][1] = max(joined[-1][1], end)
            else:
                joined.append([begin, end])
        busy = sum(end - begin for begin, end in joined) or 1e-3
        spans: list[Span] = []
        for begin, end in joined:
            gap = begin - spans[-1].end if spans else 0.0
            cut = gap > max(LEAST, PAUSE * busy)
            at = spans[-1].at + spans[-1].end - spans[-1].begin + (CUT * busy if cut else gap) if spans else 0.0
            spans.append(Span(begin, end, at, gap if cut else 0.0))
        return spans

    @cached_property
    def whole(self) -> float:
        """Seconds shown in all."""
        return max(self.spans[-1].at + self.spans[-1].end - self.spans[-1].begin, 1e-3) if self.spans else 1e-3

    def at(self, time: float) -> float:
        """Return the seconds shown at a time within a stretch."""
        span = self.spans[max(0, bisect_right(self.spans, time, key=lambda span: span.begin) - 1)]
        return span.at + min(time, span.end) - span.begin


@dataclass(frozen=True)
class Lane:
    """One branch of one step: its calls in rows, none of which overlap."""

    place: str
    """Step and branch, as a visit's id."""
    rows: tuple[tuple[Call, ...], ...]

    @property
    def branch(self) -> str:
        """The branch."""
        return self.rows[0][0].branch


def lanes(calls: Sequence[Call]) -> list[Lane]:
    """Put calls that have begun into lanes, in the order of the run; a call takes the lowest row that is free."""
    grouped: dict[str, list[Call]] = {}
    for call in sorted(calls, key=lambda call: (call.started, call.id)):
        grouped.setdefault("-".join(call.id.split("-")[:2]), []).append(call)
    return [Lane(place, packed(own)) for place, own in grouped.items()]


def packed(calls: Sequence[Call]) -> tuple[tuple[Call, ...], ...]:
    """Pack calls, sorted by begin, into as few rows as may be."""
    rows: list[list[Call]] = []
    busy: list[tuple[float, int]] = []
    free: list[int] = []
    for call in calls:
        while busy and busy[0][0] <= call.started:
            heappush(free, heappop(busy)[1])
        if not free:
            rows.append([])
            free.append(len(rows) - 1)
        row = heappop(free)
        rows[row].append(call)
        heappush(busy, (call.started + call.seconds, row))
    return tuple(map(tuple, rows))
