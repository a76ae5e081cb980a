"""Where all candidates meet: choose one, and either answer or go on to the next branch up.

Verified pass -> vote weighted by the verifier's scores -> vote weighted by confidence -> majority -> two-order
pairwise judge -> first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END
from langgraph.types import Command

from ..state.budget import Limit, Spent
from ..state.pricing import Price
from ..state.run import Answer, Candidate, Rule, RunState, Selection, StopReason
from .accounts import accounts
from .assess import LADDER_BRANCHES, floor_of, harder, leads
from .dispatch import Done, Wave
from .events import Event, emit
from .gate import limit_on, reserve
from .judge import comparisons, favourite
from .route import go
from .stopping import settled
from .view import View
from .vote import support, tally

WEIGHTED_BELOW = 16
"""Votes are weighted by log-probability up to here: on recorded answers that gains at 4 and 8 and loses at 32."""


@dataclass(frozen=True)
class Select:
    """Choose among all candidates; escalate while the choice is open and something is left to try."""

    exact: bool = False
    price: Price | None = None
    tireless: bool = False
    """Never satisfied: go on as far as the limits allow, for the upper end of a preview."""

    async def __call__(self, state: RunState, config: RunnableConfig) -> Command[str]:
        view = View("select", state, self.exact, self.price)
        selection = choose(view)
        emit(Event(type="voted", selection=selection, votes=written(view.votes)))
        reason = stop_reason(view, selection, tireless=self.tireless)
        assessment = state.get("assessment")
        if reason is None and assessment is not None:
            branch = next_branch(view)
            raised = harder(view, assessment, branch)
            emit(Event(type="escalated", branch=branch, assessment=raised, selection=selection))
            share = min(floor_of(branch), units_left(view))
            return go(view, [branch], {"assessment": raised, "selection": selection}, share)
        judging = plan_judge(view)
        # A pair is worth asking about in both orders or not at all.
        if isinstance(judging, Wave) and len(reserve(view, judging.calls)) == len(judging.calls):
            return Command(update={"selection": selection}, goto="judge")
        answer = answer_of(view, selection, reason or "complete", config)
        emit(Event(type="selected", selection=selection, reason=answer.stopped_because))
        message = AIMessage(answer.text, id=f"ponder-{view.problem.epoch}")
        return Command(update={"selection": selection, "answer": answer, "messages": [message]}, goto=END)


def choose(view: View) -> Selection:
    """Apply the rules in their order; the first that singles out an answer decides."""
    votes = view.votes
    passed = [item for item in votes if item.verdict and item.verdict.passed]
    if passed:
        return Selection(candidate_id=passed[0].id, confidence=1, decided_by="verified", settled=True)
    if not votes:
        return Selection(candidate_id=None, confidence=0, decided_by="none", settled=False)
    rule, leader = lead(view, votes)
    counts = tally(votes)
    sure = counts[leader] == max(counts.values()) and settled(view)
    refuted = any(item.verdict and item.verdict.passed is False and item.answer == leader for item in votes)
    return Selection(
        candidate_id=spokesman(votes, leader).id,
        confidence=0 if refuted else support(counts, leader),
        decided_by=rule,
        settled=sure and not refuted,
    )


def lead(view: View, votes: Sequence[Candidate]) -> tuple[Rule, str]:
    """Return the leading answer and the rule that put it there."""
    if all(item.verdict is not None for item in votes):
        scores: dict[str, float] = {}
        for item in votes:
            assert item.answer is not None  # noqa: S101 - a vote holds an answer
            scores[item.answer] = scores.get(item.answer, 0) + (item.verdict.score if item.verdict else 0)
        if len(set(scores.values())) == len(scores):
            return "scores", max(scores, key=lambda answer: scores[answer])
    elif len(votes) < WEIGHTED_BELOW and all(item.confidence_source == "logprob" for item in votes):
        return "confidence", next(iter(tally(votes, weighted=True)))
    leaders = tied(view)
    if len(leaders) == 1:
        return "majority", str(leaders[0].answer)
    liked = favourite(leaders, view.calls)
    return ("judge", str(liked.answer)) if liked else ("first", str(votes[0].answer))


def tied(view: View) -> list[Candidate]:
    """Return one candidate for each of the answers with the most votes."""
    counts = tally(view.votes)
    return [spokesman(view.votes, answer) for answer, count in counts.items() if count == max(counts.values())]


def written(votes: Sequence[Candidate]) -> dict[str, int]:
    """Return the vote with each answer as it was written first."""
    first = {item.answer: item.raw or "" for item in reversed(votes)}
    return {first[answer]: int(count) for answer, count in tally(votes).items()}


def spokesman(votes: Sequence[Candidate], answer: str) -> Candidate:
    """Return the candidate that speaks for an answer: the best score, then the best confidence, then the first."""

    def standing(candidate: Candidate) -> tuple[float, float]:
        return (candidate.verdict.score if candidate.verdict else 0, candidate.confidence or 0)

    return max((item for item in votes if item.answer == answer), key=standing)


def plan_judge(view: View) -> Wave | Done:
    """Compare the tied answers, once, where only a judge can tell them apart."""
    if any(call.kind == "judge" for call in view.calls) or choose(view).decided_by != "first":
        return Done("complete", 1)
    # Of answers that a verifier refused none is worth a judge's word.
    open_ = [item for item in tied(view) if not (item.verdict and item.verdict.passed is False)]
    return Wave(comparisons(view, open_)) if len(open_) > 1 else Done("nothing to compare")


def stop_reason(view: View, selection: Selection, *, tireless: bool = False) -> StopReason | None:
    """Say why the run ends here; None where the next branch up is to be tried."""
    if selection.decided_by == "verified":
        return "verified"
    if selection.settled and view.settings.policy != "fixed" and not tireless:
        return "confident"
    limit = limit_on(view, [view.call("sample", 0)]) or ("compute budget" if units_left(view) <= 0 else None)
    if view.settings.policy != "adaptive":
        return limit if limit and cut_short(view) else "complete"
    if limit:
        return limit
    if not next_branch(view):
        return "no branch left"
    return "patience" if exhausted(view, selection) and not tireless else None


def cut_short(view: View) -> bool:
    """Say whether a branch of this leg ended because the budget did."""
    visits = [visit for visit in view.state.get("visits") or [] if visit.id.startswith(f"{view.leg.step}-")]
    return any(visit.stopped in get_args(Limit) or visit.stopped == "compute budget" for visit in visits)


def next_branch(view: View) -> str:
    """Return the branch above those of this leg; empty where none leads further."""
    highest = max(LADDER_BRANCHES.index(branch) for branch in view.leg.allowances)
    above = LADDER_BRANCHES[highest + 1 : highest + 2]
    return above[0] if above and leads(view, above[0]) else ""


def units_left(view: View) -> int:
    """Return the calls that `max_compute_budget` leaves."""
    return view.settings.max_compute_budget - len(view.calls)


def exhausted(view: View, selection: Selection) -> bool:
    """Say whether the branch just run, itself an escalation, brought nothing better."""
    before = view.state.get("selection")
    if before is None or before.candidate_id is None or selection.candidate_id is None:
        return False
    by_id = {candidate.id: candidate for candidate in view.candidates}
    same = by_id[before.candidate_id].answer == by_id[selection.candidate_id].answer
    scores = [
        item.verdict.score if (item := by_id[key]).verdict else 0
        for key in (before.candidate_id, selection.candidate_id)
    ]
    return same and scores[1] <= scores[0] and selection.confidence <= before.confidence


def answer_of(view: View, selection: Selection, reason: StopReason, config: RunnableConfig) -> Answer:
    """Put together what the caller gets; candidates without a confidence get the vote's."""
    counts = tally(view.votes)
    candidates = [
        item
        if item.confidence is not None or item.answer is None
        else item.model_copy(update={"confidence": support(counts, item.answer), "confidence_source": "vote"})
        for item in view.candidates
    ]
    chosen = next((item for item in candidates if item.id == selection.candidate_id), None)
    said = chosen or next((item for item in candidates if item.text), None)
    return Answer(
        answer=chosen.raw if chosen else None,
        text=said.text if said else "",
        confidence=selection.confidence,
        decided_by=selection.decided_by,
        stopped_because=reason,
        assessment=view.state.get("assessment"),
        route=view.state.get("visits") or [],
        candidates=candidates,
        spent=Spent.of(view.calls),
        accounts=accounts(view, chosen),
        thread_id=str(config.get("configurable", {}).get("thread_id", "")),
    )
