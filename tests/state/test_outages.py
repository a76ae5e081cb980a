"""The database goes away in the middle of a run: it goes on, or there is one clear error and the next call works."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.graph import END, START, StateGraph
from sqlalchemy import create_engine, text

from ponder.state import SQLAlchemySaver, StoreError
from ponder.state.lease import hold
from tests.state.savers import count, made, on, put, values_of
from tests.state.servers import Server, postgres
from tests.state.stores import databases
from tests.state.test_saver_graphs import State


@pytest.fixture(params=["postgresql", "mariadb"])
def server_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield from databases(request.param, tmp_path)


ROOT = Path(__file__).parents[2]
CUT = {
    "postgresql": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    "mariadb": "SELECT concat('KILL ', id) FROM information_schema.processlist "
    "WHERE db = database() AND id <> connection_id()",
}


@pytest.fixture
def cut(server_store: str) -> Iterator[Callable[[], int]]:
    """Give what cuts every connection to this database but its own, and says how many there were."""
    kind = server_store.partition(":")[0]
    driver = {"postgresql": "postgresql+psycopg", "mariadb": "mariadb+pymysql"}[kind]
    engine = create_engine(server_store.replace(kind, driver, 1), isolation_level="AUTOCOMMIT")

    def cut_all() -> int:
        with engine.connect() as connection:
            found = list(connection.scalars(text(CUT[kind])))
            for statement in found if kind == "mariadb" else ():
                try:
                    connection.execute(text(statement))
                except Exception as error:
                    if "Unknown thread id" not in str(error):
                        raise
            return len(found)

    yield cut_all
    engine.dispose()


def test_every_call_works_after_its_idle_connection_was_cut(server_store: str, cut: Callable[[], int]) -> None:
    with SQLAlchemySaver.from_conn_string(server_store) as saver:
        config = put(saver, on(), {"v": "x" * 100})
        calls: list[Callable[[], Any]] = [
            lambda: put(saver, config, {"v": "y" * 100}, 2),
            lambda: saver.put_writes(config, [("a", 1)], "task"),
            lambda: values_of(saver, on()),
            lambda: list(saver.list(on())),
            lambda: saver.get_delta_channel_history(config=on(), channels=["v"]),
            saver.list_threads,
            lambda: saver.prune(["t"]),
            lambda: count(saver),
            lambda: saver.copy_thread("t", "copy"),
            lambda: saver.delete_for_runs(["none"]),
            lambda: saver.delete_thread("t"),
        ]
        for call in calls:
            assert cut() > 0
            call()
        assert values_of(saver, on("copy")) == {"v": "y" * 100}


async def test_a_lease_is_taken_and_given_back_though_connections_are_cut(
    server_store: str, cut: Callable[[], int]
) -> None:
    async with SQLAlchemySaver.from_conn_string(server_store) as saver:
        await saver.asetup()
        assert await asyncio.to_thread(cut) > 0
        async with hold(saver, "t"):
            await asyncio.to_thread(cut)
        async with hold(saver, "t"):
            pass


async def test_what_was_stored_while_connections_are_cut_again_and_again_is_there(
    server_store: str, cut: Callable[[], int]
) -> None:
    stop = threading.Event()
    kept: list[str] = []
    lost: list[str] = []

    def cutting() -> int:
        total = 0
        while not stop.wait(0.02):
            total += cut()
        return total

    async with SQLAlchemySaver.from_conn_string(server_store) as saver:

        async def run(thread: str) -> None:
            for version in range(15):
                checkpoint = made({"v": f"{version:0100}"}, version)
                try:
                    config = await saver.aput(on(thread), checkpoint, {}, {"v": version})
                    await saver.aput_writes(config, [("a", version)], "task")
                    kept.append(checkpoint["id"])
                except StoreError as error:
                    lost.append(str(error))

        await saver.asetup()
        cuts = asyncio.create_task(asyncio.to_thread(cutting))
        await asyncio.gather(*(run(f"t{number}") for number in range(8)))
        stop.set()
        assert await cuts > 0
        assert len(kept) + len(lost) == 120
        assert not [error for error in lost if "\n" in error]
        assert len(kept) > 60
        assert await saver.aget_tuple(on("t0"))
        found = {item.checkpoint["id"]: item async for item in saver.alist(None)}
        assert set(kept) <= set(found)
        assert all(len(found[one].pending_writes or []) == 1 for one in kept)


def restarting(saver: SQLAlchemySaver, server: Server, steps: int) -> Any:
    """Make a graph that stops and starts the server in its third step."""

    async def work(state: State) -> State:
        number = state.get("step", 0)
        if number == 2:
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)
        return {"items": [f"{number:0100}"], "step": number + 1}

    graph: Any = StateGraph(State).add_node("work", work).add_edge(START, "work")
    graph.add_conditional_edges("work", lambda state: END if state["step"] >= steps else "work")
    return graph.compile(checkpointer=saver)


async def test_a_run_goes_on_over_a_restart_of_the_server_and_an_outage_is_one_clear_error() -> None:
    with postgres() as server:
        async with SQLAlchemySaver.from_conn_string(server.url) as saver:
            done = await restarting(saver, server, 6).ainvoke({"items": []}, on(), durability="sync")
            assert len(done["items"]) == 6
            server.stop()
            for call in (saver.aget_tuple(on()), saver.aput(on(), made({}), {}, {}), saver.adelete_thread("none")):
                with pytest.raises(
                    StoreError, match=r"^store 'postgresql\+psycopg://postgres@127\.0\.0\.1.* cannot be used: "
                ):
                    await call
            server.start()
            found = await saver.aget_tuple(on())
            assert found
            assert found.checkpoint["channel_values"]["items"] == done["items"]


FILLING = """
import resource, signal, sys
from ponder.state import SQLAlchemySaver, StoreError
from tests.state.savers import on, put, values_of
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with SQLAlchemySaver.from_conn_string(sys.argv[1]) as saver:
    config = put(saver, on(), {"v": "first"})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, hard))
    stored = 0
    try:
        while stored < 1000:
            config = put(saver, config, {"v": f"{stored:05}" * 2000}, stored)
            stored += 1
    except StoreError as error:
        print(error)
    print(stored, values_of(saver, config)["v"][:5])
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    put(saver, config, {"v": "later"}, 2000)
    print(values_of(saver, on())["v"], len(list(saver.list(on()))))
    with saver.reads() as connection:
        print(connection.exec_driver_sql("PRAGMA integrity_check").scalar())
"""


def test_a_full_disk_is_one_clear_error_and_harms_nothing(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/store.db"
    command = [sys.executable, "-c", FILLING, store]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    error, state, later, integrity = ran.stdout.splitlines()
    assert error.startswith(f"store '{store}' cannot be used: ")
    stored, last = state.split()
    assert 10 < int(stored) < 1000
    assert int(last) == int(stored) - 1
    assert later == f"later {int(stored) + 2}"
    assert integrity == "ok"
