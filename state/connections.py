"""The connections of one engine: to read from, and to write on."""

import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from sqlalchemy import Connection, Engine
from sqlalchemy.pool import StaticPool

from .engine import translated, writing

KEPT = 8
"""Connections that stay open: to check one out of SQLAlchemy's pool takes as long as SQLite does for a read."""


class Connections:
    """Lends connections, on SQLite one at a time to writers, so that none waits in the database."""

    def __init__(self, engine: Engine, *, keep: bool) -> None:
        self.engine = engine
        single = engine.dialect.name == "postgresql"  # to begin and to commit are journeys to the server there
        self.single = engine.execution_options(isolation_level="AUTOCOMMIT") if single else None
        """Of whose connections each statement is a transaction by itself."""
        self.most = KEPT if keep else 0
        self.renew()

    def renew(self) -> None:
        """Begin without connections: a process that was forked must not touch its parent's."""
        self.pid = os.getpid()
        self.kept: deque[Connection] = deque()
        self.writing = threading.Lock() if self.engine.dialect.name == "sqlite" else nullcontext()
        self.reading = self.writing if isinstance(self.engine.pool, StaticPool) else nullcontext()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Lend a connection to read from."""
        with self.here().reading, translated(self.engine), self.lent(self.single) as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self, *, alone: bool = False) -> Iterator[Connection]:
        """Lend a connection in a transaction that writes; what is `alone` may come down to one statement."""
        if alone and self.single:
            with self.here().reading, translated(self.engine), self.lent(self.single) as connection:
                yield connection
        else:
            with self.here().writing, translated(self.engine), self.lent() as connection, writing(connection):
                yield connection

    def here(self) -> "Connections":
        """Return these connections, new ones in a process that was forked."""
        if self.pid != os.getpid():
            self.engine.dispose(close=False)
            self.renew()
        return self

    @contextmanager
    def lent(self, engine: Engine | None = None) -> Iterator[Connection]:
        """Lend a connection that was kept, or another one, and keep it unless there was an error."""
        try:
            connection = self.kept.pop()
        except IndexError:
            connection = (engine or self.engine).connect()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        if len(self.kept) < self.most:
            self.kept.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Let go of the database."""
        while self.kept:
            self.kept.pop().close()
        self.engine.dispose()
