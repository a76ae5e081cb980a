"""The one place that joins settings, models, verifiers and store, by their names or as objects."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver

from ..nodes.caller import Caller
from ..nodes.models.embedding import LocalEmbedder
from ..nodes.ports import ModelPool, Verifier
from ..nodes.route import check_budget, check_kept, check_policy, check_pool
from ..nodes.verifiers.function import Check, Function
from ..nodes.verifiers.recipes import Spec
from ..nodes.verifiers.spec import parse_foreign, parse_once, parse_verifier
from ..nodes.verify import Checks
from ..state.budget import Budget
from ..state.calibration import load_calibration
from ..state.errors import UsageError
from ..state.pricing import load_prices
from ..state.run import Problem, RunState
from ..state.settings import Settings, parse_settings
from .branches import BRANCHES
from .kept import Kept
from .machine import CompiledGraph, Graph, build
from .models import ModelLike, NamedModel, as_model
from .stores import default_store

VerifierLike = Spec | Check | Verifier
"""A spec, as text or as JSON; a function; or an object with the port."""

MADE_WITH = ("pool", "assessor", "calibration", "write_tests")
"""Settings that a run's context cannot bring in."""
MACHINES: Kept[CompiledGraph] = Kept()


def create_ponder_graph(
    model: ModelLike | None = None,
    *,
    policy: str = "adaptive",
    effort: str = "balanced",
    assessor: str | None = None,
    budget: Budget | dict[str, Any] | None = None,
    verifier: VerifierLike | None = None,
    seed: int | None = None,
    base_url: str | None = None,
    **settings: object,
) -> Graph:
    """Wire a graph that takes `{"problem": str}` or `{"messages": […]}` and returns `{"answer", "messages"}`.

    The model is a name (see `MODEL_FORMS`; None is PONDER_MODEL, else the embedded one), a LangChain chat model, any
    object with ponder's `ChatModel` port, or a list of such, over which the calls are dealt. Nothing is loaded before
    the first call. Further keywords are fields of `Settings`; a caller's runtime `context` is laid over them.

    Raises:
        UsageError: a name or a value cannot be used.

    """
    return prepare(
        model,
        policy=policy,
        effort=effort,
        assessor=assessor,
        budget=budget,
        verifier=verifier,
        seed=seed,
        base_url=base_url,
        **settings,
    ).graph()


@dataclass(frozen=True)
class Setup:
    """What a run is made with, checked."""

    caller: Caller
    verifier: Verifier | None
    settings: Settings
    parse: Callable[[str, str], Verifier] = parse_once
    """What makes a verifier of the spec that a problem carries."""

    @property
    def checks(self) -> Checks:
        """The model and the verifier, as the steps ask them."""
        return Checks(self.caller, self.verifier, self.parse, LocalEmbedder())

    def under(self, budget: Budget) -> "Setup":
        """Return the same with another budget."""
        return replace(self, settings=self.settings.model_copy(update={"budget": budget}))

    def graph(self) -> Graph:
        """Wire the machine."""
        return build(self.checks, self.settings)

    def machine(self, saver: BaseCheckpointSaver[Any] | None) -> CompiledGraph:
        """Return the machine on a store, or in whatever graph it runs; most settings a run takes as its context.

        It is wired and compiled once for all runs of a model and a verifier: that takes as long as several calls.
        """
        made = Settings(**{name: getattr(self.settings, name) for name in MADE_WITH})
        parts = (self.caller.model, self.verifier, tuple(sorted(self.caller.prices.items())), made.model_dump_json())
        wired = MACHINES.get(parts, lambda: build(self.checks, made).compile(name="ponder"))
        machine = copy(wired)
        machine.checkpointer = saver
        return machine

    def ready(self, problem: Problem) -> None:
        """Refuse, before anything is stored, what a run cannot begin with."""
        self.check(problem)
        self.load()

    def load(self) -> None:
        """Load the models that are named: what one lacks is told before anything is stored.

        Raises:
            ModelNotSetUp: a key, a file or a package is missing.

        """
        model = self.caller.model
        for member in model.members if isinstance(model, ModelPool) else [model]:
            if isinstance(member, NamedModel):
                member.load()

    def check_kept(self, state: RunState) -> None:
        """Refuse to go on with a run whose limit in tokens or US dollars cannot be kept any more."""
        view = self.checks.view("", state)
        check_kept(view, self.checks.callers(view.problem))

    def check(self, problem: Problem) -> None:
        """Refuse a verifier's spec that is wrong and a budget that no call fits, before anything is stored."""
        checks = self.checks
        view = checks.view("begin", RunState(problem=problem, settings=self.settings))
        check_budget(view, checks.callers(problem))


def prepare(
    model: ModelLike | None, *, verifier: VerifierLike | None = None, base_url: str | None = None, **settings: object
) -> Setup:
    """Turn names and values into objects; a setting that is None is not given."""
    checked = calibrated(parse_settings(**{name: value for name, value in settings.items() if value is not None}))
    check_policy(checked.policy, BRANCHES)
    check_pool(checked)
    return Setup(Caller(as_model(model, base_url, checked.pool), load_prices()), as_verifier(verifier), checked)


def calibrated(settings: Settings) -> Settings:
    """Read the file that `learned:FILE` names; what it says goes with the run, which does not read it again."""
    kind, _, path = settings.assessor.partition(":")
    if kind != "learned" or settings.calibration is not None:
        return settings
    return settings.model_copy(update={"calibration": load_calibration(path)})


def create_ponder(
    model: ModelLike | None = None,
    *,
    checkpointer: BaseCheckpointSaver[str] | None = None,
    name: str = "ponder",
    **options: Any,
) -> CompiledGraph:
    """Compile `create_ponder_graph(model, **options)`, to be invoked or to be a node of a larger graph."""
    return create_ponder_graph(model, **options).compile(checkpointer=checkpointer, name=name)


def make_graph() -> CompiledGraph:
    """Make the graph that `langgraph.json` names; the server brings the store, and its requests are strangers'."""
    setup = replace(prepare(None), parse=parse_foreign)
    return setup.graph().compile(name="ponder")


@asynccontextmanager
async def make_checkpointer() -> AsyncIterator[BaseCheckpointSaver[str]]:
    """Open the default store for the server that `langgraph.json` configures."""
    from ..state.checkpointer import SQLAlchemySaver

    # Creating the file blocks, which the server's event loop does not allow.
    async with await asyncio.to_thread(lambda: SQLAlchemySaver.from_conn_string(default_store())) as saver:
        yield saver


def as_verifier(verifier: VerifierLike | None) -> Verifier | None:
    """Return a verifier by its spec (see `nodes/verifiers/spec.py`), or a function or object as a verifier."""
    if verifier is None:
        return None
    if isinstance(verifier, str | Mapping):
        return parse_verifier(verifier)
    if not (callable(verifier) or hasattr(verifier, "verify")):
        raise UsageError(f"verifier {str(verifier)[:80]!r} is no verifier: give a spec, a function or an object")
    return Function(verifier) if callable(verifier) else verifier
