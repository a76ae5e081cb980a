"""Give a run larger limits, and let it go on.

A plan is a pure function of the state: a branch that is entered again goes on where its limit had stopped it.
"""

from typing import Any, cast, get_args

from langgraph.types import Command, Overwrite

from ..nodes.route import widened
from ..nodes.view import View
from ..state.budget import Budget, Limit
from ..state.errors import UsageError
from ..state.run import Leg, RunState, Visit
from ..state.settings import Settings, parse_settings


def larger(settings: Settings, given: Budget | dict[str, Any] | None) -> Budget:
    """Return the budget of a run with some of its limits raised; a limit that is None is not given.

    Raises:
        UsageError: a limit is smaller than before, or there was none; or it is no number.

    """
    old, view = settings.budget, View("", {"settings": settings})
    asked = given.model_dump() if isinstance(given, Budget) else given or {}
    new = parse_settings(budget={name: limit for name, limit in asked.items() if limit is not None}).budget
    for name in new.model_fields_set:
        before = getattr(old, name)
        if before is None or getattr(new, name) < before:
            limit = "not limited" if before is None else f"{before:g}"
            if before is None and name == "max_calls":
                limit = f"not given, and {view.allowed_by} allows {view.allowed} calls"
            raise UsageError(f"{name}={getattr(new, name):g} is no raise: it was {limit}; start a new run for less")
    return old.model_copy(update=new.model_dump(exclude_unset=True))


def onward(state: RunState, budget: Budget) -> Command[Any] | None:
    """Return what lets a run that has ended go on within a larger budget; None where its budget did not end it."""
    view, answer = View("", state), state.get("answer")
    wider = view.settings.model_copy(update={"budget": budget})
    stopped = answer is not None and answer.stopped_because in get_args(Limit)
    if budget == view.settings.budget or not (stopped or wider.policy == "fixed"):
        return None
    leg = widened(View("", cast("RunState", {**state, "settings": wider})))
    visits = [visit for visit in state.get("visits") or [] if is_over(visit, leg)]
    update = {"settings": wider, "leg": leg, "visits": Overwrite(visits), "selection": None, "answer": None}
    return Command(update=update, goto=list(leg.allowances))


def is_over(visit: Visit, leg: Leg) -> bool:
    """Say whether a visit stays as it was: its branch is not entered again, and it was no limit that ended it."""
    again = visit.branch in leg.allowances or visit.stopped in get_args(Limit)
    return not (again and visit.id.startswith(f"{leg.step}-"))
