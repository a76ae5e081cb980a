"""One model call, made as a task of its own: look into the journal, ask, time, settle in the ledger."""

import asyncio
import json
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

from langchain_core.messages import BaseMessage

from ..state.budget import CallKey, Usage, cost
from ..state.errors import ModelUnreachable
from ..state.form import PLAIN, Form
from ..state.pricing import Price, Prices, highest, price_of
from ..state.run import Asked
from ..state.settings import Settings
from .backoff import backoff
from .deadline import Deadline, sending
from .entry import begin, give_way
from .estimate import estimate
from .gate import at_worst
from .limits import Limits, Slot, Turn, limiter_for
from .ports import CallFailed, ChatModel, ModelPool, Reply, Request
from .prompts import form_for, prompt_for
from .reply import checked
from .tally import apart, count
from .task import Clock, Task, seed
from .telemetry import failed, replayed, watch_call
from .view import UNWANTED

NO_TIME = "no time was left before it could begin"


@dataclass(frozen=True)
class Caller:
    """A model, and what it costs: all that a step needs to make its calls."""

    model: ChatModel
    prices: Prices = field(default_factory=dict)

    @cached_property
    def price(self) -> Price | None:
        """What a token costs at most, whichever of several models answers; None where that is not known."""
        return highest(self.tariffs)

    @cached_property
    def pool(self) -> ModelPool | None:
        """Several models; None where there is one. To look whether an object has a protocol takes long."""
        return self.model if isinstance(self.model, ModelPool) else None

    @cached_property
    def members(self) -> tuple[str, ...]:
        """The names of several models; none where there is one."""
        return tuple(member.name for member in self.pool.members) if self.pool else ()

    @cached_property
    def tariffs(self) -> list[Price | None]:
        """The price of each of several models, or of the one; None where it is not known."""
        return [price_of(name, self.prices) for name in self.members or [self.model.name]]

    @property
    def unpriced(self) -> list[str]:
        """Those whose price is not known."""
        names = self.members or [self.model.name]
        return [name for name, price in zip(names, self.tariffs, strict=True) if price is None]

    @property
    def unlimited(self) -> list[str]:
        """Those that cannot be told how much they may write."""
        models = self.pool.members if self.pool else [self.model]
        return [model.name for model in models if not getattr(model, "is_limited", True)]

    async def begin(self, settings: Settings) -> None:
        """Wait until it is a new run's turn to begin; one whose seconds are limited begins at once."""
        if settings.budget.max_seconds is None:
            await begin(self.model.name, most_flying(self.model, settings))

    async def ask(self, task: Task) -> Asked:
        """Make the call when its turn has come, unless the journal knows its outcome.

        Raises:
            ModelUnreachable: no call can succeed now; the run stops here and can be resumed.

        """
        clock = Clock(task)
        async with Turn() as turn:
            try:
                async with task.flight.turn(clock.left()):
                    await pause(task)
                    await turn.near(slot(task, self.whose_turn(task)))
            except TimeoutError:
                return unmade(task, clock)
            finally:
                give_way()
            asked, stop = await self.once(task, clock, turn)
        # Its place is free by now: another call may need it to come down.
        if stop is None:
            return asked
        if await task.flight.answers():
            return replace(asked, call=asked.call.model_copy(update={"stopped": False, "retry_after": None}))
        raise stop

    def whose_turn(self, task: Task) -> ChatModel:
        """Return the model that is asked: of a pool, the one whose turn it is."""
        return self.pool.order(task.call.id, task.call.model)[0] if self.pool else self.model

    async def once(self, task: Task, clock: Clock, turn: Turn) -> tuple[Asked, ModelUnreachable | None]:
        """Make the call, and write it down before and after, unless the journal knows its outcome.

        It is written down when its turn is near: fewer places are empty meanwhile. How it ended is kept also where it
        says that no call can succeed, since it was paid: a resumed run finds it, and makes the next attempt.
        """
        messages, form = prompt_for(task.view, task.call), form_for(task.view, task.call)
        if task.journal is None:
            return await self.tried(messages, form, task, clock, turn)
        key = self.key(messages, form, task)
        begun = await task.journal.begin(key)
        if not begun.first:
            turn.drop()
            return replayed(begun.asked or Asked(task.call.model_copy(update={"state": "lost"}))), None
        try:
            asked, stop = await self.tried(messages, form, task, clock, turn)
        except asyncio.CancelledError:
            await (task.journal.finish(key, Asked(clock.settle("lost"))) if turn.has_come else task.journal.forget(key))
            raise
        unpaid = asked.call.state == "unmade" or (stop is not None and not asked.call.stopped)
        await (task.journal.forget(key) if unpaid else task.journal.finish(key, asked))
        return asked, stop

    async def tried(
        self, messages: list[BaseMessage], form: Form, task: Task, clock: Clock, turn: Turn
    ) -> tuple[Asked, ModelUnreachable | None]:
        """Make the call; where it says that no call can succeed, return that beside how it ended."""
        try:
            asked = await self.in_turn(messages, form, task, clock, turn)
        except ModelUnreachable as error:
            return Asked(clock.settle("failed", error=str(error))), error
        return asked, ModelUnreachable(asked.call.error) if asked.call.stopped else None

    async def in_turn(self, messages: list[BaseMessage], form: Form, task: Task, clock: Clock, turn: Turn) -> Asked:
        """Make the call when its turn has come; its place is free again while its outcome is written down.

        One that may now cost more than was reserved for it is not made, but admitted anew: another model goes on.
        """
        if self.is_dearer(task):
            return Asked(clock.settle("unmade", error="it may cost more US dollars than were reserved for it"))
        try:
            async with task.flight.turn(clock.left()):
                await turn.come()
        except TimeoutError:
            return unmade(task, clock)
        call, view = task.call, task.view
        sampling = call.temperature, call.max_tokens, seed(task), view.settings.call_timeout
        shared = 1 if call.attempt else view.settings.n
        request = Request(*sampling, call.id, call.model, call.kind, form, shared, partial(hand_over, task, turn))
        try:
            with watch_call(call, self.whose_turn(task).name, messages, request) as settled:
                asked = settled(await self.make(messages, request, task, clock, turn))
        except asyncio.CancelledError:
            if turn.has_come:
                count(call.model_copy(update={"state": "lost"}))
            raise
        count(asked.call)
        turn.settle(cost(asked.call))
        return asked

    async def make(self, messages: list[BaseMessage], request: Request, task: Task, clock: Clock, turn: Turn) -> Asked:
        """Make the call within its time, and settle it; a failure is data."""
        seconds, deadline = clock.timeout(), Deadline(task.view.settings.call_timeout, clock.left())

        async def ask() -> Reply:
            apart()
            return await self.model.generate(messages, request)

        generating = asyncio.ensure_future(deadline.over(ask))
        try:
            with task.flying(generating):
                async with deadline:
                    await generating
        except asyncio.CancelledError:
            if task.dropped(generating):
                return Asked(clock.settle("dropped", error="not awaited: the vote could not change any more"))
            if is_cancelled():
                if generating.cancelled():
                    turn.has_come = not deadline.never_left
                    raise
                cancel_later()
        except Exception:  # noqa: BLE001 - it is the call's own, and judged below, unless its time was over
            if deadline.limit.expired() and not has_come(generating):
                if deadline.unsent:
                    return Asked(clock.settle("unmade", error=NO_TIME))
                # Whether the server has answered, and charges for it, nobody knows.
                return Asked(clock.settle("lost", error=f"no reply within {seconds:g} s"))
        return self.outcome(generating, messages, request, task, clock)

    def outcome(
        self,
        generated: "asyncio.Future[Reply]",
        messages: list[BaseMessage],
        request: Request,
        task: Task,
        clock: Clock,
    ) -> Asked:
        """Settle a call that has ended by itself."""
        try:
            reply = checked(generated.result())
        except ModelUnreachable:
            task.flight.refused += 1
            raise
        except CallFailed as error:
            stops = error.unreachable and task.view.failures(task.call) >= task.view.settings.retries
            task.flight.refused += stops
            if stops and not error.sent:
                raise ModelUnreachable(str(error)) from error
            failed(task.call, error)
            wait = (error.retry_after or 0.0) if stops else error.retry_after
            about = {"error": str(error), "retry_after": wait, "stopped": stops}
            return Asked(clock.settle("failed", **about, **self.paid(error.usage or Usage(), error.model)))
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - calls beside it are paid, and would end
            failed(task.call, error)
            said = f"model {self.model.name!r} raised {type(error).__name__}: {error}"
            return Asked(clock.settle("failed", error=said, **self.paid(task.call.worst_usage)))
        said = reply.text + (json.dumps(reply.tool_calls) if reply.tool_calls else "")
        paid = self.paid(reply.usage or estimate(messages, request, said), reply.model)
        task.flight.answered += 1
        return Asked(clock.settle("done", **paid), reply)

    def paid(self, usage: Usage, model: str = "") -> dict[str, object]:
        """Return what a call has cost, also in US dollars: as the dearest, where none of a pool is named."""
        named = model or ("" if self.pool else self.model.name)
        price = (price_of(named, self.prices) if named else None) or self.price
        return {"usage": usage, "usd": None if price is None else price.of(usage)}

    def is_dearer(self, task: Task) -> bool:
        """Say whether a call may cost more US dollars than were reserved for it, where they are limited."""
        reserved = task.call.worst_usd
        if reserved is None or task.view.settings.budget.max_usd is None:
            return False
        now = at_worst(replace(task.view, price=self.price), task.call).worst_usd
        return now is None or now > reserved

    def key(self, messages: list[BaseMessage], form: Form, task: Task) -> CallKey:
        """Name the call in the journal."""
        call, said = task.call, [message.model_dump(exclude={"id"}) for message in messages]
        asked = [self.model.name, said, call.temperature, call.max_tokens, seed(task)]
        asked += [form.model_dump()] if form != PLAIN else []
        return CallKey(json.dumps([task.view.problem.epoch, call.id]), json.dumps(asked, default=str))


def slot(task: Task, model: ChatModel) -> Slot:
    """Return the call's place among those that all runs of the process make of a model."""
    settings = task.view.settings
    limits = Limits(most_flying(model, settings), settings.requests_per_minute, settings.tokens_per_minute)
    return limiter_for(model.name, limits).slot(task.call.worst_tokens)


def most_flying(model: ChatModel, settings: Settings) -> int | None:
    """Return how many calls of a model may be in flight.

    No more are made than a model in this process works on at once: what it has not begun is not lost with it.
    """
    known = [number for number in (settings.concurrency, getattr(model, "slots", None)) if number is not None]
    return min(known, default=None)


def has_come(generating: "asyncio.Future[Reply]") -> bool:
    """Say whether the reply is there."""
    return generating.done() and not generating.cancelled() and generating.exception() is None


def is_cancelled() -> bool:
    """Say whether it is the step that was cancelled, and not something within a model or a verifier."""
    step = asyncio.current_task()
    return step is not None and step.cancelling() > 0


def cancel_later() -> None:
    """Be cancelled at the next wait: until then what has come is on its way to the store."""
    if step := asyncio.current_task():
        step.uncancel()
        step.cancel()


def unmade(task: Task, clock: Clock) -> Asked:
    """Settle a call that did not begin."""
    return Asked(clock.settle("unmade", error=UNWANTED if task.flight.over else NO_TIME))


async def hand_over(task: Task, turn: Turn, model: ChatModel) -> None:
    """Wait for the call's turn at a model that stands in; meanwhile it is not late."""
    with sending() as sent:
        await turn.near(slot(task, model))
        await turn.come()
        sent()


async def pause(task: Task) -> None:
    """Wait before a call that has failed is tried again, as long as the server asked or longer each time."""
    failures = task.view.failures(task.call)
    if failures:
        await asyncio.sleep(backoff(failures, task.call.retry_after))
