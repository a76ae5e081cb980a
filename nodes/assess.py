"""How hard is the problem? Assessors, each a plan of calls and a reading of what came back.

`probe` samples a few times and looks at the agreement (the probes stay candidates and votes), `learned` reads it with a
calibration, `logprob` looks at how probable the first answer was, `ask` lets the model rate the problem, and `fixed:N`
is told. With an exact verifier nobody is asked: sampling until a candidate passes is the assessment, unless it is told.
"""

from ..state.budget import Call
from ..state.run import Assessment, Candidate
from ..state.settings import Level
from .critique import rating, told
from .dispatch import Done, Wave
from .gate import reserve
from .view import View
from .vote import tally

LADDER: dict[Level, tuple[int, str]] = {
    "low": (0, "direct"),
    "medium": (10, "parallel"),
    "high": (30, "refine"),
    "very_high": (50, "search"),
}
"""Level -> the compute budget, in calls, from which it holds, and its branch."""
LADDER_BRANCHES = tuple(branch for _, branch in LADDER.values())

EASY, MEDIUM, HARD, HARDEST = 0.5, 2.0, 4.0, 6.0
"""Difficulties that the probes' agreement stands for."""
POOR = 0.5
"""A single probe below this confidence does not stand alone."""


def plan(view: View) -> Wave | Done:
    """Ask what the assessor needs."""
    assessor = view.settings.assessor
    if view.exact or assessor.startswith("fixed"):
        return Done("nothing to ask")
    if assessor == "ask":
        rate, sample = view.call("rate", 0, temperature=0.0), view.call("sample", 1)
        if view.own or len(reserve(view, [rate, sample])) < 2:  # noqa: PLR2004 - the answer matters more
            return Done("complete", len(view.own))
        return Wave([rate])
    turns = len({call.id.split("-")[2] for call in view.own})
    if turns == 0 or (turns == 1 and mostly_truncated(view)):
        return Wave(probes(view, turns), turns)
    return Done("complete", turns)


def probes(view: View, turn: int) -> list[Call]:
    """Return the probes of a turn; the second turn, after truncation, may say twice as much."""
    settings = view.settings
    few = settings.effort == "low" or settings.assessor == "logprob"
    count = 1 if few else min(settings.learned.probes if settings.learned else settings.probes, settings.sample_cap)
    calls = [view.call("probe", turn, index) for index in range(count)]
    return [call.model_copy(update={"max_tokens": call.max_tokens * (1 + turn)}) for call in calls]


def mostly_truncated(view: View) -> bool:
    """Say whether the token limit, not the problem, kept most probes from answering."""
    cut = sum(candidate.finish == "length" for candidate in view.candidates)
    return 2 * cut > len(view.candidates)


def assess(view: View) -> Assessment:
    """Read the difficulty off what was asked; where no call could be made, the evidence says so."""
    found = judged(view)
    unasked = bool(view.own) and all(call.state == "unmade" for call in view.own)
    return found.model_copy(update={"evidence": "no time was left to ask"}) if unasked else found


def judged(view: View) -> Assessment:
    """Read the difficulty off what came back."""
    assessor = view.settings.assessor
    if assessor.startswith("fixed"):
        return rated(view, float(assessor.partition(":")[2]), "difficulty given")
    if view.exact:
        return rated(view, MEDIUM, "a verifier decides: sampling until a candidate passes")
    if assessor == "ask":
        if not view.own:
            return rated(view, MEDIUM, "the budget has no room to ask")
        reply = next((call.reply for call in view.calls if call.kind == "rate" and call.state == "done"), "")
        found = rating(reply)
        if found is None:
            return rated(view, MEDIUM, f"the model gave no difficulty: {reply[:80]!r}")
        return rated(view, found, f"the model rates it {found:g} of 10")
    probed = [item for item in view.candidates if item.branch == view.branch]
    return likelihood(view, probed) if assessor == "logprob" else agreement(view, probed)


def likelihood(view: View, probed: list[Candidate]) -> Assessment:
    """Read the difficulty off how probable the model found its first answer."""
    answered = next((item for item in probed if item.answer is not None), None)
    if answered is None:
        return rated(view, HARDEST, "no answer")
    if answered.confidence is None or answered.confidence_source != "logprob":
        return rated(view, MEDIUM, "the server gave no log-probabilities")
    seen = f"tokens of probability {answered.confidence:.2f}, {view.settings.sure:g} asked for"
    return rated(view, EASY if answered.confidence >= view.settings.sure else MEDIUM, seen)


def agreement(view: View, probed: list[Candidate]) -> Assessment:
    """Read the difficulty off the probes: the less they agree, the harder."""
    votes = tally(probed)
    top = int(max(votes.values(), default=0))
    begun = {call.candidate_id for call in view.own if call.state != "unmade"}
    made = sum(item.id in begun for item in probed)
    few = "1 probe" if made == 1 else f"{made} probes"
    seen = f"{top} of {few} agree" if votes and made > 1 else f"{'an' if votes else 'no'} answer in {few}"
    if len(probed) == 1 and votes:
        sure = probed[0].confidence
        poor = sure is not None and sure < POOR
        return rated(view, MEDIUM if poor else EASY, f"one probe, {'poor' if poor else 'sufficient'} confidence")
    if (learned := view.settings.learned) is not None:
        # Probes that were cut off have been asked again, so that there may be more than were asked for.
        return rated(view, learned.difficulties[min(top, learned.probes)], seen)
    if not votes:
        return rated(view, HARDEST, seen)
    if top == len(probed):
        return rated(view, EASY, seen)
    return rated(view, MEDIUM if top > 1 else HARD, seen)


def rated(view: View, difficulty: float, evidence: str) -> Assessment:
    """Turn a difficulty into a level, a compute budget and a plan."""
    budget = int(min(difficulty * 10, view.settings.max_compute_budget))
    reached: list[tuple[Level, str]] = [(level, name) for level, (floor, name) in LADDER.items() if budget >= floor]
    level, branch = reached[-1]
    told = view.settings.assessor.startswith("fixed")
    plan_: tuple[str, ...] = (branch if told or leads(view, branch) else "parallel",)
    if view.settings.policy == "cumulative":
        plan_ = tuple(name for _, name in reached[1:]) or plan_
    return Assessment(difficulty=difficulty, level=level, evidence=evidence, compute_budget=budget, plan=plan_)


def leads(view: View, branch: str) -> bool:
    """Say whether a branch leads anywhere: a model that judges itself alone makes as much worse as better.

    Huang et al. 2023, arXiv:2310.01798. So only what a verifier says, or the caller's own word, leads beyond sampling.
    """
    signal = view.exact or any(map(told, view.candidates))
    return signal or branch in {"direct", "parallel"}


def harder(view: View, assessment: Assessment, branch: str) -> Assessment:
    """Raise an assessment to the level of a branch further up."""
    floor = floor_of(branch)
    level = next(level for level, (_, name) in LADDER.items() if name == branch)
    budget = min(max(assessment.compute_budget, floor), view.settings.max_compute_budget)
    return assessment.model_copy(
        update={
            "difficulty": max(assessment.difficulty, floor / 10),
            "level": level,
            "evidence": f"{assessment.evidence}; {assessment.plan[-1]} left it open",
            "compute_budget": budget,
            "plan": (*assessment.plan, branch),
        }
    )


def floor_of(branch: str) -> int:
    """Return the compute budget, in calls, from which a branch is taken."""
    return next(floor for floor, name in LADDER.values() if name == branch)
