"""The machine as LangGraph compiles it, and each of its runs watched."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config
from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph

from ..nodes.flight import Go, goes
from ..nodes.task import CHECKPOINTER, GO
from ..nodes.telemetry import watch_run
from ..state.run import RunInput, RunOutput, RunState
from ..state.settings import Settings, parse_settings

RUNTIME, SCRATCHPAD = "__pregel_runtime", "__pregel_scratchpad"
"""LangGraph's names, in a config, for what it knows of the node around."""
STEPS = 10_000
"""The budget ends a run long before."""


class Graph(StateGraph[RunState, Settings, RunInput, RunOutput]):
    """The machine before it is compiled."""

    model_name = ""

    def compile(self, *args: Any, **options: Any) -> "CompiledGraph":
        compiled = super().compile(*args, **options)
        compiled.__class__ = CompiledGraph  # LangGraph names the class of what it compiles
        assert isinstance(compiled, CompiledGraph)  # noqa: S101 - for the type checkers
        return compiled


class CompiledGraph(CompiledStateGraph[RunState, Settings, RunInput, RunOutput]):
    """The compiled machine; `invoke`, `batch` and the rest go through these two."""

    @property
    def model_name(self) -> str:
        """The model that the graph was made with."""
        return str(getattr(self.builder, "model_name", ""))

    def stream(self, input: Any, config: RunnableConfig | None = None, **options: Any) -> Iterator[Any]:  # noqa: A002
        with watch_run(self.model_name, config, self.config) as given, going() as go:
            yield from super().stream(input, self.begun(go, input, given), **checked(options))

    async def astream(self, input: Any, config: RunnableConfig | None = None, **options: Any) -> AsyncIterator[Any]:  # noqa: A002
        with watch_run(self.model_name, config, self.config) as given, going() as go:
            begun = self.begun(go, input, given)
            chunks = cast("AsyncGenerator[Any, None]", super().astream(input, begun, **checked(options)))
            async with aclosing(chunks):
                async for chunk in chunks:
                    yield chunk

    def begun(self, go: Go, given: Any, config: RunnableConfig | None) -> RunnableConfig:
        """Return the config of a go at a run that begins now.

        Its step limit is LangGraph's own: who bounds his agent's steps means none of a run's waves. Compiled with
        `checkpointer=False` it stores nothing: its branches would still have inherited the checkpointer of a graph
        around, and waited for the checkpoints in between.
        """
        known = config or {}
        limit = max(STEPS, known.get("recursion_limit", STEPS))
        more: dict[str, Any] = {GO: go.key, **numbered(ensure_config(config)["configurable"], given)}
        if self.checkpointer is False:
            more[CHECKPOINTER] = None
        return {**known, "recursion_limit": limit, "configurable": {**known.get("configurable", {}), **more}}


@contextmanager
def going() -> Iterator[Go]:
    """Let the steps of a run find the go at it by its key."""
    go = Go()
    goes[go.key] = go
    yield go


def numbered(around: dict[str, Any], given: Any) -> dict[str, Any]:
    """Let a node that is tried again (`RetryPolicy`) find the runs that it began before.

    LangGraph numbers the subgraphs that a node calls, and counts on when the node is tried again. A run gets the number
    of the one that a try before has asked the same, if there is one.
    """
    about, pad = getattr(around.get(RUNTIME), "execution_info", None), around.get(SCRATCHPAD)
    if pad is None or about is None:
        return {}
    node, asked = (about.task_id, about.node_first_attempt_time), hash(repr(given))

    def number() -> int:
        began, again = runs_of(*node), runs_of(*node, about.node_attempt)
        mine = next((run for run in began if run[0] == asked and run not in again), None)
        if mine is None:
            mine = asked, pad.subgraph_counter()
            began.append(mine)
        again.append(mine)
        return mine[1]

    return {SCRATCHPAD: replace(pad, subgraph_counter=number)}


@lru_cache(maxsize=1024)
def runs_of(*node: object) -> list[tuple[int, int]]:  # noqa: ARG001 - it is what the cache goes by
    """Return what was asked of the runs that a node has begun, or one try at it, and their numbers."""
    return []


def checked(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a run with its context as settings: what LangGraph says of a wrong one is no line."""
    context = options.get("context")
    return {**options, "context": parse_settings(**context)} if isinstance(context, dict) else options
