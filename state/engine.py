"""Open the store: a SQLAlchemy engine from a URL, with errors that say what to do."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sqlalchemy import Connection, Delete, Dialect, Engine, Insert, Table, Update, bindparam, create_engine, event
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from .errors import StoreError

if TYPE_CHECKING:  # one needs greenlet, which only asynchronous engines bring
    from sqlalchemy import CompoundSelect, Select
    from sqlalchemy.ext.asyncio import AsyncEngine

    Query = Select[*tuple[Any, ...]] | CompoundSelect[*tuple[Any, ...]]

T = TypeVar("T")

DRIVERS = {"postgresql": "postgresql+psycopg", "mariadb": "mariadb+pymysql", "mysql": "mysql+pymysql"}
"""Of URLs that name none."""
TWINS = {"asyncpg": "psycopg", "psycopg_async": "psycopg", "asyncmy": "pymysql", "aiomysql": "pymysql"}
"""Synchronous drivers to use for asynchronous ones: the saver's threads keep the loop free."""
PASSWORDS = ("password", "passwd", "sslpassword")
EXTRAS = {"psycopg": "postgres", "pymysql": "mariadb"}
POOL_SIZE = 8
BUSY_SECONDS = 30
"""How long a SQLite writer waits for another process."""
DEADLOCKS = {"40P01", "40001", 1213}
"""PostgreSQL's and MariaDB's codes: one transaction of several was given up, and may be tried again."""
DIRECT = {"pysqlite", "psycopg", "pymysql"}
"""Drivers that return bytes as bytes and text as text."""
ROWS_IN_ONE, BYTES_IN_ONE = 32, 1_000_000
"""Of one insert statement."""


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
    except (ArgumentError, ValueError):  # the second is a port that is no number, maybe a part of a password
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
    return create_engine(named, pool_size=POOL_SIZE, pool_use_lifo=True, isolation_level="READ COMMITTED")


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
    memory = not url.database or url.database == ":memory:"
    kept: dict[str, Any] = {"poolclass": StaticPool} if memory else {"pool_use_lifo": True, "max_overflow": -1}
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False}, **kept)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: object) -> None:
        connection.isolation_level = None  # a transaction begins where we say, not the driver
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")  # what is committed survives a power cut

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


def masked(url: str) -> str:
    """Return a URL without its password; what is no URL has none."""
    try:
        return hidden(make_url(url))
    except ArgumentError:
        return url


def shown(engine: Engine) -> str:
    """Return the engine's URL without its password."""
    return repr(hidden(engine.url))


def hidden(url: URL) -> str:
    """Write a URL without its password, which drivers also take as a parameter."""
    return url.difference_update_query(PASSWORDS).render_as_string(hide_password=True)


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """Turn the driver's errors into ours, in one line."""
    try:
        yield
    except DBAPIError as error:
        raise StoreError(f"store {shown(engine)} cannot be used: {one_line(error.orig)}") from error
    except SQLAlchemyError as error:
        raise StoreError(f"store {shown(engine)} cannot be used: {one_line(error)}") from error


def twice(opened: Callable[[], AbstractContextManager[Connection]], work: Callable[[Connection], T]) -> T:
    """Do work on a connection; once more where it was cut, or a deadlock broken: every unit may be repeated."""
    try:
        with opened() as connection:
            return work(connection)
    except StoreError as error:
        if not passing(error.__cause__):
            raise
    with opened() as connection:
        return work(connection)


def ping(connection: Connection) -> None:
    """See whether the server still listens."""
    drive(connection, "SELECT 1", ())


def passing(error: BaseException | None) -> bool:
    """Say whether trying once more may help: the connection was cut, or a deadlock broken (by its code)."""
    if not isinstance(error, DBAPIError):
        return False
    code = getattr(error.orig, "sqlstate", None) or next(iter(error.orig.args if error.orig else ()), None)
    return error.connection_invalidated or code in DEADLOCKS


def one_line(error: object) -> str:
    """Return the first line of an error's text."""
    return str(error).strip().partition("\n")[0]


@contextmanager
def writing(connection: Connection) -> Iterator[None]:
    """Write in a transaction; SQLite's begins as a writer's, since one that has read cannot wait for another one."""
    with connection.begin():
        if connection.dialect.name == "sqlite":
            drive(connection, "BEGIN IMMEDIATE", ())
        yield


def drive(connection: Connection, text: str, values: Sequence[Any] | Mapping[str, Any]) -> list[Any]:
    """Have the driver run a statement and return the rows: SQLAlchemy's own way takes longer than the database does."""
    cursor = connection.connection.cursor()
    try:
        cursor.execute(text, values)
        return list(cursor.fetchall()) if cursor.description else []
    except connection.dialect.loaded_dbapi.Error as error:
        raise explained(connection, error) from error
    finally:
        cursor.close()


def explained(connection: Connection, error: Any) -> DBAPIError:
    """Return a driver's error as SQLAlchemy's."""
    dialect, base = connection.dialect, connection.dialect.loaded_dbapi.Error
    cut = dialect.is_disconnect(error, connection.connection.dbapi_connection, None)
    if cut:
        with suppress(DBAPIError):  # lets SQLAlchemy see it, which renews all connections of the pool
            connection.exec_driver_sql("SELECT 1")
    made = DBAPIError.instance(None, None, error, base, connection_invalidated=cut, dialect=dialect)
    return cast("DBAPIError", made)


def fetch(connection: Connection, query: "Query", given: Mapping[str, Any]) -> list[Any]:
    """Run a query of the hot path; a driver that may return other types than those asked for is left to SQLAlchemy."""
    if connection.dialect.driver not in DIRECT:
        return list(connection.execute(query, given))
    text, names, constants = compiled(connection.dialect, query)
    values = {**constants, **given}
    return drive(connection, text, tuple(values[name] for name in names) if names else values)


@lru_cache(maxsize=512)
def compiled(dialect: Dialect, query: "Query | Update | Delete") -> tuple[str, Sequence[str], Mapping[str, Any]]:
    """Write a query once: its text, its parameters where their order counts, and those that are constant."""
    made = query.compile(dialect=dialect)
    return str(made), made.positiontup or (), made.params


def insert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, replace: bool) -> None:
    """Insert rows; of those that are there already, replace or keep the old ones."""
    if replace and len(rows) > 1:  # PostgreSQL refuses a statement that replaces a row twice: the last one counts
        keys = [column.name for column in table.primary_key]
        rows = list({tuple(row[name] for name in keys): row for row in rows}.values())
    for portion in portions(rows):
        text, columns, parameters = insertion(connection.dialect, table, replace, len(portion))
        values = [row.get(name) for row in portion for name in columns]
        drive(connection, text, dict(zip(parameters, values, strict=True)) if parameters else tuple(values))


def portions(rows: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[Mapping[str, Any]]]:
    """Cut rows into what one statement may hold: so many of them, and so many bytes (MariaDB takes 16 MiB)."""
    portion: list[Mapping[str, Any]] = []
    size = 0
    for row in rows:
        length = len(row.get("data") or row.get("body") or b"")
        if portion and (len(portion) == ROWS_IN_ONE or size + length > BYTES_IN_ONE):
            yield portion
            portion, size = [], 0
        portion.append(row)
        size += length
    if portion:
        yield portion


@lru_cache(maxsize=1024)
def insertion(dialect: Dialect, table: Table, replace: bool, rows: int) -> tuple[str, list[str], list[str]]:
    """Write the statement for so many rows once; also its columns, and its parameters where the driver wants names.

    To compile it each time, or to run it for each row, costs more than the database takes.
    """
    columns = [column.name for column in table.columns]
    named = [f"{name}_{row}" for row in range(rows) for name in columns]
    values: list[dict[str, Any]] = [{name: bindparam(f"{name}_{row}") for name in columns} for row in range(rows)]
    compiled = upsert(dialect.name, table, replace).values(values).compile(dialect=dialect)
    return str(compiled), columns, [] if dialect.positional else named


def upsert(dialect: str, table: Table, replace: bool) -> Insert:
    """Say in a database's own words what happens to rows that are there."""
    values = [column.name for column in table.columns if not column.primary_key]
    keys = [column.name for column in table.primary_key]
    if dialect in {"mysql", "mariadb"}:
        plain = mysql.insert(table)
        new = {name: plain.inserted[name] for name in values}
        # IGNORE would ignore values that do not fit as well.
        return plain.on_duplicate_key_update(new if replace else {keys[0]: table.c[keys[0]]})
    made = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    if not replace:
        return made.on_conflict_do_nothing(index_elements=keys)
    return made.on_conflict_do_update(index_elements=keys, set_={name: made.excluded[name] for name in values})
