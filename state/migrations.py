"""How a database comes from any earlier schema to the newest: an append-only list, applied under a lock.

A step may meet its own half-done work (MariaDB commits each DDL statement at once), so every step checks first.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from sqlalchemy import Column, Connection, Engine, MetaData, PrimaryKeyConstraint, Table, func, inspect, select, text

from . import tables
from .engine import shown, writing
from .errors import StoreError
from .tables import metadata, versions

LOCK = "SELECT pg_advisory_lock(7305417662)"
UNLOCK = "SELECT pg_advisory_unlock(7305417662)"
NAMED_LOCK = "SELECT get_lock(concat('ponder_', md5(database())), 60)"
NAMED_UNLOCK = "SELECT release_lock(concat('ponder_', md5(database())))"


Step = Callable[[Connection], None]


def create(*names: str) -> Step:
    """Return the step that creates tables, those that are not there."""
    return partial(metadata.create_all, tables=[metadata.tables[name] for name in names])


def index_recent_threads(connection: Connection) -> None:
    """Let the newest threads be listed without reading checkpoints."""
    name = "ponder_recent"
    if name not in {index["name"] for index in inspect(connection).get_indexes("ponder_checkpoints")}:
        connection.execute(text(f"CREATE INDEX {name} ON ponder_checkpoints (ns, thread, id)"))


def extend_lists(connection: Connection) -> None:
    """Let a list that has grown be stored as what is new in it."""
    known = {column["name"] for column in inspect(connection).get_columns("ponder_blobs")}
    for name in ("prior", "base"):
        if name not in known:
            kind = tables.Key.compile(connection.dialect)
            connection.execute(text(f"ALTER TABLE ponder_blobs ADD COLUMN {name} {kind}"))


def forget_absent_values(connection: Connection) -> None:
    """Drop the rows of channels' versions without a value: such a version has no row."""
    connection.execute(tables.blobs.delete().where(tables.blobs.c.type == "absent"))


def slim_indexes(connection: Connection) -> None:
    """Leave out of indexes what nobody looks up: each is a page that every checkpoint writes.

    Few checkpoints have a run; on SQLite the primary key's own index serves to list the newest threads.
    """
    known = {index["name"] for index in inspect(connection).get_indexes("ponder_checkpoints")}
    if connection.dialect.name in {"sqlite", "postgresql"} and "ponder_runs" not in known:
        connection.execute(text("CREATE INDEX ponder_runs ON ponder_checkpoints (run) WHERE run IS NOT NULL"))
        connection.execute(text("DROP INDEX ix_ponder_checkpoints_run"))
    if connection.dialect.name == "sqlite":
        connection.execute(text("DROP INDEX IF EXISTS ponder_recent"))


def sort_values_by_step(connection: Connection) -> None:
    """Let the values that a step makes stand together in SQLite's key, so that it writes one page and not several."""
    if connection.dialect.name != "sqlite":
        return
    old, names = tables.blobs, [column.name for column in tables.blobs.columns]
    columns = [Column(column.name, column.type, nullable=column.nullable) for column in old.columns]
    key = PrimaryKeyConstraint("thread", "ns", "version", "channel")
    new = Table("ponder_values", MetaData(), *columns, key)
    new.create(connection)
    connection.execute(new.insert().from_select(names, select(old)))
    old.drop(connection)
    connection.execute(text(f"ALTER TABLE {new.name} RENAME TO {old.name}"))


MIGRATIONS: tuple[Step, ...] = (
    create("ponder_versions", "ponder_checkpoints", "ponder_blobs", "ponder_writes"),
    create("ponder_leases"),
    index_recent_threads,
    create("ponder_journal"),
    extend_lists,
    forget_absent_values,
    slim_indexes,
    sort_values_by_step,
    create("ponder_spending"),
)
"""Only ever append; a table that has landed changes by a new step."""
NEWEST = len(MIGRATIONS)


def migrate(engine: Engine) -> None:
    """Bring a database to the newest schema; safe when several processes do so at once.

    Raises:
        StoreError: the database has a schema from a newer ponder.

    """
    with engine.connect() as connection, locked(connection), writing(connection):
        found = schema_of(connection)
        if found > NEWEST:
            raise StoreError(f"store {shown(engine)} has schema {found}, this ponder knows {NEWEST}: upgrade ponder")
        for number, step in enumerate(MIGRATIONS[found:], start=found + 1):
            step(connection)
            connection.execute(versions.insert().values(version=number))


def schema_of(connection: Connection) -> int:
    """Return the number of the last step applied, 0 for an empty database."""
    if not inspect(connection).has_table(versions.name):
        return 0
    return connection.scalar(select(func.max(versions.c.version))) or 0


@contextmanager
def locked(connection: Connection) -> Iterator[None]:
    """Keep other processes out; SQLite's write transaction does so by itself."""
    if connection.dialect.name == "sqlite":
        yield
        return
    take, give = (LOCK, UNLOCK) if connection.dialect.name == "postgresql" else (NAMED_LOCK, NAMED_UNLOCK)
    if connection.scalar(text(take)) == 0:
        raise StoreError("another process has been migrating the store for a minute: try again")
    connection.commit()
    try:
        yield
    finally:
        connection.execute(text(give))
        connection.commit()
