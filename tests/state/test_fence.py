"""A process that wakes after somebody took its thread over writes there no more."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from ponder.graphs import aresume, asolve
from ponder.state import SQLAlchemySaver, ThreadBusy
from ponder.state.budget import Call, CallKey
from ponder.state.journal import Begun
from ponder.state.lease import hold
from ponder.state.run import Asked
from ponder.state.tables import journal
from tests.fakes import ScriptedModel, always
from tests.state.leases import change, elsewhere, expire
from tests.state.savers import TABLES, count, made, on, put
from tests.state.stores import KINDS, databases

TAKEN = r"thread 't' is no longer held by this process.*worked on by process 1 on 'elsewhere'"


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield from databases(request.param, tmp_path)


async def test_nothing_is_begun_or_written_on_a_thread_that_was_taken_over(store: str) -> None:
    asked = Asked(Call(id="1", kind="sample", branch="direct"))
    async with SQLAlchemySaver(store) as saver:
        config = await saver.threaded(put, saver, on(), {"v": "x" * 100})
        calls = saver.journal("t", {"": config["configurable"]["checkpoint_id"]})
        async with hold(saver, "t"), hold(saver, "other"):
            assert await calls.begin(CallKey("paid", "")) == Begun(first=True)
            await saver.threaded(change, saver, owner=str(elsewhere()))
            before = await saver.threaded(count, saver, *TABLES)
            refused: list[Any] = [
                saver.aput(config, made({"v": "y" * 100}, 2), {}, {"v": 2}),
                saver.aput_writes(config, [("v", 1)], "task"),
                saver.threaded(put, saver, config, {"v": "z" * 100}, 3),
                calls.begin(CallKey("new", "")),
            ]
            done = await asyncio.gather(*refused, return_exceptions=True)
            assert [type(error) for error in done] == [ThreadBusy] * 4
            with pytest.raises(ThreadBusy, match=TAKEN):
                raise done[0]
            assert await saver.threaded(count, saver, *TABLES) == before
            await calls.finish(CallKey("paid", ""), asked)
        assert (await calls.begin(CallKey("paid", ""))).asked == asked


async def test_one_thread_that_was_taken_over_stops_no_other(store: str) -> None:
    async with SQLAlchemySaver(store) as saver:
        await saver.asetup()
        async with hold(saver, "t"):
            await saver.threaded(change, saver, owner=str(elsewhere()))
            async with hold(saver, "mine"):
                names = ["free", "t", "mine", "t"]
                puts = [saver.aput(on(name), made({}), {}, {}) for name in names]
                done = await asyncio.gather(*puts, return_exceptions=True)
        assert [isinstance(one, ThreadBusy) for one in done] == [name == "t" for name in names]
        assert sorted(await saver.alist_threads()) == ["free", "mine"]


async def test_a_lease_that_has_expired_and_nobody_wanted_is_still_held(store: str) -> None:
    async with SQLAlchemySaver(store) as saver:
        await saver.asetup()
        async with hold(saver, "t"):
            await saver.threaded(expire, saver)
            await saver.aput(on(), made({}), {}, {})
        await saver.aput(on(), made({}), {}, {})


async def test_a_run_that_was_taken_over_stops_at_its_next_step_and_its_paid_call_is_not_made_again(
    tmp_path: Path,
) -> None:
    store, model = f"sqlite:///{tmp_path}/store.db", ScriptedModel(always("2"), latency=0.2)
    run = asyncio.create_task(asolve("1 + 1?", model=model, store=store, thread_id="t", policy="direct"))
    while not model.flying:  # noqa: ASYNC110 - the fake counts, it does not signal
        await asyncio.sleep(0)
    async with SQLAlchemySaver(store) as other:
        await other.threaded(change, other, owner=str(elsewhere()))
        before = await other.threaded(count, other)
        with pytest.raises(ThreadBusy, match=TAKEN):
            await run
        assert await other.threaded(count, other) == before
        with other.reads() as connection:
            assert connection.scalars(select(journal.c.type)).all() == ["msgpack"]
        await other.threaded(expire, other)
        assert (await aresume("t", model=model, store=other)).answer == "2"
    assert model.calls == 1
