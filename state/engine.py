"""Open the store: a SQLAlchemy engine from a URL, with errors that say what to do."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, Insert, Table, create_engine, event
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from .errors import StoreError
from .migrations import migrate

if TYPE_CHECKING:  # needs greenlet, which only asynchronous engines bring
    from sqlalchemy.ext.asyncio import AsyncEngine

DRIVERS = {"postgresql": "postgresql+psycopg", "mariadb": "mariadb+pymysql", "mysql": "mysql+pymysql"}
"""Of URLs that name none."""
TWINS = {"asyncpg": "psycopg", "psycopg_async": "psycopg", "asyncmy": "pymysql", "aiomysql": "pymysql"}
"""Synchronous drivers to use for asynchronous ones: the saver's threads keep the loop free."""
EXTRAS = {"psycopg": "postgres", "pymysql": "mariadb"}
POOL_SIZE = 8
BUSY_SECONDS = 30
"""How long a SQLite writer waits for another process."""


def open_engine(given: str) -> Engine:
    """Make an engine; SQLite's file is created private, in a folder that must exist.

    Raises:
        StoreError: the URL, its driver or its path cannot be used.

    """
    try:
        url = make_url(given)
        if url.get_backend_name() == "sqlite":
            return sqlite_engine(url)
        return server_engine(url)
    except NoSuchModuleError:
        kind = given.partition(":")[0]
        raise StoreError(f"store of kind {kind!r} is unknown: give a URL such as sqlite:///ponder.db") from None
    except ArgumentError:
        start = given.partition("@")[0].partition("//")[0]
        raise StoreError(f"store {start!r} is not a database URL: give one such as sqlite:///ponder.db") from None
    except ModuleNotFoundError as error:
        needed = f"ponder[{EXTRAS[error.name]}]" if error.name in EXTRAS else error.name
        raise StoreError(f"store {given.partition(':')[0]!r} needs a driver: install {needed}") from None


def server_engine(url: URL) -> Engine:
    """Make an engine with a pool for PostgreSQL or MariaDB."""
    kind, _, driver = DRIVERS.get(url.drivername, url.drivername).partition("+")
    named = url.set(drivername=f"{kind}+{TWINS.get(driver, driver)}")
    # Gap locks of the default level deadlock writers of neighbouring threads.
    return create_engine(named, pool_size=POOL_SIZE, pool_pre_ping=True, isolation_level="READ COMMITTED")


def engine_of(given: "Engine | AsyncEngine | str") -> Engine:
    """Open a URL; take an engine as it is, and for an asynchronous one open its database with a synchronous driver."""
    if isinstance(given, Engine):
        return given
    if not isinstance(given, str):
        return open_engine(given.url.render_as_string(hide_password=False).replace("+aiosqlite", "", 1))
    return open_engine(given.replace("sqlite+aiosqlite:", "sqlite:", 1))


def sqlite_engine(url: URL) -> Engine:
    """Make an engine for a SQLite file: write-ahead log, writers that wait, readers that do not."""
    if url.database and url.database != ":memory:":
        prepare_file(Path(url.database))
    shared = {"poolclass": StaticPool} if not url.database or url.database == ":memory:" else {}
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False}, **shared)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: object) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def prepare_file(path: Path) -> None:
    """Create the file for its owner alone."""
    if not path.parent.is_dir():
        raise StoreError(f"store {str(path)!r}: folder {str(path.parent)!r} does not exist: create it first")
    if path.is_dir():
        raise StoreError(f"store {str(path)!r} is a folder: give the path of a file")
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreError(f"store {str(path)!r} is not writable ({error.strerror}): choose another path") from None


def create_tables(engine: Engine) -> None:
    """Create or migrate the tables, and refuse those from a newer ponder.

    Raises:
        StoreError: the database is newer than this code, or is none.

    """
    with translated(engine):
        migrate(engine, shown(engine))


def masked(url: str) -> str:
    """Return a URL without its password; what is no URL has none."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url


def shown(engine: Engine) -> str:
    """Return the engine's URL without its password."""
    return repr(engine.url.render_as_string(hide_password=True))


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """Turn the driver's errors into ours, in one line."""
    try:
        yield
    except DBAPIError as error:
        raise StoreError(f"store {shown(engine)} cannot be used: {one_line(error.orig)}") from error
    except SQLAlchemyError as error:
        raise StoreError(f"store {shown(engine)} cannot be used: {one_line(error)}") from error


def one_line(error: object) -> str:
    """Return the first line of an error's text."""
    return str(error).strip().partition("\n")[0]


def insert(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]], *, replace: bool) -> None:
    """Insert rows; of those that are there already, replace or keep the old ones."""
    if rows:
        connection.execute(insertion(connection.dialect.name, table, replace), rows)


@cache
def insertion(dialect: str, table: Table, replace: bool) -> Insert:
    """Build the statement once: building costs more than running it."""
    values = [column.name for column in table.columns if not column.primary_key]
    keys = [column.name for column in table.primary_key]
    if dialect in {"mysql", "mariadb"}:
        plain = mysql.insert(table)
        replacing = plain.on_duplicate_key_update({name: plain.inserted[name] for name in values})
        ignoring: Insert = plain.prefix_with("IGNORE")
        return replacing if replace else ignoring
    made = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    if not replace:
        return made.on_conflict_do_nothing(index_elements=keys)
    return made.on_conflict_do_update(index_elements=keys, set_={name: made.excluded[name] for name in values})
