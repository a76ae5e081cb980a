"""How a saver is opened: URLs, engines, drivers, files; and what it says when it cannot be."""

import stat
import traceback
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from ponder.state import SQLAlchemySaver, StoreError
from tests.state.savers import on, put, values_of

DRIVERS = {
    "sqlite": ("sqlite", "sqlite+pysqlite", "sqlite+aiosqlite"),
    "postgresql": ("postgresql", "postgresql+psycopg", "postgresql+psycopg_async", "postgresql+asyncpg"),
    "mariadb": ("mariadb", "mariadb+pymysql", "mysql", "mysql+pymysql", "mysql+aiomysql", "mariadb+asyncmy"),
}


def test_an_explicit_driver_is_used_and_an_asynchronous_one_has_its_twin(store: str) -> None:
    kind = store.partition(":")[0]
    for name in DRIVERS[kind]:
        url = store.replace(kind, name, 1)
        with SQLAlchemySaver.from_conn_string(url) as saver:
            put(saver, on(name), {"v": name * 20})
            assert values_of(saver, on(name)) == {"v": name * 20}
            assert saver.engine.dialect.driver in {"pysqlite", "psycopg", "pymysql"}
            assert not saver.engine.dialect.is_async


def test_an_engine_is_taken_as_it_is(store: str) -> None:
    driver = {"postgresql": "postgresql+psycopg", "mariadb": "mariadb+pymysql"}
    kind = store.partition(":")[0]
    engine = create_engine(store.replace(kind, driver.get(kind, kind), 1), pool_size=1, max_overflow=0)
    for number in range(3):
        with SQLAlchemySaver(engine) as saver:
            put(saver, on(), {"v": "x" * 100 + str(number)}, number)
            assert values_of(saver, on()) == {"v": "x" * 100 + str(number)}
            assert len(list(saver.list(on()))) == number + 1


async def test_an_asynchronous_engine_names_the_database(tmp_path: Path) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/store.db")
    async with SQLAlchemySaver(engine) as saver:
        await saver.threaded(put, saver, on(), {"v": 1})
    async with SQLAlchemySaver(f"sqlite:///{tmp_path}/store.db") as saver:
        assert await saver.threaded(values_of, saver, on()) == {"v": 1}
    await engine.dispose()


async def test_a_database_in_memory_works_from_any_thread() -> None:
    async with SQLAlchemySaver.from_conn_string("sqlite://") as saver:
        put(saver, on(), {"v": "x" * 100})
        assert await saver.threaded(values_of, saver, on()) == {"v": "x" * 100}


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    with SQLAlchemySaver.from_conn_string(f"sqlite:///{tmp_path}/store.db") as saver:
        put(saver, on(), {"v": 1})
        for path in tmp_path.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_is_committed_survives_a_power_cut(tmp_path: Path) -> None:
    with SQLAlchemySaver.from_conn_string(f"sqlite:///{tmp_path}/store.db") as saver, saver.reads() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_errors_are_one_line_and_hold_no_password(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("not a database, but long enough to be looked at" * 50)
    for url in (
        f"sqlite:///{tmp_path}/none/store.db",
        f"sqlite:///{tmp_path}",
        f"sqlite:///{tmp_path}/text.db",
        "oracul://me:secret@host/db",
        "postgresql://me:secret@127.0.0.1:1/db",
        "mariadb://me:secret@127.0.0.1:1/db",
        "//me:secret@host",
        "postgresql:/me:secret@host/db",
        "me:secret@host/db",
        "postgresql+nodriver://me:secret@host/db",
        "postgresql://me:1/secret@host/db",
        "postgresql://host:secret/db",
        "postgresql://me@127.0.0.1:1/db?password=secret",
        "mariadb://me@127.0.0.1:1/db?password=secret",
    ):
        with pytest.raises(StoreError) as caught, SQLAlchemySaver.from_conn_string(url) as saver:
            saver.setup()
        assert "secret" not in str(caught.value)
        assert "\n" not in str(caught.value)
        assert "secret" not in "".join(traceback.format_exception(caught.value))


def test_a_password_with_special_characters_reaches_the_server_and_no_message() -> None:
    url = make_url("postgresql://me@127.0.0.1:1/db").set(password="s%c/r@t")  # noqa: S106
    with pytest.raises(StoreError) as caught, SQLAlchemySaver(url.render_as_string(hide_password=False)) as saver:
        saver.setup()
    assert "r@t" not in str(caught.value)
    assert "r%40t" not in str(caught.value)


@pytest.mark.parametrize("value", ["1", "secret"])
def test_a_parameter_that_the_driver_does_not_take_is_named(store: str, value: str) -> None:
    with pytest.raises(StoreError) as caught, SQLAlchemySaver(f"{store}?bogus={value}") as saver:
        saver.setup()
    driver = make_url(store).get_backend_name()
    assert str(caught.value).startswith(f"store '{driver}")
    assert "does not take the parameter 'bogus'" in str(caught.value)
    assert "leave it out of the URL" in str(caught.value)
    assert "secret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("path", ["/tmp/x.db", "x.db"])  # noqa: S108 - nothing is opened
def test_a_path_is_told_what_its_url_is(path: str) -> None:
    with pytest.raises(StoreError, match=f"^store '{path}' is not a database URL: give one such as sqlite:///{path}$"):
        SQLAlchemySaver(path)
