"""Where a run begins and which branches it takes."""

import asyncio
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import cast

from langchain_core.messages import AnyMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import get_runtime
from langgraph.types import Command, Overwrite
from pydantic import ValidationError

from ..state.errors import BudgetTooSmall, UsageError
from ..state.pricing import default_table
from ..state.run import Leg, Problem, RunState, RunUpdate
from ..state.settings import Settings, parse_settings
from .ask import check_asking
from .assess import assess
from .caller import Caller
from .events import Assessed, Replaced, emit
from .gate import at_worst
from .reply import check_form
from .try_out import check_writing
from .verify import Checks
from .view import View

ASSESSED = ("adaptive", "cumulative")
"""Policies that look at the problem first."""


@dataclass(frozen=True)
class Begin:
    """Take in the problem and the settings; a thread's earlier run is put aside."""

    defaults: Settings
    branches: Collection[str]
    checks: Checks

    async def __call__(self, state: RunState, config: RunnableConfig) -> Command[str]:
        settings = self.settings(nested="|" in str(config.get("configurable", {}).get("checkpoint_ns", "")))
        await self.checks.caller.begin(settings)
        problem = problem_of(state).model_copy(update={"epoch": epoch_of(config)})
        if problem.verifier:
            # A spec may name a file or a module, which is no work for the event loop; later steps have it at hand.
            await asyncio.to_thread(self.checks.of, problem)
        problem = self.checks.typed(problem)
        view = self.checks.view("begin", {"problem": problem, "settings": settings})
        check_budget(view, self.checks.callers(problem))
        check_asking(view, config)
        if settings.semantic and self.checks.embedder is not None:
            await asyncio.to_thread(self.checks.embedder.check)
        if (before := state.get("answer")) is not None:
            emit(Replaced(answer=before.answer))
        update: dict[str, object] = {
            "problem": problem,
            "settings": settings,
            "assessment": None,
            "selection": None,
            "answer": None,
            "leg": Leg(),
            "candidates": Overwrite([]),
            "calls": Overwrite([]),
            "wave": [],
            "visits": Overwrite([]),
        }
        if settings.policy in ASSESSED:
            return Command(update=update, goto="assess")
        return go_at_once(view, cast("RunUpdate", update))

    def settings(self, *, nested: bool) -> Settings:
        """Return the graph's settings with the caller's context laid over them, unless it is another graph's."""
        context: object = get_runtime(Settings).context
        if isinstance(context, dict) and (context.keys() <= Settings.model_fields.keys() or not nested):
            context = parse_settings(**context)
        settings, given = self.defaults, context if isinstance(context, Settings) else None
        if given is not None:
            settings = settings.model_copy(update=given.chosen)
            check_writing(settings, self.defaults)
        check_policy(settings.policy, self.branches)
        check_pool(settings)
        learned = settings.assessor if settings.assessor.startswith("learned") else self.defaults.assessor
        if (settings.pool, learned) != (self.defaults.pool, self.defaults.assessor):
            raise UsageError("pool and learned:FILE are read when the graph is made: give them to create_ponder")
        return settings


def epoch_of(config: RunnableConfig) -> str:
    """Name the run by where it begins, so that a beginning that is repeated after a crash is the same run.

    That is the checkpoints that lead there; in a graph within another one its own is made anew each time, and the
    namespace, which holds the ids of the tasks around it, stands for it.
    """
    given = config.get("configurable", {})
    namespace = str(given.get("checkpoint_ns", "")).rpartition("|")[0]
    above = {place: id_ for place, id_ in given.get("checkpoint_map", {}).items() if place != namespace or not place}
    begins = json.dumps([str(given.get("thread_id", "")), namespace, sorted(above.items())])
    return blake2b(begins.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def check_policy(policy: str, branches: Collection[str]) -> None:
    """Refuse a policy that names nothing."""
    known = (*ASSESSED, "fixed", *branches)
    if policy not in known:
        raise UsageError(f"policy {policy!r} is unknown: choose one of {', '.join(known)}")


def check_pool(settings: Settings) -> None:
    """Refuse a cascade that nothing would send up."""
    if settings.pool == "cascade" and settings.policy != "adaptive":
        raise UsageError(f"pool 'cascade' needs policy 'adaptive', not {settings.policy!r}: that sends a problem up")


def check_output(view: View, callers: Sequence[Caller]) -> None:
    """Refuse a budget in tokens or US dollars beside a model that cannot be told how much it may write."""
    budget = view.settings.budget
    limit = next((name for name in ("max_tokens", "max_usd") if getattr(budget, name) is not None), None)
    if limit and (unlimited := [name for caller in callers for name in caller.unlimited]):
        raise UsageError(
            f"{limit}={getattr(budget, limit):g} cannot be kept: model {unlimited[0]!r} has no field for the most "
            "output tokens of a call, or runs others: limit max_calls and max_seconds instead"
        )


def check_price(view: View, callers: Sequence[Caller]) -> None:
    """Refuse a budget in US dollars that cannot be kept."""
    budget = view.settings.budget
    if budget.max_usd is not None and view.price is None:
        name = next(name for caller in callers for name in caller.unpriced)
        example = json.dumps({name: {"input": 0.25, "output": 2.0}})
        raise UsageError(
            f"max_usd={budget.max_usd:g} cannot be kept: model {name!r} has no price: set PONDER_PRICES={example!r} "
            f"with yours, in US dollars per million tokens, or write them to {default_table()}"
        )


def check_kept(view: View, callers: Sequence[Caller]) -> None:
    """Refuse a budget in tokens or US dollars that cannot be kept with these models."""
    check_output(view, callers)
    check_price(view, callers)


def check_budget(view: View, callers: Sequence[Caller]) -> None:
    """Refuse a budget that cannot be kept, or that no single call fits."""
    check_kept(view, callers)
    budget, call = view.settings.budget, at_worst(view, view.call("sample", 0))
    limit = view.ledger.exceeded_by([call])
    if limit:
        costs = f"{call.worst_tokens} tokens" + ("" if call.worst_usd is None else f" or {call.worst_usd:.4f} USD")
        raise BudgetTooSmall(limit, getattr(budget, limit), costs)


def problem_of(state: RunState) -> Problem:
    """Return the problem just given: in `problem`, or as the last message of a chat."""
    said = state.get("problem")
    given = None if said is None else read_problem(said)
    messages = state.get("messages") or []
    if messages and isinstance(messages[-1], ToolMessage):  # which is how a supervisor hands a chat over
        asked = next((item for item in reversed(messages) if isinstance(item, HumanMessage)), None)
    else:
        asked = messages[-1] if messages and isinstance(messages[-1], HumanMessage) else None
    if asked is not None and (given is None or given.epoch):
        # What is not plain text, such as an image, stays in the chat and goes to the model as it came.
        before = messages[:-1] if asked is messages[-1] and isinstance(asked.content, str) else messages
        given = Problem(text=text_of(asked), messages=list(before))
    if given is None:
        raise UsageError("the problem is empty: give `problem`, or `messages` that end with a human's")
    check_text(given)
    return given


def read_problem(given: object) -> Problem:
    """Return a problem that is given as text, as an object, or as the JSON of one.

    Raises:
        UsageError: it is none of these.

    """
    if isinstance(given, Problem):
        return given
    try:
        return Problem.model_validate({"text": given} if isinstance(given, str) else given)
    except ValidationError as error:
        raise UsageError(f"problem {str(given)[:80]} cannot be read: give a text, or a Problem's fields") from error


def check_text(problem: Problem) -> None:
    """Refuse a problem that is empty, or that no server can be sent: Python keeps undecodable bytes as surrogates."""
    if not problem.text.strip():
        raise UsageError("the problem is empty: give a text")
    check_form(problem.form)
    try:
        problem.text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"the problem {problem.text[:40]!r} holds bytes that are no text: give it in UTF-8") from None


def text_of(message: AnyMessage) -> str:
    """Return the text of a message that may hold several parts."""
    return str(message.text)


@dataclass(frozen=True)
class Route:
    """Assess, and send the run into its first branches."""

    checks: Checks

    async def __call__(self, state: RunState) -> Command[str]:
        view = self.checks.view("assess", state)
        if view.settings.policy not in ASSESSED:  # a run that an earlier version began
            return go_at_once(view, {"assessment": None})
        assessment = assess(view)
        emit(Assessed(assessment=assessment))
        share = assessment.compute_budget - view.ledger.made
        return go(view, assessment.plan, {"assessment": assessment}, share)


def go_at_once(view: View, update: RunUpdate) -> Command[str]:
    """Enter the one branch that the policy names."""
    policy = view.settings.policy
    return go(view, ["parallel" if policy == "fixed" else policy], update, view.settings.max_compute_budget)


def go(view: View, branches: Sequence[str], update: RunUpdate, share: int) -> Command[str]:
    """Enter branches with a share of calls; several at once get disjoint parts of it and of the budget."""
    leg = Leg(step=view.leg.step + 1, allowances=allot(view, branches, share))
    return Command(update=cast("RunUpdate", {**update, "leg": leg}), goto=list(branches))


def allot(view: View, branches: Sequence[str], share: int) -> dict[str, int]:
    """Return the calls that each of the branches to be entered may make."""
    limit = view.settings.budget.max_calls
    if len(branches) > 1:
        left = share if limit is None else min(share, limit - view.ledger.made)
        shares = [max(0, left + index) // len(branches) for index in range(len(branches))]
    elif branches[0] == "parallel":
        shares = [max(share, view.settings.sample_cap, limit or 0)]
    else:
        shares = [max(1, share)]
    return dict(zip(branches, shares, strict=True))


def widened(view: View) -> Leg:
    """Return the leg that runs now with the shares that it has under limits that were raised meanwhile."""
    places = tuple(f"{view.leg.step}-{name}-" for name in view.leg.allowances)
    before = [call for call in view.calls if not call.id.startswith(places)]  # what judged them since is not theirs
    then = replace(view, state=cast("RunState", {**view.state, "calls": before}))
    names, assessment = list(view.leg.allowances), view.state.get("assessment")
    share = max(view.leg.allowances.values())
    if assessment and len(names) > 1:
        share = assessment.compute_budget - then.ledger.made
    return view.leg.model_copy(update={"allowances": allot(then, names, share)})
