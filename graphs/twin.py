"""Write nodes once, async, and run them from synchronous graphs too.

LangGraph refuses `invoke()` on a graph of async nodes. Each node gets a synchronous twin that runs the coroutine on
one background loop, which works in scripts, in notebooks (where a loop runs already) and in synchronous parents.
"""

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from functools import cache
from inspect import signature
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig, RunnableLambda

T = TypeVar("T")


@cache
def background_loop() -> asyncio.AbstractEventLoop:
    """Start the loop that synchronous callers share; its thread ends with the process."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="ponder", daemon=True).start()
    return loop


def submit(coroutine: Coroutine[Any, Any, T]) -> Future[T]:
    """Run a coroutine on the background loop, in the caller's context."""
    done: Future[T] = Future()
    loop = background_loop()

    def start() -> None:
        task = loop.create_task(coroutine)
        done.add_done_callback(lambda future: future.cancelled() and loop.call_soon_threadsafe(task.cancel))
        task.add_done_callback(lambda task: settle(done, task))

    loop.call_soon_threadsafe(start, context=contextvars.copy_context())
    return done


def settle(done: Future[T], task: asyncio.Task[T]) -> None:
    """Hand a task's outcome to the thread that waits."""
    if task.cancelled():
        done.cancel()
    elif done.set_running_or_notify_cancel():
        error = task.exception()
        if error is None:
            done.set_result(task.result())
        else:
            done.set_exception(error)


def twin(node: Callable[..., Awaitable[Any]]) -> RunnableLambda[Any, Any]:
    """Make a node that both `invoke` and `ainvoke` can run."""
    takes_config = "config" in signature(node).parameters

    async def run(state: Any, config: RunnableConfig) -> Any:
        return await (node(state, config) if takes_config else node(state))

    def run_sync(state: Any, config: RunnableConfig) -> Any:
        return submit(run(state, config)).result()

    return RunnableLambda(run_sync, afunc=run, name=type(node).__name__)
