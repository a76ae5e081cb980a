"""A database, and the threads that work on it.

Work is done synchronously on a connection; async methods hand it to threads of the store's own, so that no event loop
ever waits for a database.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, Self, TypeVar

from sqlalchemy import Connection, Engine

from .connections import Connections
from .engine import engine_of, ping, translated, twice
from .migrations import migrate
from .workers import Workers, do
from .writer import Work, Writer

if TYPE_CHECKING:  # needs greenlet, which only asynchronous engines bring
    from sqlalchemy.ext.asyncio import AsyncEngine

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 8
"""Of one store: reads run beside each other and beside the writers."""
WRITERS = 2
"""On a server: more of them only make smaller groups. SQLite has one."""


class Store:
    """Reads and writes in a SQL database, from any thread and loop.

    Tables are created on first use. Close it, or use it as `with` or `async with`.
    """

    def __init__(self, engine: "Engine | AsyncEngine | str") -> None:
        self.engine = engine_of(engine)
        one = self.engine.dialect.name == "sqlite"
        # An engine that is given may have fewer connections than are kept.
        self.connections = Connections(self.engine, keep=one and not isinstance(engine, Engine))
        self.opening = threading.Lock()
        self.ready = threading.Event()
        self.workers = Workers("ponder-store", THREADS)
        self.writer = Writer(self.write, 1 if one else WRITERS, joins=self.connections.single is not None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def close(self) -> None:
        """Wait for what is being written, and let go of the database."""
        self.writer.close()
        self.workers.close()
        self.connections.close()

    async def aclose(self) -> None:
        """Close without blocking the loop."""
        await asyncio.get_running_loop().run_in_executor(None, self.close)

    def setup(self) -> None:
        """Create the tables; called by itself on first use."""
        with self.opening:
            if not self.ready.is_set():
                with translated(self.engine):
                    migrate(self.engine)
                self.ready.set()

    async def asetup(self) -> None:
        await self.threaded(self.setup)

    def opened(self) -> AbstractContextManager[Connection]:
        """Open a connection to read from."""
        if not self.ready.is_set():
            self.setup()
        return self.connections.read()

    def begun(self, *, alone: bool = False) -> AbstractContextManager[Connection]:
        """Open a transaction that writes; what is `alone` may come down to one statement."""
        if not self.ready.is_set():
            self.setup()
        return self.connections.write(alone=alone)

    def read(self, work: Work[T]) -> T:
        """Read; once more where the server had cut the connection."""
        return twice(self.opened, work)

    def write(self, work: Work[T], *, alone: bool = False) -> T:
        """Write in a transaction; once more where the server had cut the connection or broken a deadlock."""
        return twice(partial(self.begun, alone=alone), work)

    @contextmanager
    def reads(self) -> Iterator[Connection]:
        """Open a connection to read from, after one that was cut meanwhile has shown itself."""
        self.read(ping)
        with self.opened() as connection:
            yield connection

    @contextmanager
    def writes(self) -> Iterator[Connection]:
        """Open a transaction that writes, after a connection that was cut meanwhile has shown itself."""
        self.read(ping)
        with self.begun() as connection:
            yield connection

    async def threaded(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a synchronous method on a thread of the saver's own."""
        return await self.workers.ask(do, partial(function, *args, **kwargs))
