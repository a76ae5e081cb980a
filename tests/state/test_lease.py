"""One owner per thread."""

import asyncio
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ponder.graphs import aresume, asolve
from ponder.state import SQLAlchemySaver, ThreadBusy
from ponder.state.lease import hold, put
from tests.fakes import ScriptedModel, always


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ponder.db"


def leave(saver: SQLAlchemySaver, owner: str) -> None:
    """Leave a lease behind as if another process had taken it."""
    saver.setup()
    with saver.writes() as connection:
        put(connection, "t", owner)


async def test_a_running_thread_is_busy_for_everybody_else(store: str) -> None:
    model = ScriptedModel(always("2"), latency=60)
    run = asyncio.create_task(asolve("1 + 1?", model=model, store=store, thread_id="t", policy="direct"))
    while not model.flying:  # noqa: ASYNC110 - the fake counts, it does not signal
        await asyncio.sleep(0)
    with pytest.raises(ThreadBusy, match=r"thread 't' is worked on by process \d+ on '.+' until \d{4}-.+: wait for it"):
        await aresume("t", store=store, model=model)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    model.latency = 0
    assert (await aresume("t", store=store, model=model)).answer == "2"


async def test_two_threads_do_not_stand_in_each_other_s_way(store: str) -> None:
    async with SQLAlchemySaver.from_conn_string(store) as saver, hold(saver, "a"), hold(saver, "b"):
        with pytest.raises(ThreadBusy):
            await hold(saver, "a").__aenter__()


def test_the_lease_of_a_process_that_is_gone_is_taken_over(store: str) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()

    async def take_over() -> None:
        async with SQLAlchemySaver.from_conn_string(store) as saver:
            await asyncio.to_thread(leave, saver, f"{socket.gethostname()}:{gone.pid}:x")
            async with hold(saver, "t"):
                pass

    asyncio.run(take_over())


async def test_a_lease_from_elsewhere_holds_until_it_expires(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with SQLAlchemySaver.from_conn_string(store) as saver:
        await asyncio.to_thread(leave, saver, "elsewhere:1:x")
        with pytest.raises(ThreadBusy, match="process 1 on 'elsewhere'"):
            await hold(saver, "t").__aenter__()
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 31)
        async with hold(saver, "t"):
            pass
