"""The threads of a store: what they owe to those who wait, to forks, and to programs that forget them."""

import asyncio
import gc
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ponder.state import SQLAlchemySaver, StoreError
from ponder.state.tables import checkpoints
from tests.state.savers import count, made, on, put, values_of

FORGETFUL = """
import asyncio, os, sys
from ponder.state import SQLAlchemySaver
from tests.state.savers import made, on, put, values_of

saver = SQLAlchemySaver(sys.argv[1])
put(saver, on("parent"), {"v": "x" * 100})
if not (child := os.fork()):
    assert values_of(saver, on("parent")) == {"v": "x" * 100}
    put(saver, on("child"), {"v": "y" * 100})
    saver.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert values_of(saver, on("child")) == {"v": "y" * 100}

async def forget():
    for number in range(100):
        saver.writer.submit(saver.codec.putting(on(f"t{number}"), made({}), {}, {}))

asyncio.run(forget())
"""


def test_a_fork_has_a_store_of_its_own_and_a_program_that_forgets_to_close_it_loses_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORGETFUL, url]
    subprocess.run(command, check=True, timeout=60, cwd=Path(__file__).parents[2])
    with SQLAlchemySaver(url) as saver:
        assert count(saver, checkpoints) == [102]


def test_a_closed_store_refuses(tmp_path: Path) -> None:
    saver = SQLAlchemySaver(f"sqlite:///{tmp_path}/store.db")
    saver.close()
    with pytest.raises(StoreError, match="the store is closed: open it again"):
        put(saver, on(), {})


async def test_what_nobody_waits_for_any_more_is_not_written(tmp_path: Path) -> None:
    entered, free = threading.Event(), threading.Event()

    def block(_: object) -> None:
        entered.set()
        free.wait(30)

    async with SQLAlchemySaver(f"sqlite:///{tmp_path}/store.db") as saver:
        blocked = saver.writer.submit(block)
        await asyncio.to_thread(entered.wait)
        writing = [asyncio.create_task(saver.aput(on(f"t{number}"), made({}), {}, {})) for number in range(3)]
        await asyncio.sleep(0)
        writing[1].cancel()
        await asyncio.sleep(0)
        free.set()
        await asyncio.gather(blocked, *writing, return_exceptions=True)
        assert sorted(await saver.alist_threads()) == ["t0", "t2"]


def test_a_loop_that_ends_before_its_writes_stops_nobody_else(tmp_path: Path) -> None:
    entered, free = threading.Event(), threading.Event()

    def block(_: object) -> None:
        entered.set()
        free.wait(30)

    async def leave(saver: SQLAlchemySaver) -> None:
        saver.writer.submit(block)
        await asyncio.to_thread(entered.wait)

    with SQLAlchemySaver(f"sqlite:///{tmp_path}/store.db") as saver:
        asyncio.run(leave(saver))
        free.set()
        put(saver, on(), {"v": 1})
        assert values_of(saver, on()) == {"v": 1}


def test_a_store_that_nobody_has_any_more_leaves_no_threads(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    saver = SQLAlchemySaver(f"sqlite:///{tmp_path}/store.db")
    put(saver, on(), {})
    (thread,) = set(threading.enumerate()) - before
    del saver
    gc.collect()
    thread.join(30)
    assert not thread.is_alive()
