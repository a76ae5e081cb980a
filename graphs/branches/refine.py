"""A four-part chain, then critique and revision.

Self-Refine (Madaan et al. 2023, arXiv:2303.17651); without outside feedback models rarely correct themselves
(Huang et al. 2023, arXiv:2310.01798), so a verified run keeps a revision only where its verdict is strictly better,
and an unverified one leaves all versions to the selector.
"""

from ...nodes.critique import Feedback, feedback_on
from ...nodes.dispatch import Done, Wave
from ...nodes.prompts import CHAIN
from ...nodes.view import View
from ...nodes.vote import tally
from ...state.run import Candidate

GOOD_ENOUGH = 0.9
"""The critique's score, 0 to 1, that ends the rounds."""


def plan(view: View) -> Wave | Done:
    """Ask for the draft, the critique or the revision that comes next."""
    revisions = [call for call in view.own if call.kind == "revise" and not call.attempt]
    current = best(view)
    if current is None:
        return Done("no draft", 0) if view.own else Wave([view.call("sample", 0, strategy=CHAIN)])
    feedback = feedback_on(view, current)
    if reason := ended(view, current, feedback, len(revisions)):
        return Done(reason, len(revisions))
    turn, parents = 1 + len(revisions), (current.id,)
    if feedback is None:
        return Wave([view.call("critique", turn, 0, parents=parents)], len(revisions))
    return Wave([view.call("revise", turn, 1, parents=parents)], len(revisions))


def ended(view: View, current: Candidate, feedback: Feedback | None, rounds: int) -> str:
    """Return why the rounds are over; empty where they are not."""
    if current.verdict and current.verdict.passed:
        return "verified"
    if feedback and not current.verdict and feedback.score >= GOOD_ENOUGH:
        return "critique found nothing"
    return "rounds made" if rounds >= view.settings.max_rounds else ""


def best(view: View) -> Candidate | None:
    """Return the version to work on: the best verdict, else the newest of this branch, else the leading answer."""
    usable = [candidate for candidate in view.candidates if candidate.written and not candidate.error]
    # Of what is not verified, only what has not the form that was asked for has a verdict.
    judged = [item for item in usable if item.verdict and (view.exact or item.verdict.passed is not False)]
    if judged:
        return max(judged, key=lambda candidate: candidate.verdict.score if candidate.verdict else 0)
    own = [candidate for candidate in usable if candidate.id.startswith(view.place)]
    votes = tally(usable)
    leading = [candidate for candidate in usable if votes and candidate.answer == next(iter(votes))]
    return own[-1] if own else next(iter(leading or usable), None)
