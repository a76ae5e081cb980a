"""Repeated sampling over prompting strategies, stopped as soon as the vote is settled.

Self-consistency (Wang et al. 2022, arXiv:2203.11171) with the stop rule of Adaptive-Consistency
(Aggarwal et al. 2023, arXiv:2305.11860).
"""

from ...nodes.dispatch import Done, Wave
from ...nodes.gate import View
from ...nodes.prompts import STRATEGIES
from ...nodes.vote import lead_probability, tally, top_two

WIDEST_WINDOW = 64
"""Calls in flight at once where nothing is stopped early."""


def plan(view: View) -> Wave | Done:
    """Ask for the next window of samples."""
    fixed = view.settings.policy == "fixed"
    made = len({call.candidate_id for call in view.own})
    windows = len({call.id.split("-")[2] for call in view.own})
    cap = (view.settings.budget.max_calls if fixed else None) or view.settings.sample_cap
    drawn = sum(candidate.branch in {"assess", "parallel"} for candidate in view.candidates)
    remaining = cap - max(drawn, made)
    if not fixed and (reason := settled(view, remaining)):
        return Done(reason, windows)
    if remaining <= 0:
        return Done("samples drawn", windows)
    size = min(remaining, WIDEST_WINDOW if fixed else view.settings.window)
    names = tuple(STRATEGIES)
    return Wave(
        [view.call("sample", windows, index, strategy=names[(made + index) % len(names)]) for index in range(size)],
        windows,
    )


def settled(view: View, remaining: int) -> str:
    """Return why no further sample is needed; empty where one is."""
    if any(candidate.verdict and candidate.verdict.passed for candidate in view.candidates):
        return "verified"
    if view.exact:
        return ""
    first, second = top_two(tally(view.votes))
    if lead_probability(first, second) >= view.settings.stop_threshold:
        return "confident"
    return "lead cannot be caught" if view.own and first - second > max(0, remaining) else ""
