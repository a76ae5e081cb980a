"""Write nodes once, async, and run them from synchronous graphs too.

LangGraph refuses `invoke()` on a graph of async nodes, so each node gets a synchronous twin that runs the coroutine on
the background loop.
"""

from collections.abc import Awaitable, Callable
from inspect import signature
from typing import Any

from langchain_core.runnables import RunnableConfig, RunnableLambda

from ..nodes.loop import submit
from ..nodes.telemetry import within


def twin(node: Callable[..., Awaitable[Any]]) -> RunnableLambda[Any, Any]:
    """Make a node that both `invoke` and `ainvoke` can run."""
    takes_config = "config" in signature(node).parameters

    async def run(state: Any, config: RunnableConfig) -> Any:
        with within(config):
            return await (node(state, config) if takes_config else node(state))

    def run_sync(state: Any, config: RunnableConfig) -> Any:
        return submit(run(state, config)).result()

    return RunnableLambda(run_sync, afunc=run, name=type(node).__name__)
