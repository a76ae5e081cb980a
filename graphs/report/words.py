"""The decision in words: what was seen, what was asked, how it was decided, why it ended."""

from collections.abc import Iterator
from textwrap import shorten
from typing import get_args

from ...state.budget import Limit
from ...state.run import Rule, StopReason
from ..cli.plain import counted, level, made
from .text import lasting, named
from .told import Told

LONGEST = 1000
"""Characters of an answer that are looked at."""
RULES: dict[Rule, str] = {
    "verified": "an exact verifier passed it",
    "agreement": "it passes the most tests that other programs pass as well",
    "scores": "it has the most votes, each weighted by the verifier's score",
    "person": "a person chose it among answers that were tied or in doubt",
    "confidence": "it has the most votes, each weighted by how sure the model was of it",
    "majority": "most candidates gave it",
    "judge": "a judge, asked in both orders, preferred it to the answers it was tied with",
    "consistent": "it says most of what the others say",
    "first": "nothing told the leading answers apart, and it came first",
    "none": "no candidate holds an answer",
}
REASONS: dict[StopReason, str] = {
    "verified": "a candidate passed the verifier",
    "confident": "the vote was settled: further calls were not expected to change it",
    "complete": "the policy had made its calls",
    "no branch left": "the highest branch left it open",
    "patience": "a whole branch brought nothing better",
    "compute budget": "the calls that the assessment allows were made",
    "max_calls": "the limit on calls was reached",
    "max_tokens": "the limit on tokens was reached",
    "max_usd": "the limit on US dollars was reached",
    "max_seconds": "the limit on seconds was reached",
}
FATES = {
    "failed": "failed",
    "lost": "got lost, nobody knows how",
    "dropped": "had a vote that was not awaited any more",
    "unmade": "had no time left to begin",
    "reserved": "had not ended",
}
"""State of a call that brought nothing -> what became of it."""


def explained(told: Told) -> Iterator[str]:
    """Yield the steps to the answer, each in a sentence or two."""
    found = told.run.view.state.get("assessment")
    if found:
        yield (
            f"The problem was assessed as {level(found)}, difficulty {found.difficulty:g} of 10: {found.evidence}. "
            f"That allows {counted(found.compute_budget, 'call')} and led to {', then '.join(found.plan)}."
        )
    for visit in told.visits.values():
        brought = f" for {counted(visit.candidates, 'candidate')}" if visit.candidates else ""
        if visit.calls:
            yield f"{visit.branch.capitalize()} made {made(told.run.spent_on(visit))}{brought}: {why(visit.stopped)}."
    if told.calls and not told.run.answer:
        yield "The run has not ended; this is what is known by now."
    states = [call.state for call in told.calls]
    fates = [f"{states.count(state)} {fate}" for state, fate in FATES.items() if state in states]
    if fates:
        yield f"Of {counted(len(states), 'call')}, {'; '.join(fates)}."
    if told.votes:
        yield voted(told)
    yield from ended(told)


def why(stopped: str) -> str:
    """Say why a branch ended; it names a limit by the limit's name."""
    return next((said for name, said in REASONS.items() if name == stopped and name in get_args(Limit)), stopped)


def voted(told: Told) -> str:
    """Tell of the vote."""
    (leader, most), *rest = told.votes.items()
    voters = sum(told.votes.values())
    said = (
        f"Of {counted(voters, 'candidate')} with an answer, {most} say{'s' if most == 1 else ''} {quoted(told, leader)}"
    )
    if rest:
        others = f", and {counted(len(rest) - 1, 'other answer')} no more" if len(rest) > 1 else ""
        said += f", {rest[0][1]} {quoted(told, rest[0][0])}{others}"
    return said + "."


def ended(told: Told) -> Iterator[str]:
    """Tell of the end, where there is one."""
    answer = told.run.answer
    if answer is None:
        return
    choice = quoted(told, told.chosen.answer) if told.chosen and told.chosen.answer is not None else "No answer"
    yield f"{choice} was chosen, because {RULES[answer.decided_by]}; confidence {answer.confidence:.2f}."
    spent = answer.spent
    price = "" if spent.usd is None else f" and {spent.usd:.4f} US dollars"
    tokens = f"{spent.input_tokens + spent.output_tokens:,} tokens"
    cost = f"{made(spent)}, {tokens}{price} in {lasting(spent.seconds)} of work"
    yield f"It ended after {cost}, because {REASONS[answer.stopped_because]}."
    if answer.unchecked:
        yield f"{shorten(named(answer.unchecked[:LONGEST]), 300, placeholder='…')}."


def quoted(told: Told, answer: str) -> str:
    """Write an answer as it was written first, in short."""
    return f"“{shorten(named(told.spelled.get(answer, answer)[:LONGEST]), 80, placeholder='…') or '…'}”"
