"""One background event loop for the whole process.

Synchronous callers run coroutines on it, also where a loop runs already (a notebook). HTTP clients live on it, because
a client is bound to the loop it was first used on and callers come from many.
"""

import asyncio
import contextvars
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from functools import cache, partial
from typing import Any, TypeVar

T = TypeVar("T")


starting = threading.Lock()
inherited: list[object] = []
"""What belongs to a parent's loop: never closed, since a parent and its children watch their sockets together."""


def background_loop() -> asyncio.AbstractEventLoop:
    """Return the loop that synchronous callers share, started on first use; its thread ends with the process."""
    with starting:
        return start_loop()


@cache
def start_loop() -> asyncio.AbstractEventLoop:
    """Run a loop in a thread of its own."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=keep_running, args=(loop,), name="ponder", daemon=True).start()
    return loop


def keep_running(loop: asyncio.AbstractEventLoop) -> None:
    """Run a loop until it is closed.

    asyncio raises SystemExit and KeyboardInterrupt of a task through its loop too; who waits gets it from the task.
    """
    while not loop.is_closed():
        with suppress(SystemExit, KeyboardInterrupt):
            loop.run_forever()


def after_fork(begin_anew: Callable[[], None]) -> None:
    """Have something done in each process that is forked off this one, where processes can be."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=begin_anew)


def forget() -> None:
    """Begin anew in a process that was forked: the thread of its parent's loop is not there."""
    global starting  # noqa: PLW0603 - a thread of the parent may have held it
    starting = threading.Lock()
    if start_loop.cache_info().currsize:
        inherited.append(start_loop())
    start_loop.cache_clear()


after_fork(forget)


def is_background() -> bool:
    """Say whether this is the thread of the background loop, which must not wait for itself."""
    try:
        return asyncio.get_running_loop() is background_loop()
    except RuntimeError:  # no loop runs here
        return False


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


async def background(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the background loop, from whichever loop this is."""
    if is_background():
        return await coroutine
    return await asyncio.wrap_future(submit(coroutine))


async def in_thread(function: Callable[[], T]) -> T:
    """Run a function in a thread of its own: one that hangs takes none of the pool's, and no process waits for it."""
    loop, context = asyncio.get_running_loop(), contextvars.copy_context()
    done: asyncio.Future[T] = loop.create_future()

    def settle(finish: Callable[[], None]) -> None:
        if not done.done():  # else nobody waits any more
            finish()

    def work() -> None:
        finish: Callable[[], None]
        try:
            finish = partial(done.set_result, context.run(function))
        except BaseException as error:  # noqa: BLE001 - raised where it is awaited
            fit = isinstance(error, Exception) and not isinstance(error, StopIteration)  # what a future takes
            told = error if fit else RuntimeError(f"{error!r} was raised")
            finish = partial(done.set_exception, told)
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, finish)

    threading.Thread(target=work, name="ponder-call", daemon=True).start()
    return await done
