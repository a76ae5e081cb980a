"""One owner per thread, on each database."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ponder.graphs import aresume, asolve
from ponder.state import SQLAlchemySaver, ThreadBusy
from ponder.state.holders import holder
from ponder.state.lease import hold
from ponder.state.owner import Owner
from ponder.state.term import Term
from tests.fakes import ScriptedModel, always
from tests.state.leases import elsewhere, expire, leave, poll, take_over
from tests.state.stores import KINDS, databases

HOLDING = """
import asyncio, sys
from ponder.state import SQLAlchemySaver
from ponder.state.lease import hold

async def main():
    async with SQLAlchemySaver.from_conn_string(sys.argv[1]) as saver, hold(saver, "t", seconds=float(sys.argv[2])):
        print("held", flush=True)
        await asyncio.get_running_loop().create_future()

asyncio.run(main())
"""


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield from databases(request.param, tmp_path)


@pytest.fixture
def saver(store: str) -> Iterator[SQLAlchemySaver]:
    with SQLAlchemySaver.from_conn_string(store) as opened:
        opened.setup()
        yield opened


@pytest.fixture
def holding(store: str) -> Iterator[Callable[[float], "subprocess.Popen[str]"]]:
    """Start a process that holds the thread, and end it."""
    started: list[subprocess.Popen[str]] = []

    def start(seconds: float = 30) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", HOLDING, store, str(seconds)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        assert started[0].stdout
        assert started[0].stdout.readline() == "held\n"
        return started[0]

    yield start
    for process in started:
        process.kill()
        process.communicate()


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


async def test_two_threads_do_not_stand_in_each_other_s_way(saver: SQLAlchemySaver) -> None:
    async with hold(saver, "a"), hold(saver, "b"):
        with pytest.raises(ThreadBusy):
            await hold(saver, "a").__aenter__()


def test_of_many_that_take_one_lease_at_the_same_instant_exactly_one_gets_it(saver: SQLAlchemySaver) -> None:
    """Both when there is none and when one has expired; each from a connection of its own."""
    rounds, many = 12, 6
    won: list[list[Owner]] = [[] for _ in range(rounds)]
    failed: list[Exception] = []
    together = threading.Barrier(many)

    def compete() -> None:
        for number in range(rounds):
            owner = Owner.new()
            together.wait(30)
            try:
                Term(saver, f"t{number // 2}", str(owner), seconds=30).take()
                won[number].append(owner)
            except ThreadBusy:
                pass
            except Exception as error:  # noqa: BLE001 - shown by the assertion below
                failed.append(error)
            if together.wait(30) == 0:
                expire(saver)

    threads = [threading.Thread(target=compete) for _ in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert [len(winners) for winners in won] == [1] * rounds


async def test_a_process_killed_on_this_machine_is_followed_at_once_even_if_nobody_has_waited_for_it(
    saver: SQLAlchemySaver, holding: Callable[[], "subprocess.Popen[str]"]
) -> None:
    process = await asyncio.to_thread(holding)
    with pytest.raises(ThreadBusy, match=f"process {process.pid} on"):
        await take_over(saver)
    process.kill()
    await asyncio.to_thread(os.waitid, os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    await take_over(saver)
    await asyncio.to_thread(process.wait)
    leave(saver, replace(Owner.new(), pid=process.pid))
    await take_over(saver)


async def test_an_owner_elsewhere_holds_until_the_lease_expires(saver: SQLAlchemySaver) -> None:
    leave(saver, elsewhere())
    with pytest.raises(ThreadBusy, match="process 1 on 'elsewhere'"):
        await take_over(saver)
    expire(saver)
    await take_over(saver)


def test_a_process_of_another_container_with_this_host_s_name_is_not_taken_for_dead(saver: SQLAlchemySaver) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    leave(saver, replace(Owner.new(), pid=gone.pid, world="another"))
    with pytest.raises(ThreadBusy, match=f"process {gone.pid} on"):
        asyncio.run(take_over(saver))


async def test_the_database_s_clock_counts_not_this_process_s(
    saver: SQLAlchemySaver, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(saver, elsewhere())
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3600)
    with pytest.raises(ThreadBusy):
        await take_over(saver)
    with saver.reads() as connection:
        found = holder(connection, "t")
    assert found
    assert abs(found.until - now - 30) < 10  # the servers of this test have this machine's clock


async def test_a_suspended_process_stops_when_it_wakes_and_somebody_has_taken_over(
    saver: SQLAlchemySaver, holding: Callable[[float], "subprocess.Popen[str]"]
) -> None:
    process = await asyncio.to_thread(holding, 1.5)
    process.send_signal(signal.SIGSTOP)
    owner = Owner.new()
    await asyncio.to_thread(poll, lambda: leave(saver, owner))
    process.send_signal(signal.SIGCONT)
    _, said = await asyncio.to_thread(process.communicate)
    assert "ThreadBusy: thread 't' is no longer held by this process, which did not renew" in said
    assert f"worked on by process {owner.pid} on" in said
    with saver.reads() as connection:
        assert holder(connection, "t")
