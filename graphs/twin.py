"""Write nodes once, async, and run them from synchronous graphs too.

LangGraph refuses `invoke()` on a graph of async nodes, so each node gets a synchronous twin that runs the coroutine on
the background loop.
"""

from collections.abc import Awaitable, Callable
from inspect import signature
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig

from ..nodes.entry import check_waiting
from ..nodes.loop import submit
from ..nodes.telemetry import within


class Twin(Runnable[Any, Any]):
    """A node that both `invoke` and `ainvoke` can run; langchain-core's own lambda doubles what a step costs."""

    def __init__(self, node: Callable[..., Awaitable[Any]]) -> None:
        """Wrap an async node that takes the state, or the state and the config."""
        self.node = node
        self.name = type(node).__name__
        self.takes_config = "config" in signature(node).parameters

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        with within(config or {}):
            return await (self.node(input, config) if self.takes_config else self.node(input))

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        check_waiting()
        return submit(self.ainvoke(input, config)).result()
