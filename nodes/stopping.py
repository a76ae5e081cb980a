"""When is a vote over? One rule for the branch that samples and for the selector that judges what it brought."""

from .reply import type_of
from .view import View
from .vote import lead_kept, lead_probability, tally, top_two


def samples_left(view: View) -> int:
    """Return how many samples may still be asked for; the probes count, and calls for tests that may be wanted do."""
    fixed = view.settings.policy == "fixed"
    cap = (view.settings.budget.max_calls if fixed else None) or view.settings.sample_cap
    made = [call for call in view.calls if call.branch in {"assess", "parallel"} and call.state != "unmade"]
    left = cap - len({call.candidate_id for call in made if call.kind in {"probe", "sample"}})
    limit, tests = view.settings.budget.max_calls, view.settings.write_tests
    if limit is not None and takes_tests(view) and not tested(view) and not alike(view):
        left = min(left, max(limit - tests, 2) - view.ledger.made)  # one program alone needs no tests
    return max(0, left)


def takes_tests(view: View) -> bool:
    """Say whether the model may write tests: they were asked for, for programs, and no verifier is to say it."""
    return view.settings.write_tests > 0 and not view.verified and type_of(view.problem) == "code"


def alike(view: View) -> bool:
    """Say whether all programs so far are one, which tests would not tell apart."""
    return len(view.votes) > 1 and len({item.answer for item in view.votes}) == 1


def tested(view: View) -> bool:
    """Say whether the model was asked for them."""
    return any(call.kind == "tests" for call in view.calls)


def reason_to_stop(view: View, left: int) -> str:
    """Return why no further sample is needed, of `left` that may be asked for; empty where one is.

    Adaptive-Consistency (Aggarwal et al. 2023, arXiv:2305.11860): the leader is ahead with the threshold's probability,
    in the long run or when the samples that are left are drawn. And the opposite: where no answer has a quorum of the
    candidates after the probes and a window, more of the same would hardly settle it.
    """
    if any(candidate.verified for candidate in view.candidates):
        return "verified"
    if view.exact:
        return ""
    first, second = top_two(tally(view.votes))
    sure = view.settings.stop_threshold
    if first - second > left and lead_probability(first, second) < sure:
        return "lead cannot be caught"
    if is_ahead(first, second, left, sure):
        return "confident"
    share, heard = view.settings.least_share, len(view.heard)
    return "no quorum" if share and heard >= quorate(view) and first <= share * heard else ""


def is_ahead(first: int, second: int, left: int, sure: float) -> bool:
    """Say whether the leader is ahead with that probability, in the long run or when the samples left are drawn."""
    return max(lead_probability(first, second), lead_kept(first, second, left)) >= sure


def quorate(view: View) -> int:
    """Return from how many candidates on the lack of a quorum ends a vote."""
    return view.settings.probes + view.settings.window


def samples_to_ask(view: View, left: int) -> int:
    """Return how many samples to ask for at once: a window, and no more than could end the vote one way or the other.

    Were they all for the leader, it would be settled; and as soon as a quorum counts, it is looked for.
    """
    most = min(left, view.settings.window)
    first, second = top_two(tally(view.votes))
    if view.exact or not first:
        return most
    sure = view.settings.stop_threshold
    ends = (n for n in range(1, most) if is_ahead(first + n, second, left - n, sure))
    missing = quorate(view) - len(view.heard)
    return min(next(ends, most), missing if view.settings.least_share and missing > 0 else most)


def settled(view: View) -> bool:
    """Say whether further samples are not expected to change the leader."""
    return reason_to_stop(view, samples_left(view)) == "confident" or believed(view)


def believed(view: View) -> bool:
    """Say whether there is nothing but what was probed and found easy, be the threshold what it may.

    Of three probes that agree, 37 more samples improved the vote by 0.1 points (GPT-3.5, 500 questions).
    """
    assessment, assessor = view.state.get("assessment"), view.settings.assessor
    if assessment is None or assessment.level != "low" or assessor.startswith("fixed"):
        return False
    least = 1 if assessor == "logprob" else 2
    unanimous = len({candidate.answer for candidate in view.votes}) == 1
    return unanimous and len(view.votes) >= least and all(candidate.branch == "assess" for candidate in view.candidates)
