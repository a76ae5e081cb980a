"""What a solve would cost, before its first call: extreme models are played through the very machine, without a store.

So nothing is worked out twice: policies, presets and limits hold because the machine keeps them.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextvars import Context
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Literal, get_args

from langchain_core.messages import BaseMessage

from ..nodes.caller import Caller
from ..nodes.players import (
    Appetite,
    Optimist,
    Pessimist,
    Player,
    Silence,
    Voice,
    branch_of,
    met_by_all,
    only_asks,
    stand_ins,
)
from ..nodes.ports import Reply, Request, Verifier
from ..nodes.route import ASSESSED, read_problem
from ..nodes.schemas import LONGEST_COMPLAINT
from ..nodes.selectors import most_compared
from ..nodes.telemetry import unwatched
from ..nodes.verify import LONGEST_FEEDBACK, Checks, kind_of
from ..state.budget import Budget, Usage
from ..state.form import Form
from ..state.preview import N, Preview, Range
from ..state.pricing import Price, highest
from ..state.run import Problem
from ..state.settings import Settings
from .app import Setup, VerifierLike, prepare
from .branches import BRANCHES
from .machine import build
from .models import ModelLike
from .solver import wait

Play = list[tuple[str, Usage]]
"""The calls of one run: the step that made each, and the tokens it counted for."""
STEPS = ("assess", *BRANCHES, "select")
"""The steps that make calls, in the order of a run."""
UNTIMED: dict[str, object] = {
    "call_timeout": 3600.0,
    "on_tie": "judge",
    "ask_below": 0.0,
    "semantic": False,
    **dict.fromkeys(("concurrency", "requests_per_minute", "tokens_per_minute")),
}
"""Settings of a play: it waits for nobody, a person who would decide for a judge included, and takes not long."""
DIFFICULTIES = (0.0, 2.0, 4.0, 10.0)
"""What a model that is asked may rate the problem, one for each level."""
FARTHEST = {"adaptive": (0.0, 10.0), "cumulative": (0.0, 2.9, 4.9, 10.0)}
"""Policy -> those with which a step can go farthest: the fewer branches share the calls, the more each has."""


def tireless(settings: Settings) -> dict[str, object]:
    """Return the settings without those that end a step before it has made all its calls."""
    return {"threshold": 1.0, "quorum": 0.0, "patience": settings.max_iterations}


def preview(
    problem: str | Problem,
    *,
    model: ModelLike | None = None,
    policy: str = "adaptive",
    effort: str = "balanced",
    assessor: str | None = None,
    budget: Budget | dict[str, Any] | None = None,
    verifier: VerifierLike | None = None,
    seed: int | None = None,
    base_url: str | None = None,
    **settings: Any,
) -> Preview:
    """Return the range of calls, tokens and US dollars of a solve with the same arguments; no call is made.

    Neither model nor verifier is called, and no model is loaded. The range holds for every run whose calls are all
    answered, with tokens counted as the server's tokenizer would: between a token a byte and a token for 16 bytes. It
    can be left
    - above, by failed calls: each is tried again at most `retries` times, and each attempt is a call;
    - below, where calls fail for good, time out or meet `max_seconds`, which is not foreseen, and by the tokens of
      stragglers that were let go, which nobody reports;
    - both ways, by a server that counts wrong, or not at all, so that the texts' length must do.

    Raises:
        UsageError: a value cannot be used, or no call fits the budget, as in `solve`.

    """
    given = read_problem(problem)
    chosen = {"policy": policy, "effort": effort, "assessor": assessor, "budget": budget, "seed": seed, **settings}
    setup = prepare(model, verifier=verifier, base_url=base_url, **chosen)
    setup.check(given)
    # The problem's own verifier is played like one of the graph.
    setup = replace(setup, verifier=setup.checks.of(given))
    given = setup.checks.typed(given).model_copy(update={"verifier": "", "form": met_by_all(given.form)})
    # In a context of its own: a graph around this call would take the plays for its own steps.
    return Context().run(wait, rehearse(setup, given))


@dataclass
class Stage:
    """The model of the plays: whoever acts in the one that runs, and who writes down what is counted."""

    player: Player
    unjudged: bool = False
    """A person decides instead of a judge, who costs nothing."""
    log: Play = field(default_factory=list)
    name: str = "stage"

    def begin(self, player: Player) -> None:
        """Let a player act, in a play of its own."""
        self.player, self.log = player, []

    async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
        reply = await self.player.generate(messages, request)
        if not (self.unjudged and request.kind == "judge"):
            self.log.append((branch_of(request), reply.usage or Usage()))
        return reply


async def rehearse(setup: Setup, problem: Problem) -> Preview:
    """Play the extremes, and take the least and the most of each figure."""
    budget = setup.settings.budget
    # The upper end is held to the limits afterwards; as `fixed` reads it, one of them is the number of samples.
    unlimited = Budget(max_calls=budget.max_calls if setup.settings.policy == "fixed" else None)
    with unwatched():
        short = await play(setup, problem, list(optimists(setup, problem)), budget)
        short += [sharing(each, setup.settings.n) for each in short]
        long = await play(setup, problem, list(pessimists(setup, problem)), unlimited, endless=True)
        rivals = [Pessimist(problem, answers=True)]
        (tie,) = await play(tied(setup, problem), problem, rivals, Budget(), endless=True)
    judging = [call for call in tie if call[0] == "select"]
    return folded(short, long, judging, budget, setup.checks.tariffs(problem))


def sharing(play: Play, n: int) -> Play:
    """Return a play whose calls share requests, where that can be: their prompt is paid once."""
    return [(step, usage.model_copy(update={"input_tokens": usage.input_tokens // n})) for step, usage in play]


def tied(setup: Setup, problem: Problem) -> Setup:
    """Return a setup that ends before the judge with as many answers as it compares: any run of several may."""
    most = most_compared(problem)
    few = {"policy": "parallel", "pool": "deal", "max_samples": most, "window": most}
    return replace(setup, verifier=None, settings=setup.settings.model_copy(update=few))


async def play(
    setup: Setup, problem: Problem, players: Sequence[Player], budget: Budget, *, endless: bool = False
) -> list[Play]:
    """Run the machine once with each player; the verifier is one of ours."""
    stage, price = Stage(Pessimist(problem), setup.settings.on_tie == "ask"), highest(setup.checks.tariffs(problem))
    untimed = budget.model_copy(update={"max_seconds": None})
    changed = {**UNTIMED, "budget": untimed, **(tireless(setup.settings) if endless else {})}
    settings = setup.settings.model_copy(update=changed)
    caller = Caller(stage, {} if price is None else {stage.name: price})
    plays: list[Play] = []
    for verifier in stand_ins(setup.verifier, passes=not endless):
        graph = build(Checks(caller, verifier), settings, tireless=endless).compile()
        for player in players:
            stage.begin(replace(player))
            if verifier is not None:
                verifier.begin(player.clear)
            await graph.ainvoke({"problem": problem})
            plays.append(stage.log)
    return plays


def optimists(setup: Setup, problem: Problem) -> Iterator[Optimist]:
    """Cast those with whom a run is soon over; where tokens are limited, also those who soon use them up."""
    budget = setup.settings.budget
    limited = budget.max_tokens is not None or budget.max_usd is not None
    difficulties = DIFFICULTIES if is_asked(setup.settings) else (0.0,)
    appetites = get_args(Appetite) if limited else get_args(Appetite)[:1]
    clear = (math.inf,) if setup.verifier is None else (math.inf, 0)
    for traits in product(get_args(Voice), difficulties, appetites, clear):
        yield Optimist(problem, *traits)


def pessimists(setup: Setup, problem: Problem) -> Iterator[Pessimist]:
    """Cast those with whom a run, or a step of it, goes as far as it may."""
    settings, ladder = setup.settings, setup.settings.policy in ASSESSED
    complaint = longest_complaint(setup.verifier, problem.form)
    difficulties = FARTHEST[settings.policy] if is_asked(settings) else (0.0,)
    agreements = tuple(agreeing(setup)) if ladder else ()
    for signal in (False, True) if setup.verifier or problem.form.spelled else (False,):
        plain = Pessimist(problem, signal=signal, complaint=complaint)
        yield from (replace(plain, difficulty=difficulty) for difficulty in difficulties)
        yield from (replace(plain, agreeing=number) for number in agreements)
        # Without a signal nothing leads beyond sampling, where it is not told or shared out beforehand.
        if ladder and (signal or settings.policy == "cumulative" or settings.assessor.startswith("fixed")):
            yield from (replace(plain, silence=silence) for silence in get_args(Silence)[1:])
            yield from (replace(plain, agreeing=number, stutters=True) for number in agreements[:1])


def agreeing(setup: Setup) -> range:
    """Return how many probes may agree, at least one, where that decides on where the run begins."""
    settings = setup.settings
    if kind_of(setup.verifier) == "exact" or settings.assessor == "ask" or settings.assessor.startswith("fixed"):
        return range(0)
    if settings.learned:
        return range(1, settings.learned.probes + 1)
    return range(1, 2 if settings.effort == "low" or settings.assessor == "logprob" else 3)


def longest_complaint(verifier: Verifier | None, form: Form) -> int:
    """Return how long that can be which is told against a reply, and which no model has written."""
    of_form = LONGEST_COMPLAINT + len(form.spelled) if form.spelled else 0
    return of_form if verifier is None or only_asks(verifier) else LONGEST_FEEDBACK + of_form


def is_asked(settings: Settings) -> bool:
    """Say whether the model is asked for the difficulty: what it says decides where the run begins."""
    return settings.assessor == "ask" and settings.policy in ASSESSED


def folded(
    short: Sequence[Play], long: Sequence[Play], tie: Play, budget: Budget, prices: Sequence[Price | None]
) -> Preview:
    """Take the least of all plays, and the most of each step, added up; no run passes a limit of its budget."""
    plays = [*short, *long]
    steps = {name: [[usage for step, usage in play if step == name] for play in plays] for name in STEPS}
    if sum(max(map(len, step)) for name, step in steps.items() if name != "select") > 1:
        steps["select"].append([usage for _, usage in tie])
    calls = {name: span(map(len, step), budget.max_calls) for name, step in steps.items()}
    # No play holds the least of each step: one that runs makes a call at least.
    calls = {name: Range(low=min(1, step.low), high=step.high) for name, step in calls.items()}
    most = Usage(
        # No play has a step at its worst, in calls and in what each reads and writes: all count like the largest.
        input_tokens=sum(calls[name].high * largest(step, "input_tokens") for name, step in steps.items()),
        output_tokens=sum(calls[name].high * largest(step, "output_tokens") for name, step in steps.items()),
    )
    told = [[usage for _, usage in play] for play in plays]
    return Preview(
        calls=span([*map(len, told), sum(step.high for step in calls.values())], budget.max_calls),
        input_tokens=span([*map(read, told), most.input_tokens], budget.max_tokens),
        output_tokens=span([*map(written, told), most.output_tokens], budget.max_tokens),
        usd=dollars(told, most, budget, prices),
        branches={name: step for name, step in calls.items() if step.high},
    )


def dollars(
    plays: Sequence[Sequence[Usage]], most: Usage, budget: Budget, prices: Sequence[Price | None]
) -> Range[float] | None:
    """Price the least by the cheapest of several models, and the most by the dearest."""
    dearest = highest(prices)
    if dearest is None:
        return None
    known = [price for price in prices if price is not None]
    least = min(sum(min(price.of(usage) for price in known) for usage in play) for play in plays)
    return span([least, dearest.of(most)], budget.max_usd)


def read(usages: Iterable[Usage]) -> int:
    """Add up what was read."""
    return sum(usage.input_tokens for usage in usages)


def written(usages: Iterable[Usage]) -> int:
    """Add up what was written."""
    return sum(usage.output_tokens for usage in usages)


def largest(plays: Iterable[Iterable[Usage]], tokens: Literal["input_tokens", "output_tokens"]) -> int:
    """Return the most that one call reads, or writes."""
    return max((getattr(usage, tokens) for usages in plays for usage in usages), default=0)


def span(figures: Iterable[N], limit: N | None) -> Range[N]:
    """Return the least and the most, held to the limit."""
    figures = list(figures)
    high = max(figures) if limit is None else min(max(figures), limit)
    return Range(low=min(*figures, high), high=high)
