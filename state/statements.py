"""The hot path: SQLAlchemy writes a statement once, and the driver's cursor runs it on SQLAlchemy's connection.

To compile it each time, or to run it SQLAlchemy's own way, takes longer than the database does.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from sqlalchemy import Connection, Delete, Dialect, Insert, Table, Update, bindparam
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from sqlalchemy import CompoundSelect, Select

    Query = Select[*tuple[Any, ...]] | CompoundSelect[*tuple[Any, ...]]

DIRECT = {"pysqlite", "psycopg", "pymysql"}
"""Drivers that return bytes as bytes and text as text."""
ROWS_IN_ONE, BYTES_IN_ONE = 32, 1_000_000
"""Of one insert statement."""
AT_ONCE = 12
"""Rows of several tables in one statement; more of them are worth more statements, and each number is another text."""


class Rows(NamedTuple):
    """Rows to insert in a table; of those that are there already, replace or keep the old ones."""

    table: Table
    rows: Sequence[Mapping[str, Any]]
    replace: bool = False


class Written(NamedTuple):
    """A statement in a database's own words."""

    text: str
    names: Sequence[str] | None
    """Of its parameters, where their order counts."""
    constants: Mapping[str, Any]

    def values(self, given: Mapping[str, Any]) -> Sequence[Any] | Mapping[str, Any]:
        """Put parameters as the driver wants them."""
        values = {**self.constants, **given}
        return values if self.names is None else tuple(values[name] for name in self.names)


class Insertion(NamedTuple):
    """A statement that inserts so many rows."""

    text: str
    order: Sequence[tuple[int, str]]
    """Row and column of each parameter."""
    names: Sequence[str]
    """Of the parameters, where the driver wants them."""

    def values(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Any] | Mapping[str, Any]:
        """Put rows as the driver wants them."""
        values = [rows[row].get(column) for row, column in self.order]
        return dict(zip(self.names, values, strict=True)) if self.names else tuple(values)


def drive(connection: Connection, text: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
    """Have the driver run a statement, and return the rows."""
    cursor, options = cursor_of(connection)
    try:
        cursor.execute(text, values, **options)
        return list(cursor.fetchall()) if cursor.description else []
    except connection.dialect.loaded_dbapi.Error as error:
        raise explained(connection, error) from error
    finally:
        cursor.close()


def cursor_of(connection: Connection) -> tuple[Any, dict[str, bool]]:
    """Open a cursor; psycopg's kind that takes a text as it is, and brings bytes as bytes and not as digits."""
    if connection.dialect.driver != "psycopg":
        return connection.connection.cursor(), {}
    return connection.dialect.loaded_dbapi.RawCursor(connection.connection.driver_connection), {"binary": True}


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
    """Run a query; a driver that may return other types than those asked for is left to SQLAlchemy."""
    if connection.dialect.driver not in DIRECT:
        return list(connection.execute(query, given))
    written = compiled(numbering(connection.dialect), query)
    return drive(connection, written.text, written.values(given))


def change(connection: Connection, statement: Insert | Update | Delete, given: Mapping[str, Any]) -> None:
    """Run a statement that changes rows."""
    written = compiled(numbering(connection.dialect), statement)
    drive(connection, written.text, written.values(given))


@lru_cache(maxsize=512)
def compiled(dialect: Dialect, statement: "Query | Insert | Update | Delete") -> Written:
    """Write a statement once."""
    made = statement.compile(dialect=dialect)
    return Written(str(made), made.positiontup, made.params)


def numbering(dialect: Dialect) -> Dialect:
    """Return a dialect that numbers parameters for psycopg, which would look for named ones in a text each time.

    It is one for all engines: what was written for one of them need not be written again.
    """
    return numbered() if dialect.driver == "psycopg" else dialect


@lru_cache
def numbered() -> Dialect:
    """Make it."""
    return PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


def insert(connection: Connection, kinds: Sequence[Rows]) -> None:
    """Insert rows of several kinds; a few of them, on a database that can, in a single statement."""
    filled = [Rows(kind.table, distinct(kind), kind.replace) for kind in kinds if kind.rows]
    if connection.dialect.name == "postgresql" and is_few(filled):
        insert_at_once(connection, filled)
        return
    for table, rows, replace in filled:
        for portion in portions(rows):
            insert_at_once(connection, [Rows(table, portion, replace)])


def distinct(kind: Rows) -> Sequence[Mapping[str, Any]]:
    """Leave out rows that others replace: PostgreSQL refuses a statement that replaces a row twice."""
    if not kind.replace or len(kind.rows) == 1:
        return kind.rows
    keys = [column.name for column in kind.table.primary_key]
    return list({tuple(row[name] for name in keys): row for row in kind.rows}.values())


def is_few(kinds: Sequence[Rows]) -> bool:
    """Say whether rows may be inserted in a single statement."""
    rows = [row for kind in kinds for row in kind.rows]
    return 0 < len(rows) <= AT_ONCE and sum(map(length, rows)) <= BYTES_IN_ONE


def insert_at_once(connection: Connection, kinds: Sequence[Rows]) -> None:
    """Insert rows in a single statement."""
    made = insertion(
        numbering(connection.dialect), tuple((table, replace, len(rows)) for table, rows, replace in kinds)
    )
    drive(connection, made.text, made.values([row for kind in kinds for row in kind.rows]))


def portions(rows: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[Mapping[str, Any]]]:
    """Cut rows into what one statement may hold: so many of them, and so many bytes (MariaDB takes 16 MiB)."""
    portion: list[Mapping[str, Any]] = []
    size = 0
    for row in rows:
        if portion and (len(portion) == ROWS_IN_ONE or size + length(row) > BYTES_IN_ONE):
            yield portion
            portion, size = [], 0
        portion.append(row)
        size += length(row)
    if portion:
        yield portion


def length(row: Mapping[str, Any]) -> int:
    """Return about how many bytes a row has."""
    return len(row.get("data") or row.get("body") or b"")


@lru_cache(maxsize=1024)
def insertion(dialect: Dialect, kinds: tuple[tuple[Table, bool, int], ...]) -> Insertion:
    """Write the statement for so many rows of each kind once."""
    parts: list[Insert] = []
    first = 0
    for table, replace, count in kinds:
        names = [column.name for column in table.columns]
        rows: list[Any] = [{name: bindparam(f"{name}_{row}") for name in names} for row in range(first, first + count)]
        parts.append(upsert(dialect.name, table, replace).values(rows))
        first += count
    last = parts.pop()
    if parts:
        last = last.add_cte(*(part.cte(f"part_{number}") for number, part in enumerate(parts)))
    made = last.compile(dialect=dialect)
    named = made.positiontup or list(made.params)
    order = [(int(row), name) for name, _, row in (each.rpartition("_") for each in named)]
    return Insertion(str(made), order, () if made.positiontup else named)


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
