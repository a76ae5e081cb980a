"""One model call, made as a task of its own: ask, time, settle in the ledger; a failure is data."""

import asyncio
import time
import zlib
from dataclasses import dataclass
from typing import cast

from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from typing_extensions import TypedDict

from ..state.budget import Call, Usage
from ..state.errors import ModelUnreachable
from ..state.run import BranchOutput, RunState
from .gate import CHARACTERS_PER_TOKEN, View
from .ports import CallFailed, ChatModel, Reply, Request

BACKOFF_SECONDS = 0.5
"""Before the second attempt; doubled for each one after it."""


class CallRef(TypedDict):
    """What `Send` carries."""

    call_id: str


@dataclass(frozen=True)
class Asked:
    """A settled call beside the reply; None where the call failed."""

    call: Call
    reply: Reply | None


def view_of(config: RunnableConfig) -> View:
    """Return the state that a task sees which was sent only an id.

    LangGraph installs this reader for tasks made by `Send`; its own ToolNode reads the state the same way.
    """
    state = cast("RunState", config.get("configurable", {})["__pregel_read_state"]())
    return View("", state)


def call_of(view: View, ref: CallRef) -> Call:
    """Return the reserved call that a task was sent for."""
    return next(call for call in view.calls if call.id == ref["call_id"])


async def ask(model: ChatModel, messages: list[BaseMessage], call: Call, view: View) -> Asked:
    """Make the call within its time.

    Raises:
        ModelUnreachable: no call can succeed now; the run stops here and can be resumed.

    """
    if call.attempt:
        await asyncio.sleep(call.retry_after or BACKOFF_SECONDS * 2 ** (call.attempt - 1))
    timeout = call_timeout(view)
    request = Request(call.temperature, call.max_tokens, seed(view, call), timeout)
    started, clock = time.time(), time.perf_counter()
    try:
        async with asyncio.timeout(timeout):
            reply = await model.generate(messages, request)
    except TimeoutError:
        failure = CallFailed(f"no reply within {timeout:g} s", retry_after=0.0)
    except CallFailed as error:
        if error.unreachable and call.attempt >= view.settings.retries:
            raise ModelUnreachable(str(error)) from error
        failure = error
    else:
        usage = reply.usage or estimate(messages, reply.text)
        return Asked(settle(call, "done", started, clock, usage=usage), reply)
    return Asked(settle(call, "failed", started, clock, error=str(failure), retry_after=failure.retry_after), None)


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
    """Give each place of a seeded run a seed of its own."""
    if view.settings.seed is None:
        return None
    return zlib.crc32(f"{view.settings.seed}/{call.id}".encode()) >> 1


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
