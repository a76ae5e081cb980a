"""Repeated sampling over prompting strategies, stopped as soon as the vote is settled.

Self-consistency (Wang et al. 2022, arXiv:2203.11171) with the stop rule of Adaptive-Consistency
(Aggarwal et al. 2023, arXiv:2305.11860).
"""

from ...nodes.dispatch import Done, Wave
from ...nodes.prompts import STRATEGIES
from ...nodes.selectors.ballot import lead
from ...nodes.selectors.confidence import weights_of
from ...nodes.stopping import reason_to_stop, samples_left, samples_to_ask
from ...nodes.view import View
from ...nodes.vote import tally

WIDEST_WINDOW = 64
"""Calls in flight at once where nothing is stopped early."""


def plan(view: View) -> Wave | Done:
    """Ask for the next window of samples."""
    fixed = view.settings.policy == "fixed"
    windows = len({call.id.split("-")[2] for call in view.own})
    left = samples_left(view)
    if not fixed and (reason := reason_to_stop(view, left)):
        return Done(reason, windows)
    if left <= 0:
        return Done("samples drawn", windows)
    size = min(left, WIDEST_WINDOW) if fixed else samples_to_ask(view, left)
    names, asked = tuple(STRATEGIES), len({call.candidate_id for call in view.own if call.kind == "sample"})
    # Samples that may share a request have one prompt.
    strategies = [names[(asked + index) // view.settings.n % len(names)] for index in range(size)]
    return Wave([view.call("sample", windows, at, strategy=name) for at, name in enumerate(strategies)], windows)


def enough(view: View, flying: int) -> bool:
    """Say whether the samples still in the air can be let go: the branch would stop, and they cannot turn the vote."""
    reason = reason_to_stop(view, samples_left(view) + flying)
    if reason not in {"confident", "lead cannot be caught"}:
        return reason == "verified"
    to_come = flying + (samples_left(view) if view.settings.policy == "fixed" else 0)
    counts = tally(view.votes)
    return all(lead(votes) > to_come for votes in (counts, weights_of(view.votes) or counts))
