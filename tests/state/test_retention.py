"""What is forgotten goes without a trace, and what is needed stays: delete, prune, copy, runs."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from sqlalchemy import select

from ponder.state import SQLAlchemySaver, ThreadNotFound
from ponder.state.statements import Rows, insert
from ponder.state.tables import blobs, checkpoints, digest, encode, journal, leases, writes
from tests.state.savers import TABLES, count, got, made, on, pending, put, values_of


def id_of(config: RunnableConfig) -> str:
    checkpoint_id: str = config["configurable"]["checkpoint_id"]
    return checkpoint_id


def run(saver: SQLAlchemySaver, thread: str, steps: int, *, run_id: str = "", ns: str = "") -> list[RunnableConfig]:
    """Store a thread with a list that grows, a constant and a value that is new in each step, and a write a step."""
    config, last, configs = on(thread, ns), None, []
    constant = saver.get_next_version(None, None)
    for number in range(steps):
        last = saver.get_next_version(last, None)
        values = {"items": [f"{item:0100}" for item in range(number + 8)], "other": f"{number:0100}", "same": "s" * 100}
        checkpoint = {
            **made(values),
            "channel_versions": {"items": last, "other": last, "same": constant},
        }
        new = dict(checkpoint["channel_versions"])
        if number:
            del new["same"]
        about: Any = {"step": number, **({"run_id": run_id} if run_id else {})}
        config = saver.put(config, checkpoint, about, new)  # type: ignore[arg-type]
        saver.put_writes(config, [("a", number)], "task")
        configs.append(config)
    return configs


def record(saver: SQLAlchemySaver, thread: str, roots: Sequence[str]) -> None:
    """Store a finished call in each of these steps, and a lease."""
    rows = [
        {"thread": digest(thread), "key": digest(root), "root": encode(root), "begun": 1.0, "type": "x", "data": b"y"}
        for root in roots
    ]
    with saver.writes() as connection:
        lease = {"thread": digest(thread), "owner": "me", "until": time.time()}
        insert(connection, [Rows(journal, rows), Rows(leases, [lease], replace=True)])


def calls(saver: SQLAlchemySaver) -> list[tuple[bytes, bytes]]:
    with saver.reads() as connection:
        return sorted((bytes(row.thread), bytes(row.root)) for row in connection.execute(select(journal)))


def test_a_deleted_thread_leaves_nothing_and_takes_nothing_else(saver: SQLAlchemySaver) -> None:
    for thread in ("gone", "stays"):
        configs = run(saver, thread, 5)
        run(saver, thread, 2, ns="sub:1")
        record(saver, thread, [id_of(configs[0])])
    everything = count(saver, *TABLES)
    saver.delete_thread("gone")
    assert count(saver, *TABLES) == [number // 2 for number in everything]
    assert values_of(saver, on("stays"))["other"] == f"{4:0100}"
    saver.delete_thread("stays")
    assert count(saver, *TABLES) == [0, 0, 0, 0, 0]


@pytest.mark.parametrize("strategy", ["delete", "delete_all"])
def test_prune_deletes_threads_by_either_word(saver: SQLAlchemySaver, strategy: str) -> None:
    for thread in "abc":
        record(saver, thread, [id_of(run(saver, thread, 2)[0])])
    saver.prune(["a", "b"], strategy=strategy)
    assert saver.list_threads() == ["c"]
    assert count(saver, *TABLES) == [2, 5, 2, 1, 1]


def test_an_unknown_strategy_is_refused(saver: SQLAlchemySaver) -> None:
    with pytest.raises(ValueError, match="strategy 'keep' is unknown: choose keep_latest, delete or delete_all"):
        saver.prune(["t"], strategy="keep")


def test_pruning_keeps_the_newest_state_its_writes_its_calls_and_what_its_list_is_made_of(
    saver: SQLAlchemySaver,
) -> None:
    configs = run(saver, "t", 12)
    record(saver, "t", [id_of(config) for config in configs])
    expected = values_of(saver, on())
    saver.put_writes(on(checkpoint_id=id_of(made_before(saver))), [("lost", 1)], "task")
    saver.prune(["t"])
    assert values_of(saver, on()) == expected
    assert pending(saver, on()) == [("task", "a", 11)]
    assert got(saver, on()).parent_config is None
    assert calls(saver) == [(digest("t"), encode(id_of(configs[-1])))]
    rows, values, written = count(saver)
    assert (rows, written) == (1, 1)
    with saver.reads() as connection:
        names = list(connection.scalars(select(blobs.c.channel)))
    assert (names.count(digest("other")), names.count(digest("same"))) == (1, 1)
    assert values - 2 == names.count(digest("items")) < 12
    run(saver, "t", 3)
    assert len(list(saver.list(on()))) == 4


def made_before(saver: SQLAlchemySaver) -> RunnableConfig:
    """Name a step before the newest whose checkpoint was never stored."""
    newest = got(saver, on()).config
    early = id_of(newest)[:-1] + "0"
    return on(checkpoint_id=early if early < id_of(newest) else id_of(newest)[:-2] + "00")


def test_pruning_twice_changes_nothing_more_and_a_thread_that_is_not_there_nothing(saver: SQLAlchemySaver) -> None:
    run(saver, "t", 5)
    saver.prune(["t", "nobody"])
    before = count(saver)
    saver.prune(["t"])
    assert count(saver) == before


def test_a_pruned_thread_grows_on(saver: SQLAlchemySaver) -> None:
    last = run(saver, "t", 5)[-1]
    version = str(got(saver, on()).checkpoint["channel_versions"]["items"])
    saver.prune(["t"])
    items = [*values_of(saver, on())["items"], "new" * 30]
    put(saver, last, {"items": items}, saver.get_next_version(version, None))
    assert values_of(saver, on()) == {"items": items}
    saver.prune(["t"])
    assert values_of(saver, on()) == {"items": items}


def test_forgetting_a_run_leaves_those_before_and_after_whole(saver: SQLAlchemySaver) -> None:
    configs = [*run(saver, "t", 3, run_id="one")]
    configs += run(saver, "t", 3, run_id="two")
    run(saver, "other", 2, run_id="one")
    record(saver, "t", [id_of(config) for config in configs])
    saver.delete_for_runs(["one", "none"])
    assert [item.metadata["step"] for item in saver.list(on())] == [2, 1, 0]
    assert values_of(saver, on())["other"] == f"{2:0100}"
    assert saver.list_threads() == ["t"]
    assert [root for _, root in calls(saver)] == [encode(id_of(config)) for config in configs[3:]]
    saver.delete_for_runs(["two"])
    assert count(saver, checkpoints, blobs, writes, journal) == [0, 0, 0, 0]


def test_forgetting_a_run_keeps_the_parts_of_a_list_that_a_later_run_has_added_to(saver: SQLAlchemySaver) -> None:
    config, last = on(), None
    for number, run_id in enumerate(["one", "one", "two"]):
        last = saver.get_next_version(last, None)
        checkpoint = made({"items": ["x" * 100] * (8 + number)}, last)
        about: Any = {"run_id": run_id}
        config = saver.put(config, checkpoint, about, checkpoint["channel_versions"])
    saver.delete_for_runs(["one"])
    assert values_of(saver, on()) == {"items": ["x" * 100] * 10}
    assert got(saver, on()).parent_config is None
    assert count(saver) == [1, 3, 0]


def test_a_copy_has_the_whole_history_and_lives_on_its_own(saver: SQLAlchemySaver) -> None:
    configs = run(saver, "a", 6)
    run(saver, "a", 2, ns="sub")
    run(saver, "b", 3)
    record(saver, "a", [id_of(configs[0])])
    saver.copy_thread("a", "b")
    for ns in ("", "sub"):
        pairs = zip(saver.list(on("a", ns)), saver.list(on("b", ns)), strict=True)
        assert all(
            (one.checkpoint, one.metadata, one.pending_writes, id_of(one.config))
            == (two.checkpoint, two.metadata, two.pending_writes, id_of(two.config))
            for one, two in pairs
        )
    assert [thread for thread, _ in calls(saver)] == sorted([digest("a"), digest("b")])
    with pytest.raises(ThreadNotFound, match="'typo' does not exist"):
        saver.copy_thread("typo", "b")
    saver.copy_thread("b", "b")
    saver.delete_thread("a")
    assert len(list(saver.list(on("b")))) == 6
    assert values_of(saver, on("b"))["items"] == [f"{item:0100}" for item in range(13)]


def test_a_constant_is_stored_once(saver: SQLAlchemySaver) -> None:
    run(saver, "t", 20)
    assert count(saver, blobs) == [41]
    assert values_of(saver, on())["same"] == "s" * 100


async def test_what_is_read_while_it_is_forgotten_is_whole_or_not_there(store: str) -> None:
    async with SQLAlchemySaver.from_conn_string(store) as saver:
        await saver.asetup()

        def forgetting() -> None:
            for _ in range(40):
                run(saver, "t", 4)
                saver.prune(["t"])
                run(saver, "t", 2)
                saver.delete_thread("t")

        task = asyncio.create_task(saver.threaded(forgetting))
        seen = 0
        while not task.done():
            newest = await saver.aget_tuple(on())
            for found in [*([newest] if newest else []), *[item async for item in saver.alist(on())]]:
                assert set(found.checkpoint["channel_values"]) == {"items", "other", "same"}
                seen += 1
        await task
        assert seen > 20
