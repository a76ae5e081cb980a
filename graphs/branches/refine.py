"""A four-part chain, then critique and revision.

Self-Refine (Madaan et al. 2023, arXiv:2303.17651); without outside feedback models rarely correct themselves
(Huang et al. 2023, arXiv:2310.01798), so a verified run keeps a revision only where its verdict is strictly better,
and an unverified one leaves all versions to the selector. Where a verifier tells chains apart and the budget allows,
as many run in parallel as each has versions, a square mix (Snell et al. 2024, arXiv:2408.03314).
"""

from ...nodes.critique import feedback_on, told, usable
from ...nodes.dispatch import Done, Wave
from ...nodes.prompts import CHAIN
from ...nodes.view import View
from ...nodes.vote import tally
from ...state.budget import Call
from ...state.run import Candidate

GOOD_ENOUGH = 0.9
"""The critique's score, 0 to 1, that ends the rounds."""


def plan(view: View) -> Wave | Done:
    """Ask for the drafts, the critique or the revisions that come next."""
    earlier = starts(view)
    chains = range(1 + max(map(chain_of, view.own)) if view.own else breadth(view))
    drafts = [view.call("sample", 0, chain, strategy=CHAIN) for chain in chains if chain not in earlier]
    if not view.own and drafts:
        return Wave(drafts)
    current = {chain: version for chain in chains if (version := newest(view, chain, earlier))}
    rounds = max((made(view, chain) for chain in chains), default=0)
    if not current:
        return Done("no draft")
    if any(version.verified for version in current.values()):
        return Done("verified", rounds)
    steps = [work(view, chain, version) for chain, version in current.items()]
    calls = [step for step in steps if isinstance(step, Call)]
    return Wave(calls, rounds) if calls else Done(str(steps[0]), rounds)


def work(view: View, chain: int, version: Candidate) -> Call | str:
    """Ask for the critique or the revision of a version, or say why its chain has ended."""
    feedback, rounds = feedback_on(view, version), made(view, chain)
    if feedback and not told(version) and feedback.score >= GOOD_ENOUGH:
        return "critique found nothing"
    if rounds >= view.settings.max_rounds:
        return "rounds made"
    if feedback is None:
        return view.call("critique", 1 + 2 * rounds, chain, parents=(version.id,))
    return view.call("revise", 2 + 2 * rounds, chain, parents=(version.id,))


def starts(view: View) -> dict[int, Candidate]:
    """Return the earlier candidates that chains begin with; one that is under way keeps its own.

    What came meanwhile of branches beside this one may look better when it goes on under raised limits.
    """
    earlier = [item for item in view.candidates if not item.id.startswith(view.place)]
    known, under_way = {item.id: item for item in earlier}, {chain_of(call) for call in view.own}
    first = {chain_of(call): call.parents[0] for call in reversed(view.own) if call.parents}
    fresh = {chain: item for chain, item in enumerate(best(view, earlier)) if chain not in under_way}
    return fresh | {chain: known[parent] for chain, parent in first.items() if parent in known}


def best(view: View, earlier: list[Candidate]) -> list[Candidate]:
    """Return those worth working on: the best verdict first, else one of the leading answer."""
    earlier = [item for item in earlier if usable(item)]
    if any(judged(view, item) for item in earlier):
        unlike = {item.answer or item.written: item for item in reversed(earlier)}
        return sorted(unlike.values(), key=lambda item: (-score(item), item.id))
    votes = tally(earlier)
    leading = [item for item in earlier if votes and item.answer == next(iter(votes))]
    return (leading or earlier)[:1]


def breadth(view: View) -> int:
    """Return how many chains to begin: with a verifier as many as each has versions, if so many calls are left."""
    versions, limit = 1 + view.settings.max_rounds, view.settings.budget.max_calls
    left = [versions * versions, view.allowance, None if limit is None else limit - view.ledger.made]
    return max(1, min(calls for calls in left if calls is not None) // versions) if view.exact else 1


def newest(view: View, chain: int, earlier: dict[int, Candidate]) -> Candidate | None:
    """Return the version of a chain to work on: by verdicts the best, of equals the first; else the newest."""
    own = {call.candidate_id for call in view.own if chain_of(call) == chain}
    versions = [*([earlier[chain]] if chain in earlier else []), *(item for item in view.candidates if item.id in own)]
    versions = [item for item in versions if usable(item)]
    if any(judged(view, item) for item in versions):
        return max(versions, key=score)
    return versions[-1] if versions else None


def judged(view: View, candidate: Candidate) -> bool:
    """Say whether a verifier was asked: without one, only what has not the form that was asked for has a verdict."""
    verdict = told(candidate)
    return verdict is not None and (view.exact or verdict.passed is not False)


def made(view: View, chain: int) -> int:
    """Count the revisions of a chain."""
    return len({call.candidate_id for call in view.own if call.kind == "revise" and chain_of(call) == chain})


def chain_of(call: Call) -> int:
    """Return the chain that a call belongs to."""
    return int(call.candidate_id.split("-")[3])


def score(candidate: Candidate) -> float:
    """Return what the verifier gave."""
    return candidate.verdict.score if candidate.verdict else 0.0
