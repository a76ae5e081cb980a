"""The machine as LangGraph compiles it, and each of its runs watched."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
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
from .tries import numbered

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
    try:
        yield go
    finally:
        go.waves = {}  # which know it: a cycle would wait for the garbage collector


def checked(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a run with its context as settings: what LangGraph says of a wrong one is no line."""
    context = options.get("context")
    return {**options, "context": parse_settings(**context)} if isinstance(context, dict) else options
