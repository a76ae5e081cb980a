"""The one place that joins settings, models, verifiers and store, by their names or as objects."""

import asyncio
import importlib
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langgraph.checkpoint.base import BaseCheckpointSaver

from ..nodes.call import Caller
from ..nodes.deadline import sending
from ..nodes.models.embedding import LocalEmbedder
from ..nodes.ports import ChatModel, ModelPool, Reply, Request, Verifier
from ..nodes.route import check_budget, check_policy, check_pool, check_price
from ..nodes.verifiers.forms import Spec
from ..nodes.verifiers.function import Check, Function
from ..nodes.verifiers.spec import parse_foreign, parse_once, parse_verifier
from ..nodes.verify import Checks
from ..state.budget import Budget
from ..state.calibration import load_calibration
from ..state.errors import ModelNotSetUp, UsageError
from ..state.pricing import load_prices
from ..state.run import Problem, RunState
from ..state.settings import Settings, parse_settings
from .branches import BRANCHES
from .kept import Kept
from .machine import CompiledGraph, Graph, build
from .origin import as_url
from .stores import default_store

OneModel = str | BaseChatModel | ChatModel
ModelLike = OneModel | Sequence[OneModel]
"""A name or an object; several are a pool, of which the next one stands in for one that fails."""
VerifierLike = Spec | Check | Verifier
"""A spec, as text or as JSON; a function; or an object with the port."""

MODEL_FORMS = "local, local:PATH.gguf, openai:NAME or provider:NAME"

MADE_WITH = ("pool", "assessor", "calibration", "write_tests")
"""Settings that a run's context cannot bring in."""
MACHINES: Kept[CompiledGraph] = Kept()
ADAPTERS: Kept[ChatModel] = Kept()
"""With what they have learned of their servers."""


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
                load_model(member.name, member.base_url)

    def priced(self, state: RunState) -> None:
        """Refuse to go on with a run in US dollars where a price is not known any more."""
        view = self.checks.view("", state)
        check_price(view, self.checks.callers(view.problem))

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
    graph = create_ponder_graph(model, **options)
    return graph.compile(checkpointer=checkpointer, name=name)


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


def as_model(model: ModelLike | None, base_url: str | None = None, pool: str = "deal") -> ChatModel:
    """Return a model by its name, an object as a model, or several as a pool."""
    if isinstance(model, Sequence) and not isinstance(model, str):
        return as_pool([as_model(member, base_url) for member in model], pool)
    if model is None or isinstance(model, str):
        name = model or os.environ.get("PONDER_MODEL") or "local"
        kind, _, rest = name.partition(":")
        if not (kind == "local" or rest):
            raise UsageError(f"model {name!r} is unknown: give {MODEL_FORMS}")
        return NamedModel(name, as_url(base_url))
    if isinstance(model, BaseChatModel):
        from ..nodes.models.chat import LangChainModel  # only where it is used

        name = str(getattr(model, "model_name", "") or type(model).__name__)
        return ADAPTERS.get((model,), lambda: LangChainModel(model, name))
    if not (hasattr(model, "name") and hasattr(model, "generate")):
        raise UsageError(f"model {str(model)[:80]!r} is no model: give {MODEL_FORMS}, or a LangChain chat model")
    return model


def as_pool(members: list[ChatModel], pool: str) -> ChatModel:
    """Return several models as one."""
    from ..nodes.models.cascade import Cascade  # only where it is used
    from ..nodes.models.pool import Pool

    if not members:
        raise UsageError("the list of models is empty: give at least one")
    several = Cascade if pool == "cascade" else Pool
    return members[0] if len(members) == 1 else several(tuple(members))


@dataclass(frozen=True)
class NamedModel:
    """A model that is loaded with its first call."""

    name: str
    base_url: str | None = None

    @property
    def endpoint(self) -> str:
        """What a circuit breaker watches."""
        return f"{self.name} {self.base_url or ''}"

    @property
    def slots(self) -> int | None:
        """How many calls it works on at once; None: that is its server's business."""
        if self.name.partition(":")[0] != "local":
            return None
        from ..nodes.models.local import SLOTS  # only where it is used

        return SLOTS

    async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
        with sending() as sent:
            model = await asyncio.to_thread(load_model, self.name, self.base_url)
            sent()
        return await model.generate(messages, request)


@lru_cache(maxsize=32)
def load_model(name: str, base_url: str | None) -> ChatModel:
    """Load a model by its name; it stays for the life of the process.

    Raises:
        ModelNotSetUp: the model cannot be loaded, has no key, or its provider's package is missing.

    """
    kind, _, rest = name.partition(":")
    if kind == "local":
        from ..nodes.models.local import local_model  # optional

        return local_model(rest or None)
    if kind == "openai":
        from ..nodes.models.openai import openai_model  # seconds to import

        return openai_model(rest, base_url)
    return provider_model(name)


def provider_model(name: str) -> ChatModel:
    """Load a model through LangChain's `init_chat_model`."""
    try:
        chat_models = importlib.import_module("langchain.chat_models")
        return as_model(cast("BaseChatModel", chat_models.init_chat_model(name)))
    except ImportError as error:
        raise ModelNotSetUp(
            f"model {name!r} needs a package that is missing ({error}): install langchain and it"
        ) from error
    except ValueError as error:
        raise ModelNotSetUp(f"model {name!r} is unknown ({str(error).splitlines()[0]}): give {MODEL_FORMS}") from error


def as_verifier(verifier: VerifierLike | None) -> Verifier | None:
    """Return a verifier by its spec (see `nodes/verifiers/spec.py`), or a function or object as a verifier."""
    if verifier is None:
        return None
    if isinstance(verifier, str | Mapping):
        return parse_verifier(verifier)
    if not (callable(verifier) or hasattr(verifier, "verify")):
        raise UsageError(f"verifier {str(verifier)[:80]!r} is no verifier: give a spec, a function or an object")
    return Function(verifier) if callable(verifier) else verifier
