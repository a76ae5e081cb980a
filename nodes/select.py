"""Where all candidates meet: choose one, and either answer, ask a person, or go on to the next branch up."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END
from langgraph.types import Command

from ..state.budget import Limit, Spent
from ..state.run import Answer, Candidate, RunState, Selection, StopReason
from .accounts import accounts
from .ask import ask, is_tie, rivals
from .assess import LADDER_BRANCHES, floor_of, harder, leads
from .dispatch import Done, Wave
from .events import Escalated, Selected, Voted, emit
from .gate import limit_on, reserve
from .grade import closed
from .route import go
from .selectors import choose
from .selectors.ballot import refused_by, tied
from .selectors.consistent import READ, readings
from .selectors.judge import FINALISTS, comparisons
from .selectors.medoid import comparable, medoid
from .stopping import tested
from .try_out import wants_tests
from .verify import Checks
from .view import View
from .vote import support, tally

LIMITS: tuple[Limit, ...] = get_args(Limit)


@dataclass(frozen=True)
class Select:
    """Choose among all candidates; escalate while the choice is open and something is left to try."""

    checks: Checks
    tireless: bool = False
    """Never satisfied: go on as far as the limits allow, for the upper end of a preview."""

    async def __call__(self, state: RunState, config: RunnableConfig) -> Command[str]:
        view = self.checks.view("select", state)
        selection = choose(view)
        emit(Voted(selection=selection, votes=written(view.votes)))
        reason = stop_reason(view, selection, tireless=self.tireless)
        if reason in LIMITS and too_dear(view):
            return go(view, ["direct"], {"selection": selection}, 1)
        assessment = state.get("assessment")
        if reason is None and assessment is not None:
            branch = next_branch(view)
            raised = harder(view, assessment, branch)
            emit(Escalated(branch=branch, assessment=raised, selection=selection))
            share = min(floor_of(branch), units_left(view))
            return go(view, [branch], {"assessment": raised, "selection": selection}, share)
        if wants_tests(view):
            return Command(update={"answer": None}, goto="tests")  # a stream has no entry for a step without an update
        if view.settings.on_tie == "ask" and is_tie(view):
            selection = ask(view, tied(view)[:FINALISTS])
        elif alike := await self.most_alike(view):
            selection = alike
        elif isinstance(plan_judge(view), Wave):
            return Command(update={"selection": selection}, goto="judge")
        elif doubted := rivals(view, selection):
            selection = ask(view, doubted)
        answer = answer_of(view, selection, reason or "complete", config)
        emit(Selected(selection=selection, reason=answer.stopped_because))
        message = AIMessage(answer.text, tool_calls=answer.tool_calls, id=f"ponder-{view.problem.epoch}")
        return Command(update={"selection": selection, "answer": answer, "messages": [message]}, goto=END)

    async def most_alike(self, view: View) -> Selection | None:
        """Choose the free text most like the others, where `semantic` is set and only the model speaks for one."""
        embedder = self.checks.embedder if view.settings.semantic else None
        if embedder is None or not comparable(view) or choose(view).decided_by not in {"first", "confidence"}:
            return None
        return medoid(view, await asyncio.to_thread(embedder.embed, [item.text for item in view.votes]))


def written(votes: Sequence[Candidate]) -> dict[str, int]:
    """Return the vote with each answer as it was written first."""
    first = {item.answer: item.raw or "" for item in reversed(votes)}
    return {first[answer]: int(count) for answer, count in tally(votes).items()}


def plan_judge(view: View) -> Wave | Done:
    """Have the tied answers compared, once, where nothing else tells them apart; as many as the budget admits."""
    again = [call for call in view.retries if call.kind == "judge"]
    over = any(call.kind == "judge" for call in view.calls) and not again
    if over or choose(view).decided_by != "first":
        return Done("complete", 1)
    # Of answers that a verifier refused none is worth a judge's word.
    finalists = [item for item in tied(view) if refused_by(item) is None]
    if again:
        waves = [again]
    elif view.problem.answer_type == "text":
        waves = [readings(view, finalists[:READ])] if len(finalists) > 1 else []
    else:
        waves = [comparisons(view, finalists[:count]) for count in range(min(FINALISTS, len(finalists)), 1, -1)]
    # A pair is worth asking about in both orders or not at all.
    return next((Wave(calls) for calls in waves if len(reserve(view, calls)) == len(calls)), Done("nothing to compare"))


def stop_reason(view: View, selection: Selection, *, tireless: bool = False) -> StopReason | None:
    """Say why the run ends here; None where the next branch up is to be tried."""
    if selection.decided_by == "verified":
        return "verified"
    if selection.settled and view.settings.policy != "fixed" and not tireless:
        return "confident"
    limit = limit_on(view, [view.call("sample", 0)]) or ("compute budget" if units_left(view) <= 0 else None)
    cut = cut_short(view)
    if view.settings.policy != "adaptive":
        return (cut if cut in LIMITS else limit if cut else None) or "complete"
    if limit:
        return limit
    if not next_branch(view):
        return cut if cut in LIMITS else "no branch left"
    return "patience" if exhausted(view, selection) and not tireless else None


def too_dear(view: View) -> bool:
    """Say whether the branches could make no call at all, though the budget has room for a bare sample."""
    return not view.ledger.made and "direct" not in view.leg.allowances and not limit_on(view, [view.call("sample", 0)])


def cut_short(view: View) -> StopReason | None:
    """Name the limit that ended a branch of this leg; its calls may cost more than the bare sample that still fits."""
    visits = [visit for visit in view.state.get("visits") or [] if visit.id.startswith(f"{view.leg.step}-")]
    limits: tuple[StopReason, ...] = (*LIMITS, "compute budget")
    return next((limit for limit in limits for visit in visits if visit.stopped == limit), None)


def next_branch(view: View) -> str:
    """Return the branch above those of this leg; empty where none leads further, as what the model's own tests say."""
    highest = max(LADDER_BRANCHES.index(branch) for branch in view.leg.allowances)
    above = LADDER_BRANCHES[highest + 1 : highest + 2]
    return above[0] if above and not tested(view) and leads(view, above[0]) else ""


def units_left(view: View) -> int:
    """Return the calls that `max_compute_budget` leaves."""
    return view.settings.max_compute_budget - view.ledger.made


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
        for item in closed(view)
    ]
    chosen = next((item for item in candidates if item.id == selection.candidate_id), None)
    said = chosen or next((item for item in candidates if item.written), None)
    return Answer(
        answer=chosen.raw if chosen else None,
        text=said.text if said else "",
        tool_calls=said.tool_calls if said else [],
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
