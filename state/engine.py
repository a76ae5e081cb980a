"""Open the store: a SQLAlchemy engine from a URL, with errors that say what to do."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, select
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from .errors import StoreError
from .tables import metadata, versions

SCHEMA = 1
"""Version of the tables that this code knows."""
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
        return create_engine(url, pool_pre_ping=True)
    except NoSuchModuleError:
        kind = given.partition(":")[0]
        raise StoreError(f"store of kind {kind!r} is unknown: give a URL such as sqlite:///ponder.db") from None
    except ArgumentError:
        raise StoreError(f"store {given!r} is not a database URL: give one such as sqlite:///ponder.db") from None
    except ModuleNotFoundError as error:
        raise StoreError(f"store {given.partition(':')[0]!r} needs a driver: install {error.name}") from None


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
    """Create what is missing, and refuse tables from a newer ponder.

    Raises:
        StoreError: the database is newer than this code, or is none.

    """
    with translated(engine), engine.connect().execution_options(writes=True) as connection, connection.begin():
        metadata.create_all(connection)  # what is there stays as it is
        found = connection.scalar(select(versions.c.version))
        if found is None:
            connection.execute(versions.insert().values(version=SCHEMA))
        elif found > SCHEMA:
            raise StoreError(f"store {shown(engine)} has schema {found}, this ponder {SCHEMA}: upgrade ponder")


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
    if not rows:
        return
    values = [column.name for column in table.columns if not column.primary_key]
    keys = [column.name for column in table.primary_key]
    if connection.dialect.name in {"mysql", "mariadb"}:
        plain = mysql.insert(table)
        replacing = plain.on_duplicate_key_update({name: plain.inserted[name] for name in values})
        connection.execute(replacing if replace else plain.prefix_with("IGNORE"), rows)
        return
    made = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)
    update = {name: made.excluded[name] for name in values}
    connection.execute(
        made.on_conflict_do_update(index_elements=keys, set_=update)
        if replace
        else made.on_conflict_do_nothing(index_elements=keys),
        rows,
    )
