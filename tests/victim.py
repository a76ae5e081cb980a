"""What the crash tests run and kill: a solve on a store, by the solver or as a node of a graph with the store's saver.

`work` begins, or goes on where an earlier process was killed. `examine` reads what it has left in the store.
"""

import asyncio
import os
import signal
from collections import Counter
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Literal

import langchain_openai  # noqa: F401 - before the first fork, not after each
from langgraph.graph import END, START, StateGraph
from sqlalchemy import Connection, Engine, event, func, select
from typing_extensions import TypedDict

from ponder.graphs import aresume, asolve, create_ponder
from ponder.state import Answer, SQLAlchemySaver, ThreadNotFound
from ponder.state.codec import Codec, stored_apart
from ponder.state.rows import Found, Typed
from ponder.state.tables import blobs, checkpoints, digest, journal, leases, writes
from tests.oracle import digests_in

Surface = Literal["solver", "parent", "sync", "async"]
"""`solve` and `resume`; or a graph around ponder: with LangGraph's default durability, or with that."""

PROBLEM = "How many apples are left?"
OPTIONS: dict[str, Any] = {"assessor": "fixed:10", "max_samples": 12, "max_iterations": 3, "max_tokens": 64}
"""A compute budget of 100 calls for a short run: no cap is met, however many calls are lost."""


@dataclass(frozen=True)
class Work:
    """One run: where, what, and from which seed."""

    store: str
    url: str
    policy: str
    surface: Surface
    seed: int
    thread: str


class Around(TypedDict, total=False):
    """The state of a graph around ponder."""

    problem: str
    answer: Answer


Kind = Literal["time", "statement", "journal"]
"""How moments to die at are counted: in seconds; inside the database, before and after each statement and at each
commit; or as soon as the outcome of a call is journaled, when its task has not been written yet."""


@dataclass(frozen=True)
class Done:
    """A run that has come to its end."""

    answer: Answer
    moments: Counter[str]
    """How many of each kind the process has passed."""


@dataclass
class Fuse:
    """Kills its own process at a moment of a kind that has a number, and counts them."""

    kind: Kind = "time"
    number: int = 0
    moments: Counter[str] = field(default_factory=Counter)
    settling: bool = False
    settled: bool = False
    lock: Any = field(default_factory=Lock)

    def lay(self) -> None:
        """Watch every engine of the process."""
        event.listen(Engine, "before_cursor_execute", self.before)
        event.listen(Engine, "after_cursor_execute", self.after)
        event.listen(Engine, "commit", self.commit)

    def before(self, *_: object) -> None:
        self.tick("statement")
        if self.settled:
            self.settled = False
            self.tick("journal")

    def after(self, connection: Connection, cursor: object, statement: str, *_: object) -> None:
        self.tick("statement")
        self.settling |= statement.startswith("UPDATE ponder_journal")

    def commit(self, connection: Connection) -> None:
        self.tick("statement")
        self.settled, self.settling = self.settled or self.settling, False

    def tick(self, kind: Kind) -> None:
        with self.lock:
            self.moments[kind] += 1
            if (kind, self.moments[kind]) == (self.kind, self.number):
                os.kill(os.getpid(), signal.SIGKILL)


def work(given: Work, fuse: Fuse | None = None) -> Done:
    """Solve, or go on."""
    fuse = fuse or Fuse()
    fuse.lay()
    answer = asyncio.run(by_solver(given) if given.surface == "solver" else by_graph(given))
    return Done(answer, fuse.moments)


async def by_solver(given: Work) -> Answer:
    try:
        return await aresume(given.thread, store=given.store)
    except ThreadNotFound:
        return await asolve(
            PROBLEM,
            model="openai:fake",
            base_url=given.url,
            store=given.store,
            thread_id=given.thread,
            policy=given.policy,
            seed=given.seed,
            **OPTIONS,
        )


def reword(state: Around) -> Around:
    """Stand before ponder in a graph."""
    return {"problem": PROBLEM}


async def by_graph(given: Work) -> Answer:
    ponder = create_ponder("openai:fake", base_url=given.url, policy=given.policy, seed=given.seed, **OPTIONS)
    around = StateGraph(Around)
    around.add_node("reword", reword)
    around.add_node("ponder", ponder)
    around.add_edge(START, "reword")
    around.add_edge("reword", "ponder")
    around.add_edge("ponder", END)
    options: dict[str, Any] = {} if given.surface == "parent" else {"durability": given.surface}
    async with SQLAlchemySaver.from_conn_string(given.store) as saver:
        graph = around.compile(checkpointer=saver)
        config: Any = {"configurable": {"thread_id": given.thread}}
        begun = await saver.aget_tuple(config) is not None
        return (await graph.ainvoke(None if begun else {"problem": ""}, config, **options))["answer"]


@dataclass(frozen=True)
class Left:
    """What the store holds of a thread."""

    ended: frozenset[str]
    """Digests of the requests whose replies are journaled."""
    cut: int
    """Calls that were begun and whose end nobody knows."""
    orphans: Counter[str]
    """Rows by table that nothing refers to."""


def examine(store: str, thread: str, *, delete: bool = False) -> Left:
    """Read what a run has left; then, with `delete`, forget the thread and count what is left all the same."""
    with SQLAlchemySaver.from_conn_string(store) as saver:
        with saver.reads() as connection:
            data = select(journal.c.type, journal.c.data).where(journal.c.thread == digest(thread))
            rows = connection.execute(data).all()
            ended = [saver.codec.load(Typed(row.type, row.data)) for row in rows if row.type is not None]
            found = orphans(connection, saver.codec, thread)
        if delete:
            saver.delete_thread(thread)
            with saver.reads() as connection:
                found += remains(connection, thread)
    told = frozenset(key for asked in ended for key in digests_in(asked.reply.text if asked.reply else ""))
    return Left(told, len(rows) - len(ended), found)


def orphans(connection: Connection, codec: Codec, thread: str) -> Counter[str]:
    """Count rows that nothing refers to."""
    mine = {table: table.c.thread == digest(thread) for table in (checkpoints, blobs, writes, journal, leases)}
    kept = connection.execute(select(checkpoints).where(mine[checkpoints])).all()
    named = {(row.ns, row.id) for row in kept}
    roots = {row.id for row in kept if row.ns == digest("")}
    used = {
        (row.ns, *key) for row in kept for key in stored_apart(codec.body_of(Found._make(row))["checkpoint"]).values()
    }
    values = connection.execute(select(blobs).where(mine[blobs])).all()
    used |= {(row.ns, row.channel, version) for row in values for version in (row.prior, row.base) if version}
    return Counter(
        journal=sum(row.root not in roots for row in connection.execute(select(journal.c.root).where(mine[journal]))),
        blobs=sum((row.ns, row.channel, row.version) not in used for row in values),
        writes=sum(
            (row.ns, row.checkpoint) not in named
            for row in connection.execute(select(writes.c.ns, writes.c.checkpoint).where(mine[writes]))
        ),
        leases=connection.scalar(select(func.count()).select_from(leases).where(mine[leases])) or 0,
    )


def remains(connection: Connection, thread: str) -> Counter[str]:
    """Count what a thread has left in every table."""
    mine = {table: table.c.thread == digest(thread) for table in (checkpoints, blobs, writes, journal, leases)}
    return Counter(
        {
            f"{table.name} after delete": connection.scalar(select(func.count()).select_from(table).where(here)) or 0
            for table, here in mine.items()
        }
    )
