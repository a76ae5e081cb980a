"""What LangGraph's conformance suite lets through, on each database."""

import asyncio
import copy
import math
import operator
import stat
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, empty_checkpoint
from langgraph.checkpoint.base.id import uuid6
from langgraph.graph import END, START, StateGraph
from sqlalchemy import create_engine, func, select
from typing_extensions import TypedDict

from ponder.state import SQLAlchemySaver, StoreError
from ponder.state.tables import blobs, checkpoints, writes
from tests.state.stores import KINDS, databases


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield from databases(request.param, tmp_path)


@pytest.fixture
def saver(store: str) -> Iterator[SQLAlchemySaver]:
    with SQLAlchemySaver.from_conn_string(store) as opened:
        yield opened


def on(thread: str = "t", ns: str = "") -> RunnableConfig:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": ns}}


def made(values: dict[str, Any], version: int = 1) -> Checkpoint:
    versions: ChannelVersions = dict.fromkeys(values, version)
    return {**empty_checkpoint(), "id": str(uuid6()), "channel_values": values, "channel_versions": versions}


def put(saver: SQLAlchemySaver, config: RunnableConfig, values: dict[str, Any], version: int = 1) -> RunnableConfig:
    checkpoint = made(values, version)
    return saver.put(config, checkpoint, {"step": version}, checkpoint["channel_versions"])


def values_of(saver: SQLAlchemySaver, config: RunnableConfig) -> dict[str, Any]:
    found = saver.get_tuple(config)
    assert found
    return found.checkpoint["channel_values"]


def count(saver: SQLAlchemySaver) -> list[int]:
    with saver.reads() as connection:
        return [
            connection.scalar(select(func.count()).select_from(table)) or 0 for table in (checkpoints, blobs, writes)
        ]


def pending(saver: SQLAlchemySaver, config: RunnableConfig) -> list[tuple[str, str, Any]]:
    found = saver.get_tuple(config)
    assert found
    return found.pending_writes or []


def test_pending_writes_come_in_the_order_of_path_task_and_index(saver: SQLAlchemySaver) -> None:
    config = put(saver, on(), {"v": 0})
    saver.put_writes(config, [("a", 1), ("b", 2)], "task-2", "~2")
    saver.put_writes(config, [("a", 3)], "task-9", "~1")
    saver.put_writes(config, [("a", 4)], "task-1", "~2")
    assert [value for _, _, value in pending(saver, config)] == [3, 4, 1, 2]


def test_ordinary_writes_stay_and_special_ones_are_replaced(saver: SQLAlchemySaver) -> None:
    config = put(saver, on(), {"v": 0})
    for value in ("first", "second"):
        saver.put_writes(config, [("plain", value)], "task")
        saver.put_writes(config, [("__resume__", value)], "task")
    assert sorted(pending(saver, config)) == [("task", "__resume__", "second"), ("task", "plain", "first")]


def test_writes_may_come_before_their_checkpoint(saver: SQLAlchemySaver) -> None:
    checkpoint = made({})
    config: RunnableConfig = {"configurable": {**on()["configurable"], "checkpoint_id": checkpoint["id"]}}
    saver.put_writes(config, [("a", 1)], "task")
    saver.put(on(), checkpoint, {}, {})
    assert pending(saver, on()) == [("task", "a", 1)]


def test_a_value_of_three_megabytes_comes_back(saver: SQLAlchemySaver) -> None:
    config = put(saver, on(), {"v": "x" * 3_000_000})
    saver.put_writes(config, [("a", b"y" * 3_000_000)], "task")
    assert len(values_of(saver, config)["v"]) == 3_000_000
    assert len(pending(saver, config)[0][2]) == 3_000_000


def test_keys_that_a_collation_would_fold_are_different(saver: SQLAlchemySaver) -> None:
    names = ["a", "A", "á", "a ", "a\0", ""]
    for name in names:
        put(saver, on(name), dict.fromkeys(names, name))
        put(saver, on(name, name), {"v": "ns" + name})
    for name in names:
        assert values_of(saver, on(name, "a "))["v" if name == "a " else "a"] is not None if name == "a " else True
        assert saver.get_tuple(on(name, name)) is not None
    assert values_of(saver, on("A")).get("a") == "A"
    assert sorted(saver.list_threads()) == sorted(names)


def test_namespaces_and_threads_have_any_length(saver: SQLAlchemySaver) -> None:
    for name in ("n" * 3000 + "a", "n" * 3000 + "b"):
        put(saver, on(name, name), {"v": name[-1]})
        assert values_of(saver, on(name, name)) == {"v": name[-1]}


def test_every_value_a_solver_meets_comes_back(saver: SQLAlchemySaver) -> None:
    values = {
        "values": ["\0", "\ud800", math.inf, -math.inf, 2**64, -(2**200), Fraction(1, 3), 1 + 2j, {1, 2}, (1, (2,))],
    }
    config = put(saver, on(), values)
    assert values_of(saver, config) == values
    assert math.isnan(values_of(saver, put(saver, on("nan"), {"v": math.nan}))["v"])


@pytest.mark.parametrize(
    ("wanted", "steps"),
    [
        ({"d": {"b": 2, "a": 1}}, [1]),
        ({"d": {"a": 1}}, []),
        ({"missing": None}, []),
        ({"none": None}, [1]),
        ({"d.a": 1}, []),
        ({"it's": "quoted"}, [1]),
        ({"step": 2}, [2]),
    ],
)
def test_a_filter_means_the_same_everywhere(saver: SQLAlchemySaver, wanted: dict[str, Any], steps: list[int]) -> None:
    about: Any = {"step": 1, "d": {"a": 1, "b": 2}, "none": None, "it's": "quoted"}
    saver.put(on(), made({}), about, {})
    saver.put(on(), made({}), {"step": 2}, {})
    assert [found.metadata.get("step") for found in saver.list(on(), filter=wanted, limit=1)] == steps


def test_delete_and_prune_leave_no_dead_rows(saver: SQLAlchemySaver) -> None:
    config = on()
    for version in range(1, 6):
        config = put(saver, config, {"grows": "x" * version, "other": version}, version)
        saver.put_writes(config, [("a", version)], "task")
    assert count(saver) == [5, 10, 5]
    saver.prune(["t"])
    assert count(saver) == [1, 2, 1]
    assert values_of(saver, on()) == {"grows": "xxxxx", "other": 5}
    saver.delete_thread("t")
    assert count(saver) == [0, 0, 0]


def test_a_constant_channel_is_stored_once(saver: SQLAlchemySaver) -> None:
    config = on()
    for version in range(1, 4):
        checkpoint = made({"constant": "big", "counter": version}, version)
        checkpoint["channel_versions"]["constant"] = 1
        new: ChannelVersions = {"counter": version}
        if version == 1:
            new["constant"] = 1
        config = saver.put(config, checkpoint, {}, new)
    assert count(saver)[1] == 4
    assert values_of(saver, on()) == {"constant": "big", "counter": 3}


def test_an_empty_copy_of_the_saver_works(saver: SQLAlchemySaver) -> None:
    put(saver, on(), {"v": 1})
    assert values_of(copy.copy(saver), on()) == {"v": 1}


class State(TypedDict, total=False):
    items: Annotated[list[int], operator.add]


def graph_on(saver: SQLAlchemySaver) -> Any:
    async def step(state: State) -> State:
        return {"items": [len(state.get("items", []))]}

    inner = StateGraph(State).add_node("step", step).add_edge(START, "step").add_edge("step", END).compile()
    outer: Any = StateGraph(State).add_node("one", inner)
    return outer.add_edge(START, "one").add_edge("one", END).compile(checkpointer=saver)


def test_a_graph_with_a_subgraph_runs_forks_and_shows_its_history_in_two_loops(store: str) -> None:
    with SQLAlchemySaver.from_conn_string(store) as saver:
        graph = graph_on(saver)
        first = asyncio.run(graph.ainvoke({"items": []}, on()))
        history = list(graph.get_state_history(on()))
        fork = asyncio.run(graph.ainvoke(None, history[-1].config))
    assert first == fork == {"items": [0]}
    assert len(history) == 3


async def test_many_threads_write_at_once_and_none_is_lost(store: str) -> None:
    async with SQLAlchemySaver.from_conn_string(store) as saver:

        async def run(thread: str) -> None:
            for version in range(1, 6):
                checkpoint = made({"v": version}, version)
                config = await saver.aput(on(thread), checkpoint, {}, {"v": version})
                await saver.aput_writes(config, [("a", version)], "task")

        await asyncio.gather(*(run(f"t{number}") for number in range(32)))
        assert await saver.threaded(count, saver) == [160, 160, 160]


async def test_a_unit_that_fails_takes_none_of_its_group_with_it(store: str) -> None:
    def fail(_: object) -> None:
        raise LookupError("mine")

    async with SQLAlchemySaver.from_conn_string(store) as saver:
        good = [saver.aput(on(f"t{number}"), made({}), {}, {}) for number in range(5)]
        bad = asyncio.wrap_future(saver.writer.submit(fail))
        results = await asyncio.gather(*good, bad, *[saver.aput(on("last"), made({}), {}, {})], return_exceptions=True)
        assert [type(result) for result in results if isinstance(result, Exception)] == [LookupError]
        assert (await saver.threaded(count, saver))[0] == 6


def test_threads_are_listed_newest_first(saver: SQLAlchemySaver) -> None:
    for thread in ("old", "new", "old", "newest"):
        put(saver, on(thread), {"v": 1})
    assert saver.list_threads() == ["newest", "old", "new"]
    assert saver.list_threads(limit=1) == ["newest"]


def test_an_engine_is_taken_as_it_is_and_stays_open(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/store.db")
    with SQLAlchemySaver(engine) as saver:
        put(saver, on(), {"v": 1})
    with SQLAlchemySaver(engine) as saver:
        assert values_of(saver, on()) == {"v": 1}
    engine.dispose()


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    with SQLAlchemySaver.from_conn_string(f"sqlite:///{tmp_path}/store.db") as saver:
        saver.setup()
    assert stat.S_IMODE((tmp_path / "store.db").stat().st_mode) == 0o600


def test_errors_are_one_line_and_hold_no_password(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("not a database, but long enough to be looked at" * 50)
    for url in (
        f"sqlite:///{tmp_path}/none/store.db",
        f"sqlite:///{tmp_path}/text.db",
        "oracul://me:secret@host/db",
        "postgresql://me:secret@127.0.0.1:1/db",
        "//me:secret@host",
        "postgresql+nodriver://me:secret@host/db",
    ):
        with pytest.raises(StoreError) as caught, SQLAlchemySaver.from_conn_string(url) as saver:
            saver.setup()
        assert "secret" not in str(caught.value)
        assert "\n" not in str(caught.value)
