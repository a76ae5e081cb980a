"""Real graphs on the saver: subgraphs, forks, interrupts, delta channels, and pruning in between."""

import asyncio
import copy
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt
from sqlalchemy import select
from typing_extensions import TypedDict

from ponder.state import SQLAlchemySaver
from ponder.state.tables import blobs, checkpoints, decode, writes
from tests.state.savers import on, values_of


class State(TypedDict, total=False):
    items: Annotated[list[str], operator.add]
    step: int


class Items(TypedDict, total=False):
    items: Annotated[list[str], operator.add]


def looping(saver: Any, steps: int) -> Any:
    async def work(state: State) -> State:
        number = state.get("step", 0)
        return {"items": [f"{number:0200}"], "step": number + 1}

    graph: Any = StateGraph(State).add_node("work", work).add_edge(START, "work")
    graph.add_conditional_edges("work", lambda state: END if state["step"] >= steps else "work")
    return graph.compile(checkpointer=saver)


def asking(saver: Any) -> Any:
    """Two branches of a subgraph each, every one asks a person in its second step."""

    def first(state: State) -> State:
        return {"items": ["first" * 30]}

    def ask(state: State) -> State:
        return {"items": [interrupt({"question": state["step"]})]}

    inner = StateGraph(State, output_schema=Items).add_node("first", first).add_node("ask", ask)
    inner.add_edge(START, "first").add_edge("first", "ask").add_edge("ask", END)
    outer: Any = StateGraph(State).add_node("before", lambda state: {"items": ["before"]})
    outer.add_node("branch", inner.compile())
    outer.add_edge(START, "before")
    outer.add_conditional_edges("before", lambda state: [Send("branch", {"step": number}) for number in (1, 2)])
    return outer.add_edge("branch", END).compile(checkpointer=saver)


def namespaces(saver: SQLAlchemySaver) -> set[str]:
    found = set()
    with saver.reads() as connection:
        for table in (checkpoints, blobs, writes):
            found |= {bytes(digest_) for digest_ in connection.scalars(select(table.c.ns))}
        names = {bytes(row.ns): decode(row.ns_name) for row in connection.execute(select(checkpoints))}
    assert found <= set(names), "rows of a namespace without a checkpoint"
    return set(names.values())


def test_a_graph_runs_forks_and_shows_its_history_in_two_loops(store: str) -> None:
    with SQLAlchemySaver.from_conn_string(store) as saver:
        graph = looping(saver, 12)
        first = asyncio.run(graph.ainvoke({"items": []}, on()))
        history = list(graph.get_state_history(on()))
        assert [state.values.get("step", 0) for state in history] == [*range(12, 0, -1), 0, 0]
        fork = asyncio.run(graph.ainvoke(None, history[4].config))
        assert fork == first == {"items": [f"{number:0200}" for number in range(12)], "step": 12}
        changed = graph.update_state(history[6].config, {"items": ["by hand"], "step": 10})
        other = asyncio.run(graph.ainvoke(None, changed))
        assert other["items"] == [*first["items"][:6], "by hand", f"{10:0200}", f"{11:0200}"]
        for state in history:
            assert graph.get_state(state.config).values == state.values


@pytest.mark.parametrize("prune", [False, True])
def test_interrupts_in_subgraphs_wait_for_a_human_through_pruning_and_a_new_process(store: str, prune: bool) -> None:
    with SQLAlchemySaver.from_conn_string(store) as saver:
        asked = asking(saver).invoke({"items": []}, on())["__interrupt__"]
        waiting = sorted(asked, key=lambda item: item.value["question"])
        assert len(namespaces(saver)) == 3
        if prune:
            saver.prune(["t"])
            assert len(namespaces(saver)) == 3
    with SQLAlchemySaver.from_conn_string(store) as saver:
        graph = asking(saver)
        assert {item.value["question"] for task in graph.get_state(on()).tasks for item in task.interrupts} == {1, 2}
        graph.invoke(Command(resume={waiting[0].id: "one"}), on())
        if prune:
            saver.prune(["t"])
        done = graph.invoke(Command(resume={waiting[1].id: "two"}), on())
        assert done["items"] == ["before", "first" * 30, "one", "first" * 30, "two"]
        if prune:
            saver.prune(["t"])
            assert namespaces(saver) == {""}
        assert graph.get_state(on()).values == done


def test_a_subgraph_that_keeps_its_state_keeps_it_through_pruning(saver: SQLAlchemySaver) -> None:
    def keeping(checkpointer: Any) -> Any:
        inner = StateGraph(State, output_schema=Items).add_node("add", lambda state: {"items": ["x" * 300]})
        outer: Any = StateGraph(State).add_node("keeps", inner.add_edge(START, "add").compile(checkpointer=True))
        return outer.add_edge(START, "keeps").compile(checkpointer=checkpointer)

    in_memory = InMemorySaver()
    ours, memory = keeping(saver), keeping(in_memory)
    for _ in range(3):
        assert ours.invoke({"step": 1}, on()) == memory.invoke({"step": 1}, on())
        saver.prune(["t"])
    assert namespaces(saver) == {"", "keeps"}
    unpruned = in_memory.get_tuple(on(ns="keeps"))
    assert unpruned
    assert values_of(saver, on(ns="keeps")) == unpruned.checkpoint["channel_values"]


def test_pruning_while_a_thread_waits_forgets_the_calls_of_its_earlier_turns(saver: SQLAlchemySaver) -> None:
    graph, done = asking(saver), {}
    for turn in range(1, 4):
        waiting = graph.invoke({"items": [f"turn {turn}"]}, on())["__interrupt__"]
        saver.prune(["t"])
        assert len(namespaces(saver)) == 3
        done = graph.invoke(Command(resume={item.id: "yes" for item in waiting}), on())
        assert done["items"].count("yes") == 2 * turn
    saver.prune(["t"])
    (left,) = saver.list({"configurable": {"thread_id": "t"}})
    assert left.checkpoint["channel_values"]["items"] == done["items"]


def extended(state: list[str], new: Sequence[list[str]]) -> list[str]:
    return [*state, *[item for write in new for item in write]]


class Deltas(TypedDict, total=False):
    items: Annotated[list[str], DeltaChannel(extended, snapshot_frequency=7)]
    small: Annotated[list[str], DeltaChannel(extended, snapshot_frequency=2)]
    step: int


def replaying(saver: BaseCheckpointSaver[Any], steps: int) -> Any:
    def work(state: Deltas) -> Deltas:
        number = state.get("step", 0)
        update: Deltas = {"items": [f"{number:0100}"], "step": number + 1}
        return {**update, "small": ["s"]} if number % 5 == 0 else update

    graph: Any = StateGraph(Deltas).add_node("work", work).add_edge(START, "work")
    graph.add_conditional_edges("work", lambda state: END if state["step"] >= steps else "work")
    return graph.compile(checkpointer=saver)


@pytest.mark.parametrize("steps", [3, 11, 14, 80])
def test_delta_channels_are_replayed_as_in_memory_also_in_forks_and_after_pruning(
    saver: SQLAlchemySaver, steps: int
) -> None:
    ours, memory = replaying(saver, steps), replaying(InMemorySaver(), steps)
    config: RunnableConfig = {**on(), "recursion_limit": 200}
    assert ours.invoke({"items": ["start"]}, config) == memory.invoke({"items": ["start"]}, config)
    states = [(state.values, state.config) for state in ours.get_state_history(on())]
    assert [values for values, _ in states] == [state.values for state in memory.get_state_history(on())]
    fork = ours.update_state(states[steps // 2][1], {"items": ["fork"]})
    forked = ours.invoke(None, {**fork, "recursion_limit": 200})
    assert "fork" in forked["items"]
    saver.prune(["t"])
    assert ours.get_state(on()).values == forked
    assert len(list(saver.list(on()))) <= 24


async def test_delta_history_is_that_of_the_base_class(store: str) -> None:
    async with SQLAlchemySaver.from_conn_string(store) as saver:
        graph = replaying(saver, 20)
        await graph.ainvoke({"items": ["start"]}, on())
        configs = [found.config async for found in saver.alist(on())]
        for config in (on(), *configs, on("nobody")):
            for channels in ([], ["items"], ["small", "items"], ["step", "none"]):
                mine = await saver.aget_delta_channel_history(config=config, channels=channels)
                plain = await BaseCheckpointSaver.aget_delta_channel_history(saver, config=config, channels=channels)
                assert mine == plain


@dataclass(frozen=True)
class Note:
    text: str


class Notes(TypedDict, total=False):
    note: Note


def test_a_copy_of_the_saver_with_a_wider_allowlist_shares_everything_else(store: str) -> None:
    with SQLAlchemySaver.from_conn_string(store) as saver:
        wider = saver.with_allowlist([(Note.__module__, Note.__name__)])
        assert isinstance(wider, SQLAlchemySaver)
        graph: Any = StateGraph(Notes).add_node("write", lambda state: {"note": Note("kept")}).add_edge(START, "write")
        compiled = graph.compile(checkpointer=wider)
        compiled.invoke({}, on())
        assert compiled.get_state(on()).values == {"note": Note("kept")}
        assert values_of(copy.copy(wider), on()) == {"note": Note("kept")}
        assert values_of(saver, on()) == {"note": {"text": "kept"}}
