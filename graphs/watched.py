"""The machine as LangGraph compiles it, and each of its runs watched."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import replace
from functools import lru_cache
from itertools import count
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config
from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph

from ..nodes.flight import Go
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
        with watch_run(self.model_name, config, self.config) as given:
            yield from super().stream(input, self.begun(given), **checked(options))

    async def astream(self, input: Any, config: RunnableConfig | None = None, **options: Any) -> AsyncIterator[Any]:  # noqa: A002
        with watch_run(self.model_name, config, self.config) as given:
            chunks = cast("AsyncGenerator[Any, None]", super().astream(input, self.begun(given), **checked(options)))
            async with aclosing(chunks):
                async for chunk in chunks:
                    yield chunk

    def begun(self, config: RunnableConfig | None) -> RunnableConfig:
        """Return the config of a go at a run that begins now.

        Its step limit is LangGraph's own: who bounds his agent's steps means none of a run's waves. Compiled with
        `checkpointer=False` it stores nothing: its branches would still have inherited the checkpointer of a graph
        around, and waited for the checkpoints in between.
        """
        given = config or {}
        limit = max(STEPS, given.get("recursion_limit", STEPS))
        more: dict[str, Any] = {GO: Go(), **counted(ensure_config(config)["configurable"])}
        if self.checkpointer is False:
            more[CHECKPOINTER] = None
        return {**given, "recursion_limit": limit, "configurable": {**given.get("configurable", {}), **more}}


def counted(given: dict[str, Any]) -> dict[str, Any]:
    """Let a node that is tried again find the run that it began before; a `RetryPolicy` counted its subgraphs on.

    LangGraph numbers a node's subgraphs in the order in which they are called, and does not begin anew with each try.
    """
    about, pad = getattr(given.get(RUNTIME), "execution_info", None), given.get(SCRATCHPAD)
    if pad is None or about is None or about.node_attempt == 1:
        return {}
    counter = counter_of(about.task_id, about.node_first_attempt_time, about.node_attempt)
    return {SCRATCHPAD: replace(pad, subgraph_counter=counter)}


@lru_cache(maxsize=1024)
def counter_of(*attempt: object) -> Callable[[], int]:  # noqa: ARG001 - it is what the cache goes by
    """Return the counter of the subgraphs of one try at a node."""
    return count().__next__


def checked(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a run with its context as settings: what LangGraph says of a wrong one is no line."""
    context = options.get("context")
    return {**options, "context": parse_settings(**context)} if isinstance(context, dict) else options
