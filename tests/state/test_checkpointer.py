"""What LangGraph's conformance suite lets through, on each database: writes, keys, values, filters."""

import asyncio
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import WRITES_IDX_MAP

from ponder.state import SQLAlchemySaver
from ponder.state.tables import checkpoints
from tests.state.savers import count, got, made, on, pending, put, values_of


def test_pending_writes_come_in_the_order_of_path_task_and_index(saver: SQLAlchemySaver) -> None:
    config = put(saver, on(), {"v": 0})
    saver.put_writes(config, [("a", 1), ("b", 2)], "task-2", "~2")
    saver.put_writes(config, [("a", 3)], "task-9", "~1")
    saver.put_writes(config, [("a", 4)], "task-1", "~2")
    assert [value for _, _, value in pending(saver, config)] == [3, 4, 1, 2]
    (listed,) = saver.list(on())
    assert listed.pending_writes == pending(saver, config)


@pytest.mark.parametrize("special", WRITES_IDX_MAP)
def test_ordinary_writes_stay_and_special_ones_are_replaced(saver: SQLAlchemySaver, special: str) -> None:
    config = put(saver, on(), {"v": 0})
    for value in ("first", "second"):
        saver.put_writes(config, [("plain", value), (special, value)], "task")
    assert sorted(pending(saver, config)) == [("task", special, "second"), ("task", "plain", "first")]


def test_writes_may_come_before_their_checkpoint(saver: SQLAlchemySaver) -> None:
    checkpoint = made({})
    saver.put_writes(on(checkpoint_id=checkpoint["id"]), [("a", 1)], "task")
    assert saver.get_tuple(on()) is None
    saver.put(on(), checkpoint, {}, {})
    assert pending(saver, on()) == [("task", "a", 1)]


def test_a_checkpoint_put_twice_is_there_once_with_what_came_last(saver: SQLAlchemySaver) -> None:
    checkpoint = made({"v": "x" * 100})
    for step in (1, 2):
        saver.put(on(), checkpoint, {"step": step}, checkpoint["channel_versions"])
    assert count(saver) == [1, 1, 0]
    assert got(saver, on()).metadata["step"] == 2


def test_a_value_of_three_megabytes_comes_back(saver: SQLAlchemySaver) -> None:
    text, data = "x" * 3_000_000, bytes(range(256)) * 12_000
    config = put(saver, on(), {"v": text, "short": "y" * 1500})
    saver.put_writes(config, [("a", data)], "task")
    assert values_of(saver, config) == {"v": text, "short": "y" * 1500}
    assert pending(saver, config)[0][2] == data


async def test_values_that_together_exceed_a_statement_are_stored_together(store: str) -> None:
    async with SQLAlchemySaver.from_conn_string(store) as saver:
        config = await saver.aput(on(), made({}), {}, {})
        many = [saver.aput_writes(config, [("a", f"{number}" * 3_000_000)], f"task-{number}") for number in range(8)]
        await asyncio.gather(*many)
        found = await saver.aget_tuple(on())
    assert found
    assert [len(value) for _, _, value in found.pending_writes or []] == [3_000_000] * 8


def test_keys_that_a_collation_would_fold_are_different(saver: SQLAlchemySaver) -> None:
    names = ["a", "A", "á", "a ", "a\0", ""]
    for name in names:
        put(saver, on(name), {channel: name + channel for channel in names})
        put(saver, on(name, name), {"v": "ns" + name})
    for name in names:
        channels = got(saver, on(name, name)).checkpoint["channel_values"] if name else {"v": "ns"}
        assert channels == {"v": "ns" + name}
        if name:
            assert values_of(saver, on(name)) == {channel: name + channel for channel in names}
    assert sorted(saver.list_threads()) == sorted(names)
    saver.delete_thread("a")
    assert sorted(saver.list_threads()) == sorted(names[1:])


@pytest.mark.parametrize("length", [310, 3000])
def test_namespaces_threads_channels_and_tasks_have_any_length(saver: SQLAlchemySaver, length: int) -> None:
    for end in "ab":
        name = "n" * length + end
        config = put(saver, on(name, name), {name: "v" * 100 + end})
        saver.put_writes(config, [(name, end)], name)
    for end in "ab":
        name = "n" * length + end
        assert values_of(saver, on(name, name)) == {name: "v" * 100 + end}
        assert pending(saver, on(name, name)) == [(name, name, end)]


EVERY = {
    "numbers": [2**64, -(2**200), 2**63, -(2**63), 1.5, math.inf, -math.inf, Fraction(1, 3), 1 + 2j, Decimal("0.10")],
    "texts": ["", "\0", "a\0b", "\ud800", "é", "😀", "'\"\\%s"],
    "nested": [
        (1, (2, [3])),
        {1, 2},
        frozenset({3}),
        b"\0\xff",
        {2**70: (1,), "\ud800": {"\0": None}},
    ],
    "array": bytearray(b"x"),
    "infinite": math.inf,
    "huge": 2**80,
    "zero": "a\0b",
    "half": "\ud800",
    "third": Fraction(1, 3),
    "complex": 1j,
    "pair": (1, 2),
    "nothing": None,
    "true": True,
}


def test_every_value_a_solver_meets_comes_back_with_its_type(saver: SQLAlchemySaver) -> None:
    config = put(saver, on(), EVERY)
    saver.put_writes(config, list(EVERY.items()), "task")
    assert repr(sorted(values_of(saver, config).items())) == repr(sorted(EVERY.items()))
    assert repr([(channel, value) for _, channel, value in pending(saver, config)]) == repr(list(EVERY.items()))
    assert math.isnan(values_of(saver, put(saver, on("nan"), {"v": math.nan}))["v"])


@pytest.mark.parametrize("version", [1, 1.5, "1", "00001.5", 2**40])
def test_versions_come_back_as_they_were(saver: SQLAlchemySaver, version: str | float) -> None:
    put(saver, on(), {"v": "x" * 100}, version)
    assert got(saver, on()).checkpoint["channel_versions"] == {"v": version}
    assert type(got(saver, on()).checkpoint["channel_versions"]["v"]) is type(version)
    assert values_of(saver, on()) == {"v": "x" * 100}


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
        ({}, [2]),
        ({"step": 1, "list": [1, 2]}, [1]),
        ({"list": [1]}, []),
    ],
)
def test_a_filter_means_the_same_everywhere_and_the_limit_counts_what_passes(
    saver: SQLAlchemySaver, wanted: dict[str, Any], steps: list[int]
) -> None:
    about: Any = {"step": 1, "d": {"a": 1, "b": 2}, "none": None, "it's": "quoted", "list": [1, 2]}
    saver.put(on(), made({}), about, {})
    saver.put(on(), made({}), {"step": 2}, {})
    assert [found.metadata.get("step") for found in saver.list(on(), filter=wanted, limit=1)] == steps


def test_lists_are_newest_first_of_one_namespace_of_a_thread_or_of_all(saver: SQLAlchemySaver) -> None:
    places = [on("a"), on("a", "sub"), on("b"), on("a")]
    ids = [put(saver, place, {"v": 1})["configurable"]["checkpoint_id"] for place in places]

    def listed(config: RunnableConfig | None, **wanted: Any) -> list[int]:
        found = saver.list(config, **wanted)
        return [ids.index(item.config["configurable"]["checkpoint_id"]) for item in found]

    assert listed(None) == [3, 2, 1, 0]
    assert listed({"configurable": {"thread_id": "a"}}) == [3, 1, 0]
    assert listed(on("a")) == [3, 0]
    assert listed(on("a", "sub")) == [1]
    assert listed(None, limit=2) == [3, 2]
    assert listed(None, before=on("a", checkpoint_id=ids[2])) == [1, 0]
    assert listed(on("a", checkpoint_id=ids[0])) == [0]


async def test_both_apis_do_the_same(store: str) -> None:
    async with SQLAlchemySaver.from_conn_string(store) as saver:
        config = await saver.aput(on("async"), made({"v": "x" * 100}), {"step": 1}, {"v": 1})
        await saver.aput_writes(config, [("a", 1)], "task")
        await saver.acopy_thread("async", "copy")

        def synchronous() -> None:
            same = put(saver, on("sync"), {"v": "x" * 100})
            saver.put_writes(same, [("a", 1)], "task")
            for thread in ("async", "sync", "copy"):
                assert values_of(saver, on(thread)) == {"v": "x" * 100}
                assert pending(saver, on(thread)) == [("task", "a", 1)]
                assert len(list(saver.list(on(thread)))) == 1
            saver.prune(["sync"])
            saver.delete_thread("sync")

        await saver.threaded(synchronous)
        assert sorted(await saver.alist_threads()) == ["async", "copy"]
        await saver.aprune(["copy"], strategy="delete")
        assert [found.config async for found in saver.alist(None)] == [config]


async def test_many_threads_write_at_once_and_none_is_lost(store: str) -> None:
    async with SQLAlchemySaver.from_conn_string(store) as saver:

        async def run(thread: str) -> None:
            for version in range(1, 6):
                checkpoint = made({"v": "x" * 100 + str(version)}, version)
                config = await saver.aput(on(thread), checkpoint, {}, {"v": version})
                await saver.aput_writes(config, [("a", version)], "task")

        await asyncio.gather(*(run(f"t{number}") for number in range(32)))
        assert await saver.threaded(count, saver) == [160, 160, 160]


async def test_a_unit_that_fails_takes_none_of_its_group_with_it(store: str) -> None:
    def fail(_: object) -> None:
        raise LookupError("mine")

    async with SQLAlchemySaver.from_conn_string(store) as saver:
        good = [saver.aput(on(f"t{number}"), made({}), {}, {}) for number in range(5)]
        bad = saver.writer.submit(fail)
        results = await asyncio.gather(*good, bad, *[saver.aput(on("last"), made({}), {}, {})], return_exceptions=True)
        assert [type(result) for result in results if isinstance(result, Exception)] == [LookupError]
        assert await saver.threaded(count, saver, checkpoints) == [6]


def test_threads_are_listed_newest_first(saver: SQLAlchemySaver) -> None:
    for thread in ("old", "new", "old", "newest"):
        put(saver, on(thread), {"v": 1})
    assert saver.list_threads() == ["newest", "old", "new"]
    assert saver.list_threads(limit=1) == ["newest"]
