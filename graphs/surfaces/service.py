"""What the endpoint does for one request: find out what is asked, run it within the key's budget, and count it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from ...nodes.events import Event
from ...nodes.flight import among
from ...nodes.gate import at_worst
from ...nodes.ports import Verifier
from ...nodes.route import check_text
from ...nodes.tally import tallying
from ...nodes.view import View
from ...state.budget import Budget, Call, Spent
from ...state.errors import UsageError
from ...state.run import Answer, Problem
from ...state.settings import Settings
from ..app import Setup, as_verifier, prepare
from ..models import ModelLike
from ..origin import origin_of
from ..solver import Run, new_thread
from ..stores import Saver, held, opened
from .keys import Bill, Keys
from .wire import Asked

if TYPE_CHECKING:
    from ...state.checkpointer import SQLAlchemySaver

PATIENCE_SECONDS = 5.0
"""The longest that a server which stops waits for answers it has cancelled."""

Found = list[tuple[Problem, Answer]]
Tell = Callable[[Event], None]


@dataclass(frozen=True)
class Operator:
    """What whoever runs the server has decided."""

    model: ModelLike | None = None
    base_url: str | None = None
    store: str | None = None
    """Where runs are kept; None: nowhere."""
    keys: tuple[str, ...] = ()
    per_key: Budget = field(default_factory=Budget)
    """What each key may spend: with a store in all, else while the server runs."""
    per_request: Settings = field(default_factory=Settings)
    """Settings where a request has none, and the most that its budget and its `max_tokens` may be."""
    verifiers: tuple[str, ...] = ()
    """Specs that a request may name; they may run code, so none is allowed unless it stands here."""
    most_bytes: int = 4 * 2**20
    """Of one request."""
    most_requests: int = 512
    """At once."""


@dataclass
class Service:
    """Answers requests."""

    operator: Operator
    keys: Keys = field(init=False)
    flying: int = 0
    """Requests under way."""
    answering: "set[asyncio.Task[Any]]" = field(default_factory=set)
    """Those that are answered; one that is cut off goes on until it is counted."""
    saver: Saver | None = None
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    verifiers: dict[str, Verifier | None] = field(init=False)
    """Spec -> the verifier that a request may name by it."""

    def __post_init__(self) -> None:
        """Open the accounts, and make the verifiers."""
        self.verifiers = {spec: as_verifier(spec) for spec in self.operator.verifiers}
        self.keys = Keys.of(self.operator.keys, self.operator.per_key)

    async def open(self) -> None:
        """Open the store."""
        if self.operator.store:
            opening = await asyncio.to_thread(opened, self.operator.store)
            self.saver = await self.stack.enter_async_context(opening)
            await self.keys.restore(cast("SQLAlchemySaver", self.saver))

    async def close(self) -> None:
        """Close it, when what the server has cancelled is counted and saved."""
        if self.answering:
            await asyncio.wait(self.answering, timeout=PATIENCE_SECONDS)
        await self.stack.aclose()

    def made(self, asked: Asked) -> tuple[Problem, Setup]:
        """Return the problem of a request, and what its runs are made with.

        Raises:
            UsageError: something of it cannot be used, or is not the request's to set.

        """
        problem, verifier = asked.problem(), asked.verifier
        check_text(problem)
        if verifier is not None and verifier not in self.verifiers:
            allowed = ", ".join(map(repr, self.verifiers)) or "none"
            raise UsageError(f"verifier {verifier[:80]!r} is not allowed here; the operator allows {allowed}")
        checker = None if verifier is None else self.verifiers[verifier]
        settings = asked.settings(problem, self.operator.per_request)
        if asking := settings.may_ask:
            raise UsageError(f"{asking} cannot be used here: nobody waits at a server to be asked")
        return problem, prepare(
            self.operator.model, verifier=checker, base_url=self.operator.base_url, **settings.chosen
        )

    def check(self, asked: Asked) -> None:
        """Refuse what cannot be run.

        Raises:
            UsageError: something of it cannot be used.

        """
        problem, setup = self.made(asked)
        setup.under(setup.settings.budget.share(asked.n or 1)).check(problem)

    async def answer(self, asked: Asked, authorization: str, tell: Tell = lambda _: None) -> Found:
        """Run what a request asks; one that is cut off is charged for the calls it has made."""
        account, count = self.keys.account(authorization), asked.n or 1
        problem, setup = self.made(asked)
        each = setup.under(setup.settings.budget.share(count))
        view = each.checks.view("begin", {"problem": problem, "settings": each.settings})
        billed = account.billed(setup.settings.budget, most_calls(view) * count, first_call(view), count)
        with among(self.answering, cast("asyncio.Task[Any]", asyncio.current_task())), billed as bill:
            own = setup.under(bill.budget.share(count))
            runs = [self.run(own, problem, asked.verifier, noted(bill, index, tell)) for index in range(count)]
            with tallying() as made:
                try:
                    answers = await together(runs)
                finally:
                    bill.settled = Spent.of(made)
        return [(problem, answer) for answer in answers]

    async def run(self, setup: Setup, problem: Problem, verifier: str | None, tell: Tell) -> Answer:
        """Run one problem; with a store it can be resumed by its thread."""
        settled = setup.settings.model_dump_json(exclude_unset=True)
        origin = origin_of(self.operator.model, self.operator.base_url, verifier, settled)
        run = Run(setup, self.saver, new_thread(), origin, tell)
        if self.saver is None:
            return await run.go({"problem": problem})
        async with held(self.saver, run.thread_id):
            return await run.go({"problem": problem})


def first_call(view: View) -> Call:
    """Return a run's first call, at its worst case."""
    return at_worst(view, view.call("sample", 0))


def most_calls(view: View) -> int:
    """Return the most calls that a run can make; `direct` makes one and lets it be graded, each tried again."""
    settings = view.settings
    if settings.policy == "direct":
        return 2 * (1 + settings.retries) + settings.write_tests
    return max(view.allowed, settings.sample_cap)


async def together(runs: Sequence[Coroutine[Any, Any, Answer]]) -> list[Answer]:
    """Run several at once; where one fails, the others are cancelled."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run) for run in runs]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


def noted(bill: Bill, run: int, tell: Tell) -> Tell:
    """Return what takes an event in for the bill and hands it on."""

    def note(event: Event) -> None:
        bill.note(run, event)
        tell(event)

    return note


async def told_alive(work: "asyncio.Task[Found]", progress: "asyncio.Queue[str]", every: float) -> AsyncIterator[str]:
    """Yield comments of a stream of server-sent events until the work is done: progress, or a sign of life."""
    getting = asyncio.ensure_future(progress.get())
    try:
        while True:
            done, _ = await asyncio.wait({work, getting}, timeout=every, return_when=asyncio.FIRST_COMPLETED)
            if getting in done:
                yield f": {getting.result()}\n\n"
                getting = asyncio.ensure_future(progress.get())
            elif work in done:
                return
            else:
                yield ": still thinking\n\n"
    finally:
        getting.cancel()


def line(event: Event) -> str:
    """Write an event as the comment of a stream; nothing of the problem or the answers is in it."""
    about = event.model_dump(include={"branch", "reason"})
    counted = {"calls": len(event.calls)} if event.type == "budget" else {}
    return f"ponder {event.type} {json.dumps(about | counted)}"
