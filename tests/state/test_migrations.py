"""From any earlier schema to the newest, with data in it; by two processes at once; and never backwards."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, inspect, text

from ponder.state import SQLAlchemySaver, StoreError
from ponder.state.engine import open_engine, writing
from ponder.state.migrations import MIGRATIONS, NEWEST
from ponder.state.serde import Serializer
from ponder.state.statements import Rows, insert
from ponder.state.tables import checkpoints, digest, encode, metadata, versions, writes
from tests.state.savers import TABLES, count, on, pending, put, values_of

ROOT = Path(__file__).parents[2]
BYTES = {"sqlite": "BLOB", "postgresql": "BYTEA", "mariadb": "VARBINARY(255)"}
FIRST_BLOBS = """CREATE TABLE ponder_blobs (thread {fixed} NOT NULL, ns {fixed} NOT NULL, channel {fixed} NOT NULL,
    version {key} NOT NULL, type VARCHAR(64) NOT NULL, data {long} NOT NULL,
    PRIMARY KEY (thread, ns, channel, version))"""


def first_schema(connection: Connection) -> None:
    """Create version 1 as it was: without what later steps brought."""
    kind = connection.dialect.name
    types = {
        "fixed": "BINARY(16)" if kind == "mariadb" else BYTES[kind],
        "key": BYTES[kind],
        "long": "LONGBLOB" if kind == "mariadb" else BYTES[kind],
    }
    metadata.create_all(connection, tables=[versions, checkpoints, writes])
    connection.execute(text(FIRST_BLOBS.format(**types)))
    connection.execute(versions.insert().values(version=1))


def first_data(connection: Connection) -> None:
    """Store a checkpoint as version 1 did: every value in a row, also those of channels that have none."""
    serde = Serializer()
    place = {"thread": digest("old"), "ns": digest("")}
    checkpoint = {
        "v": 4,
        "id": "1f0",
        "ts": "2026-01-01T00:00:00+00:00",
        "channel_values": {},
        "versions_seen": {},
        "channel_versions": {"items": "0001.5", "step": "0001.5", "gone": "0001.5"},
        "updated_channels": None,
    }
    type_, body = serde.dumps_typed({"checkpoint": checkpoint, "metadata": {"step": 3, "run_id": "r"}})
    rest = {"thread_id": b"old", "ns_name": b"", "run": digest("r"), "type": type_, "body": body}
    insert(connection, [Rows(checkpoints, [{**place, "id": b"1f0", "parent": None, **rest}])])
    values: dict[str, Any] = {"items": ["x" * 50] * 20, "step": 3}
    rows = [(name, *serde.dumps_typed(value)) for name, value in values.items()]
    for name, kind, data in [*rows, ("gone", "absent", b"")]:
        row = {**place, "channel": digest(name), "version": encode(json.dumps("0001.5")), "type": kind, "data": data}
        columns = ", ".join(row)
        marks = ", ".join(f":{column}" for column in row)
        connection.execute(text(f"INSERT INTO ponder_blobs ({columns}) VALUES ({marks})"), row)  # noqa: S608
    write = {"task_id": "task", "task_path": "", "channel": b"a", "type": "null", "data": b""}
    insert(connection, [Rows(writes, [{**place, "checkpoint": b"1f0", "task": digest("task"), "idx": 0, **write}])])


def shape(connection: Connection) -> dict[str, Any]:
    """Describe every table: columns, keys and indexes."""
    found = inspect(connection)
    return {
        name: (
            sorted((column["name"], str(column["type"]), column["nullable"]) for column in found.get_columns(name)),
            found.get_pk_constraint(name)["constrained_columns"],
            sorted((index["name"], index["column_names"]) for index in found.get_indexes(name)),
        )
        for name in metadata.tables
    }


def test_a_store_of_the_first_version_is_brought_to_the_newest_with_what_is_in_it(store: str) -> None:
    engine = open_engine(store)
    with engine.connect() as connection, writing(connection):
        first_schema(connection)
        first_data(connection)
    engine.dispose()
    with SQLAlchemySaver.from_conn_string(store) as saver:
        assert values_of(saver, on("old")) == {"items": ["x" * 50] * 20, "step": 3}
        assert pending(saver, on("old")) == [("task", "a", None)]
        assert count(saver, versions) == [NEWEST]
        put(saver, on("old", checkpoint_id="1f0"), {"items": ["x" * 50] * 21}, "0002.5")
        assert values_of(saver, on("old")) == {"items": ["x" * 50] * 21}
        assert count(saver) == [2, 3, 1]
        saver.delete_for_runs(["r"])
        assert count(saver) == [1, 2, 0]
        saver.delete_thread("old")
        assert count(saver, *TABLES) == [0, 0, 0, 0, 0]


def test_the_way_through_every_version_ends_where_an_empty_database_begins(store: str) -> None:
    engine = open_engine(store)
    with engine.connect() as connection, writing(connection):
        first_schema(connection)
    for number, step in enumerate(MIGRATIONS[1:], start=2):
        with engine.connect() as connection, writing(connection):
            step(connection)
            step(connection)  # MariaDB commits each statement: a step may find its own work done
            connection.execute(versions.insert().values(version=number))
    with engine.connect() as connection:
        walked = shape(connection)
        for table in reversed(metadata.sorted_tables):
            table.drop(connection)
        connection.commit()
    engine.dispose()
    with SQLAlchemySaver.from_conn_string(store) as saver, saver.reads() as connection:
        assert shape(connection) == walked


def test_a_newer_schema_is_refused_and_left_alone(store: str) -> None:
    with SQLAlchemySaver.from_conn_string(store) as saver:
        put(saver, on(), {"v": 1})
        with saver.writes() as connection:
            connection.execute(versions.insert().values(version=NEWEST + 1))
    with (
        pytest.raises(StoreError, match=f"has schema {NEWEST + 1}, this ponder knows {NEWEST}: upgrade ponder"),
        SQLAlchemySaver.from_conn_string(store) as older,
    ):
        older.get_tuple(on())


OPENING = """
import sys
from functools import partial
from ponder.state import SQLAlchemySaver
from tests.forks import fork
from tests.state.savers import on, put, values_of

def opened(name):
    with SQLAlchemySaver.from_conn_string(sys.argv[1]) as saver:
        put(saver, on(name), {"v": name})
        return values_of(saver, on(name))["v"]

print(*[process.result() for process in [fork(partial(opened, f"p{number}")) for number in range(4)]])
"""


def test_processes_that_open_an_empty_database_at_once_all_work(store: str) -> None:
    command = [sys.executable, "-c", OPENING, store]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("p0 p1 p2 p3\n", "")
    with SQLAlchemySaver.from_conn_string(store) as saver:
        assert sorted(saver.list_threads()) == ["p0", "p1", "p2", "p3"]
        assert count(saver, versions) == [NEWEST]
