"""Open the store: a SQLAlchemy engine from a URL, with errors that say what to do."""

import os
import sqlite3
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, Dialect, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SAWarning, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from .errors import StoreError
from .statements import drive

if TYPE_CHECKING:  # needs greenlet, which only asynchronous engines bring
    from sqlalchemy.ext.asyncio import AsyncEngine

T = TypeVar("T")

DRIVERS = {"postgresql": "postgresql+psycopg", "mariadb": "mariadb+pymysql", "mysql": "mysql+pymysql"}
"""Of URLs that name none."""
TWINS = {"asyncpg": "psycopg", "psycopg_async": "psycopg", "asyncmy": "pymysql", "aiomysql": "pymysql"}
"""Synchronous drivers to use for asynchronous ones: the saver's threads keep the loop free."""
PASSWORDS = ("password", "passwd", "sslpassword")
EXTRAS = {"psycopg": "postgres", "pymysql": "mariadb"}
POOL_SIZE = 8
PAGE_BYTES = 2048
"""Of a new SQLite file: a step changes about six pages, and waits until the disk has all of them."""
BUSY_SECONDS = 30
"""How long a SQLite writer waits for another process."""
PAUSE_SECONDS = 0.01
DEADLOCKS = {"40P01", "40001", 1213}
"""PostgreSQL's and MariaDB's codes: one transaction of several was given up, and may be tried again."""


def open_engine(given: str) -> Engine:
    """Make an engine; SQLite's file is created private, in a folder that must exist.

    Raises:
        StoreError: the URL, its driver or its path cannot be used.

    """
    try:
        url = make_url(given)
        engine = created(url)
    except NoSuchModuleError:
        kind = given.partition(":")[0]
        raise StoreError(f"store of kind {kind!r} is unknown: give a URL such as sqlite:///ponder.db") from None
    except (ArgumentError, ValueError):  # the second is a port that is no number, maybe a part of a password
        example = f"sqlite:///{given}" if given and masked(given) == given else "sqlite:///ponder.db"
        raise StoreError(f"store {masked(given)!r} is not a database URL: give one such as {example}") from None
    except ModuleNotFoundError as error:
        needed = f"ponder[{EXTRAS[error.name]}]" if error.name in EXTRAS else error.name
        raise StoreError(f"store {given.partition(':')[0]!r} needs a driver: install {needed}") from None
    event.listen(engine, "do_connect", partial(connect, url))
    return engine


def created(url: URL) -> Engine:
    """Make an engine; a parameter of the URL that SQLite's driver does not take SQLAlchemy would leave out."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", SAWarning)
        try:
            return sqlite_engine(url) if url.get_backend_name() == "sqlite" else server_engine(url)
        except SAWarning as warning:
            raise refused(url, warning) or warning from None


def connect(url: URL, dialect: Dialect, _: object, args: Sequence[Any], parameters: dict[str, Any]) -> Any:
    """Connect as SQLAlchemy would.

    Raises:
        StoreError: the driver does not take a parameter of the URL; says which.

    """
    try:
        return dialect.connect(*args, **parameters)
    except (TypeError, ValueError, dialect.loaded_dbapi.ProgrammingError) as error:
        raise refused(url, error) or error from None


def refused(url: URL, error: Exception) -> StoreError | None:
    """Say which parameter of a URL an error is about, if it is about one."""
    name = next((name for name in url.query if repr(name) in str(error) or f'"{name}"' in str(error)), None)
    if name is None:
        return None
    plain = hidden(url.set(query={}))
    return StoreError(
        f"store {plain!r}: its driver does not take the parameter {name!r} as it is given: "
        "correct it, or leave it out of the URL"
    )


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
    memory = not url.database or url.database == ":memory:"
    kept: dict[str, Any] = {"poolclass": StaticPool} if memory else {"pool_use_lifo": True, "max_overflow": -1}
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False}, **kept)
    if not memory:
        prepare_file(Path(url.database or ""))

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: object) -> None:
        connection.isolation_level = None  # a transaction begins where we say, not the driver
        connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
        write_ahead(connection)
        connection.execute("PRAGMA synchronous=FULL")  # what is committed survives a power cut

    return engine


def write_ahead(connection: sqlite3.Connection) -> None:
    """Give a file its write-ahead log; who does so beside another process is refused at once, whatever it waits for."""
    over = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > over:
                raise
            time.sleep(PAUSE_SECONDS)
        else:
            return


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
    """Return a URL without its password; of what is no URL, but may hold one, the kind."""
    try:
        return hidden(make_url(url))
    except (ArgumentError, ValueError):
        return f"{url.partition(':')[0]}:…" if set(url) & set("@:?") else url


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
    drive(connection, "SELECT 1")


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
            drive(connection, "BEGIN IMMEDIATE")
        yield
