"""A run is ahead of its checkpoints with LangGraph's default durability: what a killed one leaves is freed."""

from typing import Any

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from sqlalchemy import and_, func, select

from ponder.state import SQLAlchemySaver
from ponder.state.tables import checkpoints, writes
from tests.state.savers import TABLES, count, on
from tests.state.test_saver_graphs import Items, State

STEPS = 3


class Killed(Exception):  # noqa: N818 - what a test raises where a process would be gone
    """The run is over."""


class Doomed(SQLAlchemySaver):
    """Stores so many checkpoints; those after it are still waiting to be stored when the process is killed."""

    left = 0

    async def aput(self, config: Any, checkpoint: Any, metadata: Any, new_versions: Any) -> Any:
        if self.left:
            self.left -= 1
            return await super().aput(config, checkpoint, metadata, new_versions)
        return {"configurable": {**config["configurable"], "checkpoint_id": checkpoint["id"]}}


def nested(saver: Any, *, killed: bool) -> Any:
    """Make a loop whose every step runs a graph of two nodes."""

    def last(state: State) -> State:
        if killed and state["step"] == STEPS:
            raise Killed
        return {"items": ["last"]}

    def advance(state: State) -> State:
        return {"step": state["step"] + 1}

    inner = StateGraph(State, output_schema=Items).add_node("first", lambda state: {"items": ["first"]})
    inner.add_node("last", last).add_edge(START, "first").add_edge("first", "last")
    outer: Any = StateGraph(State).add_node("next", advance)
    outer.add_node("sub", inner.compile()).add_edge(START, "next").add_edge("next", "sub")
    outer.add_conditional_edges("sub", lambda state: END if state["step"] == STEPS else "next")
    return outer.compile(checkpointer=saver)


def strays(saver: SQLAlchemySaver) -> int:
    """Count pending writes whose checkpoint was never stored."""
    same = and_(
        *(checkpoints.c[name] == writes.c[name] for name in ("thread", "ns")), checkpoints.c.id == writes.c.checkpoint
    )
    with saver.reads() as connection:
        lonely = select(func.count()).select_from(writes.outerjoin(checkpoints, same)).where(checkpoints.c.id.is_(None))
        return connection.scalar(lonely) or 0


async def doomed(store: str, thread: str, stored: int) -> None:
    async with Doomed(store) as saver:
        saver.left = stored
        with pytest.raises(Killed):
            await nested(saver, killed=True).ainvoke({"step": 0, "items": []}, on(thread), durability="async")


@pytest.mark.parametrize("stored", [1, 9])
async def test_pruning_a_thread_that_has_gone_on_frees_what_its_killed_run_left(store: str, stored: int) -> None:
    await doomed(store, "t", stored)
    async with SQLAlchemySaver(store) as saver:
        assert await saver.threaded(strays, saver) > 0
        await saver.aprune(["t"])
        graph = nested(saver, killed=False)
        done = await graph.ainvoke(None, on())
        assert done == await nested(InMemorySaver(), killed=False).ainvoke({"step": 0, "items": []}, on())
        await saver.aprune(["t"])
        assert await saver.threaded(strays, saver) == 0
        assert (await graph.aget_state(on())).values == done
        await saver.adelete_thread("t")
        assert await saver.threaded(count, saver, *TABLES) == [0] * 5


async def test_deleting_a_thread_frees_what_a_run_left_that_was_killed_before_its_first_checkpoint(store: str) -> None:
    await doomed(store, "t", 0)
    await doomed(store, "other", 0)
    async with SQLAlchemySaver(store) as saver:
        left = await saver.threaded(strays, saver)
        await saver.adelete_thread("t")
        assert 0 < await saver.threaded(strays, saver) == left / 2
        await saver.aprune(["other"], strategy="delete")
        assert await saver.threaded(count, saver, *TABLES) == [0] * 5


async def test_pruning_keeps_what_a_step_has_written_whose_id_does_not_tell_when_it_was(store: str) -> None:
    async with SQLAlchemySaver(store) as saver:

        async def step(id_: str, ns: str = "", root: str = "") -> None:
            metadata: Any = {"parents": {"": root}} if root else {}
            await saver.aput(on(ns=ns), {**empty_checkpoint(), "id": id_}, metadata, {})

        for id_ in ("c", "d"):
            await step(id_)
        await step("x", "sub:1", root="b")
        await step("y", "sub:2", root="c")
        await saver.aput_writes(on(checkpoint_id="a"), [("to", 1)], "task")  # the step is not stored yet
        await saver.aput_writes(on(checkpoint_id="c"), [("to", 1)], "task")
        await saver.aprune(["t"])
        assert await saver.threaded(count, saver, checkpoints, writes) == [2, 1]
        await step("a")
        assert (await saver.aget_tuple(on(checkpoint_id="a"))).pending_writes == [("task", "to", 1)]  # type: ignore[union-attr]
        assert await saver.aget_tuple(on(ns="sub:1")) is not None
        assert await saver.aget_tuple(on(ns="sub:2")) is None
