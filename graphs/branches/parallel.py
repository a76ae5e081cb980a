"""Repeated sampling over prompting strategies, stopped as soon as the vote is settled.

Self-consistency (Wang et al. 2022, arXiv:2203.11171) with the stop rule of Adaptive-Consistency
(Aggarwal et al. 2023, arXiv:2305.11860).
"""

from ...nodes.dispatch import Done, Wave
from ...nodes.prompts import STRATEGIES
from ...nodes.view import View
from ...nodes.vote import lead_probability, tally, top_two

WIDEST_WINDOW = 64
"""Calls in flight at once where nothing is stopped early."""


def plan(view: View) -> Wave | Done:
    """Ask for the next window of samples."""
    fixed = view.settings.policy == "fixed"
    windows = len({call.id.split("-")[2] for call in view.own})
    left = remaining(view)
    if not fixed and (reason := settled(view, left)):
        return Done(reason, windows)
    if left <= 0:
        return Done("samples drawn", windows)
    size = min(left, WIDEST_WINDOW if fixed else view.settings.window)
    names, asked = tuple(STRATEGIES), len({call.candidate_id for call in view.own if call.kind == "sample"})
    return Wave(
        [view.call("sample", windows, index, strategy=names[(asked + index) % len(names)]) for index in range(size)],
        windows,
    )


def remaining(view: View) -> int:
    """Return how many samples may still be asked for; the probes count."""
    fixed = view.settings.policy == "fixed"
    cap = (view.settings.budget.max_calls if fixed else None) or view.settings.sample_cap
    made = [call for call in view.calls if call.branch in {"assess", "parallel"} and call.state != "unmade"]
    return max(0, cap - len({call.candidate_id for call in made if call.kind in {"probe", "sample"}}))


def settled(view: View, left: int) -> str:
    """Return why no further sample is needed; empty where one is."""
    if any(candidate.verified for candidate in view.candidates):
        return "verified"
    if view.exact:
        return ""
    first, second = top_two(tally(view.votes))
    if lead_probability(first, second) >= view.settings.stop_threshold:
        return "confident"
    return "lead cannot be caught" if view.own and first - second > left else ""


def enough(view: View, flying: int) -> bool:
    """Say whether the samples still in the air can be let go: the branch would stop, and they cannot turn the vote."""
    reason = settled(view, remaining(view) + flying)
    if reason != "confident":
        return bool(reason)
    first, second = top_two(tally(view.votes))
    return view.settings.policy != "fixed" and first - second > flying
