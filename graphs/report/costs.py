"""What a run has cost by now, over its time: calls, tokens and dollars, each against its limit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from ...state.budget import cost, cost_usd
from .timeline import Clock
from .told import Told

HEIGHT = 46
"""Pixels of one strip."""
NEAR = 0.2
"""A limit is drawn to scale where so much of it is used."""


@dataclass(frozen=True)
class Strip:
    """One thing that is counted."""

    name: str
    steps: Sequence[tuple[float, float]]
    """Unix time at which a call ended, and the sum after it."""
    limit: float | None
    lost: float
    """How much of the sum are calls whose end nobody knows."""
    form: str = ",.0f"

    @property
    def total(self) -> float:
        """The sum at the end."""
        return self.steps[-1][1]


def strips(told: Told) -> Iterator[Strip]:
    """Count what the budget counts: a call whose end nobody knows at its worst case."""
    spent, budget = told.run.spent, told.run.view.settings.budget
    last = max((call.started + call.seconds for call in told.run.counted), default=0.0)
    # When a call was cut off is not known either.
    timed = [(call.started + call.seconds if call.started else last, call) for call in told.run.counted]
    ended = [call for _, call in sorted(timed, key=lambda pair: pair[0])]
    times = sorted(time for time, _ in timed)
    if not ended:
        return

    def steps(values: list[float]) -> list[tuple[float, float]]:
        return list(zip(times, accumulate(values), strict=True))

    yield Strip("calls", steps([1.0] * len(ended)), told.run.view.allowed, spent.lost)
    yield Strip("tokens", steps([float(cost(call)) for call in ended]), budget.max_tokens, spent.lost_tokens)
    dollars = [cost_usd(call) for call in ended]
    known = [paid for paid in dollars if paid is not None]
    if len(known) == len(dollars):
        yield Strip("US dollars", steps(known), budget.max_usd, spent.lost_usd, ",.4f")


def drawn(strip: Strip, clock: Clock, top: float, sides: tuple[float, float]) -> str:
    """Draw a sum that grows, its limit, and how much of it is used."""
    left, right = sides
    near = strip.limit is not None and strip.total >= NEAR * strip.limit
    most = max(strip.limit or 0.0, strip.total) if near else 1.25 * strip.total or 1.0
    bottom, way = top + HEIGHT, [f"M{left} {top + HEIGHT:.1f}"]
    for time, value in strip.steps:
        x = left + (right - left) * clock.at(time) / clock.whole
        way.append(f"H{x:.1f}V{bottom - (HEIGHT - 4) * value / most:.1f}")
    told = format(strip.total - strip.lost, strip.form)
    told += f" of {format(strip.limit, strip.form)}" if strip.limit else ""
    lost = f"and {format(strip.lost, strip.form)} lost" if strip.lost else ""
    limit = f'<path class="limit" d="M{left} {top + 4:.1f}H{right}"/>' if near and strip.limit == most else ""
    return (
        f'<text class="head" x="12" y="{top + 14:.1f}">{strip.name}</text>'
        f'<text class="soft" x="12" y="{top + 31:.1f}">{told}</text>'
        f'<text class="soft" x="12" y="{top + 46:.1f}">{lost}</text>'
        f'<path class="rule" d="M{left} {bottom:.1f}H{right}"/>'
        f'<path class="area" d="{"".join(way)}H{right}V{bottom:.1f}Z"/>'
        f'<path class="sum" d="{"".join(way)}H{right}"/>{limit}'
    )
