"""Leave runs in a store, in the states that the command line meets them in."""

import json
from datetime import UTC, datetime, timedelta
from typing import TypedDict

import pytest
from langgraph.graph import END, START, StateGraph
from sqlalchemy import func, select

from ponder.graphs import solve
from ponder.state import SQLAlchemySaver
from ponder.state.tables import digest, metadata, versions
from ponder.state.term import Term
from tests.fakes import Cut, ScriptedModel, always, cycle
from tests.graphs.commands import Ponder


def finish(saver: SQLAlchemySaver, thread: str, problem: str = "What is 1 + 1?") -> None:
    """Leave a finished run of three calls."""
    solve(problem, model=ScriptedModel(always("2")), store=saver, thread_id=thread)


def interrupt(saver: SQLAlchemySaver, thread: str, after: int = 4) -> None:
    """Leave a run that broke off within its second branch."""

    def script(prompt: str, number: int) -> str | BaseException:
        return Cut("cut") if number == after else str(cycle("1", "2", "3")(prompt, number))

    model = ScriptedModel(script)
    with pytest.raises(Cut):
        solve("Which?", model=model, store=saver, thread_id=thread, budget={"max_calls": 40}, window=1)


def hold_elsewhere(saver: SQLAlchemySaver, thread: str, *, ended: float = -30) -> None:
    """Hold a thread in a process on another machine, until 30 seconds from now or so many ago."""
    Term(saver, thread, "elsewhere:1::x", seconds=30).take()
    with saver.writes() as connection:
        leases = metadata.tables["ponder_leases"]
        over = leases.update().where(leases.c.thread == digest(thread))
        connection.execute(over.values(until=leases.c.until - 30 - ended))


class Foreign(TypedDict):
    number: object


def leave_foreign(saver: SQLAlchemySaver, thread: str) -> None:
    """Leave a thread of a graph that is not ponder's."""
    graph = StateGraph(Foreign)
    graph.add_node("double", lambda state: {"number": {1, 2}})
    graph.add_edge(START, "double")
    graph.add_edge("double", END)
    graph.compile(checkpointer=saver).invoke({"number": 1}, {"configurable": {"thread_id": thread}})


def grow_old(saver: SQLAlchemySaver, thread: str, days: int) -> None:
    """Let the time of every checkpoint of a thread lie so far back."""
    for found in list(saver.list({"configurable": {"thread_id": thread}})):
        when = (datetime.now(UTC) - timedelta(days=days)).isoformat()
        place = {key: value for key, value in found.config["configurable"].items() if key != "checkpoint_id"}
        parent = found.parent_config or {"configurable": place}
        saver.put(parent, {**found.checkpoint, "ts": when}, found.metadata, {})


def rows_left(saver: SQLAlchemySaver) -> int:
    """Count what is stored, in every table."""
    with saver.reads() as connection:
        counted = [table for table in metadata.sorted_tables if table is not versions]
        return sum(connection.scalar(select(func.count()).select_from(table)) or 0 for table in counted)


def listed(ponder: Ponder, *arguments: str) -> list[str]:
    return [row["thread_id"] for row in json.loads(ponder("runs", "list", "--json", *arguments).out)]
