"""One model call, made as a task of its own: look into the journal, ask, time, settle in the ledger."""

import asyncio
import json
import time
import zlib
from dataclasses import dataclass
from typing import cast

from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from typing_extensions import TypedDict

from ..state.budget import Call, Usage
from ..state.errors import ModelUnreachable
from ..state.run import Asked, BranchOutput, RunState
from .gate import CHARACTERS_PER_TOKEN, View
from .ports import CallFailed, ChatModel, Journal, JournalKeeper, Request

BACKOFF_SECONDS = 0.5
"""After the first failure; doubled for each one after it."""


class CallRef(TypedDict):
    """What `Send` carries."""

    call_id: str


@dataclass(frozen=True)
class Task:
    """A reserved call, the state of its run, and the journal that remembers it."""

    call: Call
    view: View
    journal: Journal | None = None
    """None: the checkpointer keeps none, or there is no checkpointer."""


def task_of(ref: CallRef, config: RunnableConfig) -> Task:
    """Return what a task needs that was sent only an id.

    LangGraph installs the reader of the state for tasks made by `Send`; its own ToolNode reads the state the same way.
    """
    given = config.get("configurable", {})
    view = View("", cast("RunState", given["__pregel_read_state"]()))
    call = next(call for call in view.calls if call.id == ref["call_id"])
    saver = given.get("__pregel_checkpointer")
    if not isinstance(saver, JournalKeeper):
        return Task(call, view)
    return Task(call, view, saver.journal(str(given["thread_id"]), given["checkpoint_map"][""]))


async def ask(model: ChatModel, messages: list[BaseMessage], task: Task) -> Asked:
    """Make the call, unless the journal knows its outcome.

    Raises:
        ModelUnreachable: no call can succeed now; the run stops here and can be resumed.

    """
    await pause(task)
    view = task.view
    request = Request(task.call.temperature, task.call.max_tokens, seed(view, task.call), call_timeout(view))
    if task.journal is None:
        return await make(model, messages, request, task)
    key = key_of(model, messages, request, task)
    begun = await task.journal.begin(key)
    if not begun.first:
        return begun.asked or Asked(task.call.model_copy(update={"state": "lost"}))
    try:
        asked = await make(model, messages, request, task)
    except ModelUnreachable:
        await task.journal.forget(key)
        raise
    await task.journal.finish(key, asked)
    return asked


async def make(model: ChatModel, messages: list[BaseMessage], request: Request, task: Task) -> Asked:
    """Make the call within its time, and settle it; a failure is data."""
    call = task.call
    started, clock = time.time(), time.perf_counter()
    try:
        async with asyncio.timeout(request.timeout):
            reply = await model.generate(messages, request)
    except TimeoutError:
        failure = CallFailed(f"no reply within {request.timeout:g} s", retry_after=0.0)
    except CallFailed as error:
        if error.unreachable and task.view.failures(call) >= task.view.settings.retries:
            raise ModelUnreachable(str(error)) from error
        failure = error
    else:
        usage = reply.usage or estimate(messages, reply.text)
        return Asked(settle(call, "done", started, clock, usage=usage), reply)
    return Asked(settle(call, "failed", started, clock, error=str(failure), retry_after=failure.retry_after))


async def pause(task: Task) -> None:
    """Wait before a call that has failed is tried again, as long as the server asked or longer each time."""
    failures = task.view.failures(task.call)
    if failures:
        await asyncio.sleep(task.call.retry_after or BACKOFF_SECONDS * 2 ** (failures - 1))


def key_of(model: ChatModel, messages: list[BaseMessage], request: Request, task: Task) -> str:
    """Name the call in the journal: the run, the place in it, and all that makes its reply what it is."""
    said = [message.model_dump_json(exclude={"id"}) for message in messages]
    asked = [model.name, said, request.temperature, request.max_tokens, request.seed]
    return json.dumps([task.view.problem.epoch, task.call.id, asked])


def settle(call: Call, state: str, started: float, clock: float, **found: object) -> Call:
    """Close a reservation with what was measured."""
    seconds = time.perf_counter() - clock
    return call.model_copy(update={"state": state, "started": started, "seconds": seconds, **found})


def call_timeout(view: View) -> float:
    """Return the seconds a call may take: its own limit or what the budget leaves."""
    left = view.ledger.seconds_left()
    limit = view.settings.call_timeout
    return limit if left is None else max(0.001, min(limit, left))


def seed(view: View, call: Call) -> int | None:
    """Give each place of a seeded run a seed of its own; a call tried again asks the same."""
    if view.settings.seed is None:
        return None
    return zlib.crc32(f"{view.settings.seed}/{call.candidate_id}".encode()) >> 1


def estimate(messages: list[BaseMessage], text: str) -> Usage:
    """Count tokens by length, where the server does not."""
    read = sum(len(str(message.content)) for message in messages)
    return Usage(
        input_tokens=read // CHARACTERS_PER_TOKEN + 1,
        output_tokens=len(text) // CHARACTERS_PER_TOKEN + 1,
        estimated=True,
    )


def settled(asked: Asked) -> BranchOutput:
    """Record a call whose reply is not a candidate: a critique, a rating, a judgement."""
    text = asked.reply.text if asked.reply else ""
    return {"calls": [asked.call.model_copy(update={"reply": text})]}
