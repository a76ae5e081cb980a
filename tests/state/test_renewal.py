"""A lease is renewed while its run lives; a run whose lease is lost is stopped."""

import asyncio
import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection

from ponder.state import SQLAlchemySaver, StoreError, ThreadBusy
from ponder.state.budget import CallKey
from ponder.state.holders import holder
from ponder.state.lease import hold
from tests.state.leases import change, elsewhere, forever, hold_through, leave, poll, take_over, until
from tests.state.stores import KINDS, databases


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield from databases(request.param, tmp_path)


@pytest.fixture
def saver(store: str) -> Iterator[SQLAlchemySaver]:
    with SQLAlchemySaver.from_conn_string(store) as opened:
        opened.setup()
        yield opened


async def test_a_run_whose_lease_is_lost_is_stopped_and_leaves_the_thread_to_the_other(saver: SQLAlchemySaver) -> None:
    other = elsewhere()
    with pytest.raises(ThreadBusy, match=r"no longer held by this process.*worked on by process 1 on 'elsewhere'"):
        await hold_through(saver, 0.3, lambda: change(saver, owner=str(other)))
    with saver.reads() as connection:
        found = holder(connection, "t")
    assert found
    assert found.owner == other


async def test_a_run_whose_lease_is_gone_is_stopped(saver: SQLAlchemySaver) -> None:
    with pytest.raises(ThreadBusy, match=r"no longer held by this process, .*: resume it"):
        await hold_through(saver, 0.3, lambda: change(saver, thread=b"another"))


class Shaky(SQLAlchemySaver):
    """A saver whose database goes away, or does not answer, when it is told to."""

    away = False
    refused = 0
    unanswered = 0
    silent = threading.Event()
    answering = True
    failing = False
    """It does not answer, and fails then."""

    @contextmanager
    def begun(self, *, alone: bool = False) -> Iterator[Connection]:
        if self.away:
            self.refused += 1
            raise StoreError("the store is away")
        if not self.answering:
            self.unanswered += 1
            self.silent.wait(30)
        if self.failing:
            self.unanswered += 1
            self.silent.wait(30)
            raise StoreError("there was no answer")
        with super().begun(alone=alone) as connection:
            yield connection


@pytest.fixture
def shaky(tmp_path: Path) -> Iterator[Shaky]:
    with Shaky(f"sqlite:///{tmp_path}/store.db") as opened:
        opened.setup()
        opened.silent = threading.Event()
        yield opened


async def test_a_lease_outlives_a_store_that_is_away_for_a_moment(shaky: Shaky) -> None:
    async with hold(shaky, "t", seconds=3):
        before = until(shaky)
        shaky.away = True
        while shaky.refused < 2:  # noqa: ASYNC110 - the fake counts, it does not signal
            await asyncio.sleep(0.01)
        shaky.away = False
        while until(shaky) == before:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert until(shaky) is None


async def test_a_run_stops_when_the_store_was_away_for_as_long_as_the_lease_lasts(shaky: Shaky) -> None:
    with pytest.raises(StoreError, match="away for longer than the lease of thread 't' lasts: resume it when"):
        await hold_through(shaky, 0.3, lambda: setattr(shaky, "away", True))
    assert shaky.refused > 2
    shaky.away = False
    await asyncio.to_thread(poll, lambda: leave(shaky, elsewhere()))


async def test_a_process_goes_on_at_once_with_a_thread_whose_lease_it_could_not_give_back(shaky: Shaky) -> None:
    async def hold_and_lose() -> None:
        async with hold(shaky, "t"):
            shaky.away = True
            raise StoreError("mine")

    with pytest.raises(StoreError, match="mine"):
        await hold_and_lose()
    shaky.away = False
    left = until(shaky)
    assert left is not None
    with SQLAlchemySaver(shaky.engine.url.render_as_string()) as other:
        async with hold(other, "t"):
            with pytest.raises(ThreadBusy, match="is worked on by process"):
                await take_over(shaky)
    assert until(shaky) is None


async def test_the_end_of_a_call_that_cannot_be_written_down_is_no_news_where_its_run_was_cancelled(
    shaky: Shaky,
) -> None:
    said: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: said.append(told["message"]))
    shaky.failing = True
    forgetting = asyncio.create_task(shaky.journal("t", {}).forget(CallKey("call", "")))
    while not shaky.unanswered:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    forgetting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await forgetting
    shaky.silent.set()
    with pytest.raises(StoreError, match="no answer"):
        await shaky.writer.submit(lambda _: None)  # the one before has ended
    gc.collect()
    assert said == []


async def test_a_store_that_does_not_answer_is_away(shaky: Shaky) -> None:
    async def lose() -> None:
        async with hold(shaky, "t", seconds=0.3):
            shaky.answering = False
            try:
                await forever()
            finally:
                shaky.silent.set()

    with pytest.raises(StoreError, match="away for longer"):
        await lose()


async def test_a_lease_that_was_on_its_way_when_the_run_was_cancelled_is_given_back(shaky: Shaky) -> None:
    shaky.answering = False
    taking = asyncio.create_task(take_over(shaky))
    while not shaky.unanswered:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    shaky.answering = True  # for what is asked from now on
    taking.cancel()
    done, _ = await asyncio.wait([taking], timeout=0.1)
    assert not done
    shaky.silent.set()
    with pytest.raises(asyncio.CancelledError):
        await taking
    assert until(shaky) is None


async def test_what_is_raised_inside_comes_out_as_it_is(saver: SQLAlchemySaver) -> None:
    with pytest.raises(TimeoutError, match="mine"):
        async with hold(saver, "t"):
            raise TimeoutError("mine")
    await take_over(saver)
