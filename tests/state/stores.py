"""Stores to test on: a database of the test's own on each server that is there."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

KINDS = ("sqlite", "postgresql", "mariadb")
SERVERS = {
    "postgresql": "postgresql+psycopg://postgres@127.0.0.1:5432/test",
    "mariadb": "mariadb+pymysql://root@127.0.0.1:3306/test",
}
CREATE = {"postgresql": "CREATE DATABASE {}", "mariadb": "CREATE DATABASE {}"}
DROP = {"postgresql": "DROP DATABASE {} WITH (FORCE)", "mariadb": "DROP DATABASE {}"}


def run(kind: str, statement: str) -> None:
    """Run one statement on a server."""
    engine = create_engine(SERVERS[kind], isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 3})
    try:
        with engine.connect() as connection:
            connection.execute(text(statement))
    finally:
        engine.dispose()


def databases(kind: str, folder: Path) -> Iterator[str]:
    """Give the URL of an empty database, and drop it at the end; a missing server skips, in CI it fails."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/store.db"
        return
    name = f"ponder_{secrets.token_hex(6)}"
    try:
        run(kind, CREATE[kind].format(name))
    except Exception as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no {kind} here: {error}")
    try:
        yield SERVERS[kind].replace("+psycopg", "").replace("+pymysql", "").removesuffix("test") + name
    finally:
        run(kind, DROP[kind].format(name))
