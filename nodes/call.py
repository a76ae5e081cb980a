"""One model call, made as a task of its own: look into the journal, ask, time, settle in the ledger."""

import asyncio
import json
from dataclasses import dataclass, field, replace
from functools import cached_property

from langchain_core.messages import BaseMessage

from ..state.budget import CallKey, Usage, cost
from ..state.errors import ModelUnreachable
from ..state.form import PLAIN, Form
from ..state.run import Asked
from .backoff import backoff
from .caller import Caller, slot
from .deadline import Deadline, sending
from .entry import give_way
from .estimate import estimate
from .gate import at_worst
from .limits import Slot, Turn
from .ports import Begun, CallFailed, ChatModel, Reply, Request
from .prompts import form_for, prompt_for
from .reply import checked
from .tally import apart, count
from .task import Clock, Task, seed
from .telemetry import failed, replayed, watch_call
from .view import UNWANTED

UNAWAITED = "not awaited: the vote could not change any more"
NO_TIME = "no time was left before it could begin"


async def ask(caller: Caller, task: Task) -> Asked:
    """Make a call when its turn has come, unless the journal knows its outcome.

    Raises:
        ModelUnreachable: no call can succeed now; the run stops here and can be resumed.

    """
    go = task.flight.go
    async with Turn() as turn:
        asked, stop = await Exchange(caller, task, turn).lined_up()
    # Its place is free by now: another call may need it to come down.
    if stop is None:
        return asked
    if not go.stopped and await go.answers():
        return replace(asked, call=asked.call.model_copy(update={"stopped": False, "retry_after": None}))
    go.stop(str(stop))
    raise stop


@dataclass(eq=False)
class Exchange:
    """A request and its reply: it stands in line, is written down, is made, and is settled."""

    caller: Caller
    task: Task
    turn: Turn
    clock: Clock = field(init=False)

    def __post_init__(self) -> None:
        """Begin to wait."""
        self.clock = Clock(self.task)

    @cached_property
    def messages(self) -> list[BaseMessage]:
        """What is asked."""
        return prompt_for(self.task.view, self.task.call)

    @cached_property
    def form(self) -> Form:
        """What the reply is to look like."""
        return form_for(self.task.view, self.task.call)

    async def lined_up(self) -> tuple[Asked, ModelUnreachable | None]:
        """Make the call when its turn is near; beside how it ended, the error that says that none can succeed."""
        try:
            async with self.task.flight.turn(self.clock.left()):
                await self.pause()
                await self.turn.near(self.slot(self.caller.whose_turn(self.task.call)))
        except TimeoutError:
            return self.unmade(), None
        finally:
            give_way()
        return await self.written_down()

    async def pause(self) -> None:
        """Wait before a call that has failed is tried again, as long as the server asked or longer each time."""
        failures = self.task.view.failures(self.task.call)
        if failures:
            await asyncio.sleep(backoff(failures, self.task.call.retry_after))

    async def written_down(self) -> tuple[Asked, ModelUnreachable | None]:
        """Make the call, and write it down before and after, unless the journal knows its outcome.

        It is written down when its turn is near: fewer places are empty meanwhile. How it ended is kept also where it
        says that no call can succeed, since it was paid: a resumed run finds it, and makes the next attempt.
        """
        journal = self.task.journal
        if journal is None:
            return await self.heard()
        key = self.key()
        begun = await journal.begin(key)
        if not begun.first:
            self.turn.drop()
            return replayed(begun.asked or self.lost(begun)), None
        try:
            asked, stop = await self.heard()
        except asyncio.CancelledError:
            lost = Asked(self.clock.settle("lost"))
            await (journal.finish(key, lost) if self.turn.has_come else journal.forget(key))
            raise
        unpaid = asked.call.state == "unmade" or (stop is not None and not asked.call.stopped)
        await (journal.forget(key) if unpaid else journal.finish(key, asked))
        return asked, stop

    def lost(self, begun: Begun) -> Asked:
        """Settle a call that was cut off with its process: its seconds count as far as they can be known."""
        seconds = min(begun.seconds, self.task.view.settings.call_timeout)
        self.task.flight.cut_off = max(self.task.flight.cut_off, seconds)
        return Asked(self.task.call.model_copy(update={"state": "lost", "started": begun.at, "seconds": seconds}))

    async def heard(self) -> tuple[Asked, ModelUnreachable | None]:
        """Make the call; where it says that no call can succeed, return that beside how it ended."""
        try:
            asked = await self.in_turn()
        except ModelUnreachable as error:
            return Asked(self.clock.settle("failed", error=str(error), **self.caller.paid(Usage()))), error
        return asked, ModelUnreachable(asked.call.error) if asked.call.stopped else None

    async def in_turn(self) -> Asked:
        """Make the call when its turn has come; its place is free again while its outcome is written down.

        One that may now cost more than was reserved for it is not made, but admitted anew: another model goes on.
        """
        if self.is_dearer():
            return Asked(self.clock.settle("unmade", error="it may cost more US dollars than were reserved for it"))
        call, settings, messages = self.task.call, self.task.view.settings, self.messages
        sampling = call.temperature, call.max_tokens, seed(self.task), settings.call_timeout
        shared = 1 if call.attempt else settings.n
        request = Request(*sampling, call.id, call.model, call.kind, self.form, shared, self.hand_over)
        try:
            async with self.task.flight.turn(self.clock.left()):
                await self.come()
        except TimeoutError:
            return self.unmade()
        try:
            with watch_call(call, self.caller.whose_turn(call).name, messages, request) as settled:
                asked = settled(await self.make(request))
        except asyncio.CancelledError:
            if self.turn.has_come:
                count(call.model_copy(update={"state": "lost"}))
            raise
        count(asked.call)
        self.turn.settle(cost(asked.call))
        return asked

    async def come(self) -> None:
        """Wait until the turn has come; while it is open whether the run stops, others may have the place."""
        await self.turn.come()
        while self.task.flight.go.doubts:
            self.turn.drop()
            await self.task.flight.go.clear()
            await self.turn.near(self.slot(self.caller.whose_turn(self.task.call)))
            await self.turn.come()

    async def hand_over(self, model: ChatModel) -> None:
        """Wait for the call's turn at a model that stands in; meanwhile it is not late."""
        with sending() as sent:
            try:
                await self.turn.near(self.slot(model))
                await self.turn.come()
                sent()
            except BaseException:  # the call may have been left alone meanwhile: nobody else gives the place back
                self.turn.drop()
                raise

    async def make(self, request: Request) -> Asked:
        """Make the call within its time, and settle it; a failure is data."""
        seconds, deadline = self.clock.timeout(), Deadline(self.task.view.settings.call_timeout, self.clock.left())

        async def generate() -> Reply:
            apart()
            return await self.caller.model.generate(self.messages, request)

        generating = asyncio.ensure_future(deadline.over(generate))
        with self.task.flight.flying(deadline.limit) as airborne:
            try:
                async with deadline:
                    await deadline.come_down(generating)
            except asyncio.CancelledError:  # of the step, never the model's own
                if not generating.done() or generating.cancelled():
                    self.turn.has_come = not deadline.never_left
                    raise
                cancel_later()
            except TimeoutError:
                if deadline.broken_off and not has_come(generating):
                    if airborne.dropped:
                        return Asked(self.clock.settle("dropped", error=UNAWAITED))
                    if deadline.unsent:
                        return Asked(self.clock.settle("unmade", error=NO_TIME))
                    # Whether the server has answered, and charges for it, nobody knows.
                    return Asked(self.clock.settle("lost", error=f"no reply within {seconds:g} s"))
            return self.outcome(generating, request)

    def outcome(self, generated: "asyncio.Future[Reply]", request: Request) -> Asked:
        """Settle a call that has ended by itself."""
        call, flight, paid = self.task.call, self.task.flight, self.caller.paid
        try:
            reply = checked(generated.result())
        except ModelUnreachable:
            flight.refused += 1
            raise
        except CallFailed as error:
            stops = error.unreachable and self.task.view.failures(call) >= self.task.view.settings.retries
            flight.refused += stops
            if stops and not error.sent:
                raise ModelUnreachable(str(error)) from error
            failed(call, error)
            wait = (error.retry_after or 0.0) if stops else error.retry_after
            about = {"error": str(error), "retry_after": wait, "stopped": stops}
            return Asked(self.clock.settle("failed", **about, **paid(error.usage or Usage(), error.model)))
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - calls beside it are paid, and would end
            failed(call, error)
            said = f"model {self.caller.model.name!r} raised {type(error).__name__}: {error}"
            return Asked(self.clock.settle("failed", error=said, **paid(call.worst_usage)))
        said = reply.text + (json.dumps(reply.tool_calls) if reply.tool_calls else "")
        flight.answered += 1
        usage = reply.usage or estimate(self.messages, request, said)
        return Asked(self.clock.settle("done", **paid(usage, reply.model)), reply)

    def is_dearer(self) -> bool:
        """Say whether a call may cost more US dollars than were reserved for it, where they are limited."""
        call, view = self.task.call, self.task.view
        if call.worst_usd is None or view.settings.budget.max_usd is None:
            return False
        now = at_worst(replace(view, price=self.caller.price), call).worst_usd
        return now is None or now > call.worst_usd

    def slot(self, model: ChatModel) -> Slot:
        """Return its place in the line of a model."""
        return slot(model, self.task.call, self.task.view.settings)

    def unmade(self) -> Asked:
        """Settle a call that did not begin."""
        return Asked(self.clock.settle("unmade", error=UNWANTED if self.task.flight.over else NO_TIME))

    def key(self) -> CallKey:
        """Name the call in the journal."""
        call, said = self.task.call, [message.model_dump(exclude={"id"}) for message in self.messages]
        asked = [self.caller.model.name, said, call.temperature, call.max_tokens, seed(self.task)]
        asked += [self.form.model_dump()] if self.form != PLAIN else []
        return CallKey(json.dumps([self.task.view.problem.epoch, call.id]), json.dumps(asked, default=str))


def has_come(generating: "asyncio.Future[Reply]") -> bool:
    """Say whether the reply is there, or what ends the process."""
    return generating.done() and not generating.cancelled() and not isinstance(generating.exception(), Exception)


def cancel_later() -> None:
    """Be cancelled at the next wait: until then what has come is on its way to the store."""
    if step := asyncio.current_task():
        step.uncancel()
        step.cancel()
