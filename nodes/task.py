"""What a task knows that makes one model call: its call, the run's state, its journal, its wave and its time."""

import time
import zlib
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import cast

from langchain_core.runnables import RunnableConfig
from typing_extensions import TypedDict

from ..state.budget import Call, CallState
from ..state.run import RunState
from .flight import Enough, Flight, Go, among, goes
from .ports import Journal, JournalKeeper
from .view import View

CHECKPOINTER = "__pregel_checkpointer"
"""LangGraph's name, in a config, for the checkpointer that a run has or inherits."""
GO = "__ponder_go"
"""In a config: the key of this go at a run."""


class CallRef(TypedDict):
    """What `Send` carries."""

    call_id: str


@dataclass(frozen=True)
class Task:
    """A reserved call, the state of its run, and the journal that remembers it."""

    call: Call
    view: View
    flight: Flight
    """Its wave."""
    journal: Journal | None = None
    """None: the checkpointer keeps none, or there is no checkpointer."""

    def aboard(self) -> AbstractContextManager[str]:
        """Belong to the wave meanwhile: this vote may still change its outcome."""
        return among(self.flight.aboard, self.call.id)


def go_of(config: RunnableConfig) -> Go:
    """Return this go at the run."""
    return goes.get(config.get("configurable", {}).get(GO, "")) or Go(began=0.0)


def task_of(ref: CallRef, config: RunnableConfig, enough: Enough | None = None) -> Task:
    """Return what a task needs that was sent only an id.

    LangGraph installs the reader of the state for tasks made by `Send`; its own ToolNode reads the state the same way.
    """
    given = config.get("configurable", {})
    view = View("", cast("RunState", given["__pregel_read_state"]()))
    # A run that began before there was a `wave` has all its calls in one list.
    sent = view.state.get("wave") or view.calls
    call = next(call for call in sent if call.id == ref["call_id"])
    saver = given.get(CHECKPOINTER)
    journal = None
    # With durability "exit" nothing is stored before the end: a killed run leaves nothing that could ask the journal.
    if hasattr(saver, "journal") and given.get("__pregel_durability") != "exit":
        journal = cast("JournalKeeper", saver).journal(str(given["thread_id"]), given["checkpoint_map"])
    return Task(call, view, go_of(config).wave(sent[0].id, view, enough), journal)


@dataclass(frozen=True)
class Clock:
    """When a call began to wait for its turn, and how long it may take."""

    task: Task
    began: float = field(default_factory=time.time)
    ticks: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Seconds since then."""
        return time.perf_counter() - self.ticks

    def left(self) -> float | None:
        """Return the seconds that the budget leaves, or None where they are not limited."""
        left = self.task.view.ledger.seconds_left()
        return None if left is None else max(0.0, left - self.task.flight.cut_off - self.seconds)

    def timeout(self) -> float:
        """Return the seconds the call may take: its own limit or what the budget leaves."""
        left, limit = self.left(), self.task.view.settings.call_timeout
        return limit if left is None else min(limit, left)

    def settle(self, state: CallState, **found: object) -> Call:
        """Close the reservation with what was measured."""
        wait = self.task.call.retry_after if state == "unmade" else None  # which was asked for by the attempt before
        ended = {"state": state, "started": self.began, "seconds": self.seconds, "retry_after": wait}
        return self.task.call.model_copy(update={**ended, **found})


def seed(task: Task) -> int | None:
    """Give each place of a seeded run a seed of its own; a call tried again asks the same."""
    if task.view.settings.seed is None:
        return None
    return zlib.crc32(f"{task.view.settings.seed}/{task.call.candidate_id}".encode()) >> 1
