"""The machine as LangGraph compiles it, and each of its runs watched."""

from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import count
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
    try:
        yield go
    finally:
        go.waves = {}  # which know it: a cycle would wait for the garbage collector


@dataclass
class Tries:
    """The runs that a node has begun, in all of its tries (`RetryPolicy`).

    LangGraph numbers the graphs that a node calls, and counts on when the node is tried again. A run gets the number of
    the one that a try before has asked the same; a new one that which it would have, had this try been the first.
    """

    began: list[tuple[int, int]] = field(default_factory=list)
    """What was asked, and the number."""
    again: dict[int, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    """Try -> those of them that it has begun or found."""
    drawn: int = 0

    def number(self, attempt: int, asked: int, next_one: int) -> int:
        """Return the number of the next run of a try; the next one is LangGraph's."""
        self.drawn += 1
        again = self.again[attempt]
        run = next((run for run in self.began if run[0] == asked and run not in again), None)
        if run is None:
            taken = {number for _, number in self.began}
            free = (number for number in count(len(again)) if number not in taken)
            # LangGraph's own is further on where graphs of others are numbered, too.
            run = asked, next(free) if self.drawn == next_one + 1 else next_one
            self.began.append(run)
        again.append(run)
        return run[1]


@lru_cache(maxsize=1024)
def tries_of(*node: object) -> Tries:  # noqa: ARG001 - it is what the cache goes by
    """Return the tries at a node."""
    return Tries()


def numbered(around: dict[str, Any], given: Any) -> dict[str, Any]:
    """Let a node that is tried again find the runs that it began before."""
    about, pad = getattr(around.get(RUNTIME), "execution_info", None), around.get(SCRATCHPAD)
    if pad is None or about is None:
        return {}
    tries, asked = tries_of(about.task_id, about.node_first_attempt_time), hash(repr(given))

    def number() -> int:
        return tries.number(about.node_attempt, asked, pad.subgraph_counter())

    return {SCRATCHPAD: replace(pad, subgraph_counter=number)}


def checked(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a run with its context as settings: what LangGraph says of a wrong one is no line."""
    context = options.get("context")
    return {**options, "context": parse_settings(**context)} if isinstance(context, dict) else options
