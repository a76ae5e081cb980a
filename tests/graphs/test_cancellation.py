"""However a run is stopped, what was paid is kept, the rest is cancelled, and nothing is left running."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl

from ponder.graphs import aresume, asolve, create_ponder
from ponder.nodes.deadline import lingering, sending
from ponder.nodes.models.openai import openai_model
from ponder.nodes.ports import CallFailed, Reply, Request
from ponder.state import Answer, ModelUnreachable, SQLAlchemySaver
from tests.fake_server import FakeServer, Said
from tests.fakes import ScriptedModel, always, cycle

ON: RunnableConfig = {"configurable": {"thread_id": "t"}}


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ponder.db"


@pytest.fixture(autouse=True)
def nothing_is_left_running() -> Iterator[None]:
    before = {thread.name for thread in threading.enumerate()}
    yield
    # The background loop, and asyncio's own pool for blocking calls, belong to the process.
    late = [thread for thread in threading.enumerate() if thread.name not in before]
    assert [thread.name for thread in late if not thread.name.startswith(("ponder", "asyncio"))] == []
    assert [thread.name for thread in late if thread.name.startswith("ponder-")] == []


async def until_flying(model: ScriptedModel, count: int) -> None:
    while model.flying < count:  # noqa: ASYNC110 - the fake counts, it does not signal
        await asyncio.sleep(0)


async def test_a_drained_run_finishes_what_is_in_flight_and_goes_on_later(store: str) -> None:
    model, control = ScriptedModel(cycle("1", "2", "3"), latency=0.05), RunControl()
    async with SQLAlchemySaver.from_conn_string(store) as saver:
        graph = create_ponder(model, policy="refine", checkpointer=saver)
        running = asyncio.create_task(graph.ainvoke({"problem": "1 + 1?"}, ON, control=control, durability="sync"))
        await until_flying(model, 1)
        control.request_drain()
        with pytest.raises(GraphDrained):
            await running
        assert model.calls == 1
        answer = (await graph.ainvoke(None, ON))["answer"]
    assert (model.calls, answer.spent.calls, answer.spent.lost) == (7, 7, 0)


@pytest.mark.parametrize("cancelled", [True, False])
async def test_a_request_that_was_given_up_before_it_left_does_not_leave_any_more(cancelled: bool) -> None:
    left: list[Callable[[], None]] = []

    class Waiting(ScriptedModel):
        async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
            with sending() as sent:
                left.append(sent)
                return await super().generate(messages, request)

    limits = {} if cancelled else {"max_seconds": 0.2}
    options: dict[str, Any] = {"policy": "direct", "retries": 0, "budget": limits, "store": ":memory:"}
    solving = asyncio.create_task(asolve("1 + 1?", model=Waiting(latency=3600), **options))
    while not left:  # noqa: ASYNC110 - the fake does not signal
        await asyncio.sleep(0)
    if cancelled:
        solving.cancel()
    (outcome,) = await asyncio.gather(solving, return_exceptions=True)
    assert isinstance(outcome, asyncio.CancelledError if cancelled else Answer)
    assert isinstance(outcome, asyncio.CancelledError) or outcome.spent.calls == 0
    with pytest.raises(asyncio.CancelledError):
        left[0]()


class Deaf(ScriptedModel):
    """Goes on when it is cancelled, as code does that catches everything and tries again."""

    def __init__(self, deaf: set[int]) -> None:
        super().__init__(cycle("2"))
        self.deaf, self.ended = deaf, asyncio.Event()

    async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
        number = self.calls + 1
        reply = await super().generate(messages, request)
        while number in self.deaf and not self.ended.is_set():
            with suppress(asyncio.CancelledError):
                await self.ended.wait()
        return reply


@pytest.fixture
async def deaf() -> AsyncIterator[Callable[..., Deaf]]:
    """Make such models; those that still go on end with the test."""
    made: list[Deaf] = []

    def make(*calls: int) -> Deaf:
        made.append(Deaf(set(calls)))
        return made[-1]

    yield make
    for model in made:
        model.ended.set()
    async with asyncio.timeout(60):
        while lingering:  # noqa: ASYNC110 - they end at once now
            await asyncio.sleep(0)


async def test_a_model_that_goes_on_when_its_time_is_over_does_not_hold_the_run_up(deaf: Callable[..., Deaf]) -> None:
    options: dict[str, Any] = {"policy": "direct", "retries": 0, "store": ":memory:", "call_timeout": 0.1}
    answer = await asyncio.wait_for(asolve("1 + 1?", model=deaf(1), **options), 30)
    assert [item.error for item in answer.candidates] == ["no reply within 0.1 s"]
    assert (answer.spent.calls, answer.spent.lost) == (0, 1)


async def test_a_model_that_goes_on_when_its_run_is_cancelled_counts_as_lost(
    store: str, deaf: Callable[..., Deaf]
) -> None:
    model = deaf(1)
    solving = asyncio.create_task(asolve("1 + 1?", model=model, store=store, thread_id="t", policy="direct"))
    await until_flying(model, 1)
    await asyncio.sleep(0)
    solving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(solving, 30)
    model.deaf.clear()
    answer = await aresume("t", store=store, model=model)
    assert (answer.answer, answer.spent.calls, answer.spent.lost) == ("2", 1, 1)


async def test_a_model_that_goes_on_when_the_vote_needs_it_no_more_is_let_go(deaf: Callable[..., Deaf]) -> None:
    options: dict[str, Any] = {"policy": "fixed", "store": ":memory:", "budget": {"max_calls": 4}, "call_timeout": 60}
    answer = await asyncio.wait_for(asolve("1 + 1?", model=deaf(4), **options), 30)
    assert (answer.answer, answer.spent.calls, answer.spent.lost) == ("2", 3, 1)


async def test_a_model_that_goes_on_does_not_hold_up_a_run_that_stops(deaf: Callable[..., Deaf]) -> None:
    class Locked(Deaf):
        async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
            if request.place.endswith("000-000"):
                raise ModelUnreachable("refused (401)")
            return await super().generate(messages, request)

    model = deaf(1)
    model.__class__ = Locked
    options: dict[str, Any] = {"policy": "fixed", "store": ":memory:", "budget": {"max_calls": 2}, "call_timeout": 0.1}
    with pytest.raises(ModelUnreachable, match="401"):
        await asyncio.wait_for(asolve("1 + 1?", model=model, **options), 30)


@dataclass
class Homing(ScriptedModel):
    """Brings its reply home although it is cancelled, which takes a while."""

    async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
        try:
            return await super().generate(messages, request)
        except asyncio.CancelledError:
            over = time.monotonic() + 0.3
            while (left := over - time.monotonic()) > 0:
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(left)
            return Reply("Answer: 2")


@pytest.mark.parametrize("times", [1, 3])
async def test_a_reply_that_comes_soon_after_a_call_was_cancelled_is_kept(store: str, times: int) -> None:
    model = Homing(always("3"), latency=60)
    solving = asyncio.create_task(asolve("1 + 1?", model=model, store=store, thread_id="t", policy="direct"))
    await until_flying(model, 1)
    for _ in range(times):
        solving.cancel()
        await asyncio.sleep(0.02)
    with pytest.raises(asyncio.CancelledError):
        await solving
    answer = await aresume("t", store=store, model=model)
    assert (answer.answer, answer.spent.lost, model.calls) == ("2", 0, 1)


async def test_a_reply_that_comes_soon_after_its_deadline_counts_before_a_run_stops() -> None:
    class Choosy(Homing):
        async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
            if request.place.endswith("000-000"):
                raise ModelUnreachable("refused (401)")
            self.latency = 60 if request.place.endswith("000-001") else 0.01
            return await super().generate(messages, request)

    options: dict[str, Any] = {"policy": "fixed", "store": ":memory:", "budget": {"max_calls": 3}, "call_timeout": 0.2}
    answer = await asolve("1 + 1?", model=Choosy(always("2")), **options)
    assert (answer.answer, answer.spent.calls, answer.spent.lost) == ("2", 3, 0)


async def test_a_call_that_was_left_alone_keeps_no_place(deaf: Callable[..., Deaf]) -> None:
    class Unreached(Deaf):
        async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
            await super().generate(messages, request)
            raise CallFailed("not reached", unreachable=True, sent=False)

    model, other = deaf(1), ScriptedModel(always("2"), name="stands in")
    model.__class__ = Unreached
    options: dict[str, Any] = {"policy": "direct", "store": ":memory:", "retries": 0, "concurrency": 1}
    lost = await asyncio.wait_for(asolve("1 + 1?", model=[other, model], call_timeout=0.1, **options), 30)
    model.ended.set()  # now it would hand over to the other one
    answer = await asyncio.wait_for(asolve("1 + 1?", model=other, **options), 30)
    assert (lost.spent.lost, answer.answer, other.calls) == (1, "2", 1)


@pytest.mark.parametrize("turns", range(4))
async def test_a_reply_that_comes_while_its_run_is_cancelled_is_kept(store: str, turns: int) -> None:
    class Racing(ScriptedModel):
        returned = 0

        async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
            reply = await super().generate(messages, request)
            if self.calls == 2 and not solving.done():
                asyncio.get_running_loop().call_soon(solving.cancel)
                for _ in range(turns):
                    await asyncio.sleep(0)
            self.returned += 1
            return reply

    model = Racing(cycle("1", "2", "3"))
    solving = asyncio.create_task(
        asolve(
            "1 + 1?",
            model=model,
            store=store,
            thread_id="t",
            policy="fixed",
            budget={"max_calls": 4},
            concurrency=1,
        )
    )
    with pytest.raises(asyncio.CancelledError):
        await solving
    answer = await aresume("t", store=store, model=model)
    assert (answer.spent.calls, answer.spent.lost) == (model.returned, 4 - model.returned)
    assert (model.returned, model.calls) in {(4, 4), (3, 4)}


async def test_a_cancelled_run_cancels_its_calls_and_keeps_those_that_were_paid(store: str) -> None:
    hanging = asyncio.Event()

    class Half(ScriptedModel):
        async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
            if self.calls >= 2 and not hanging.is_set():
                self.latency = 60
            return await super().generate(messages, request)

    model = Half(cycle("1", "2", "3"))
    running = asyncio.create_task(
        asolve("1 + 1?", model=model, store=store, thread_id="t", policy="parallel", max_samples=4)
    )
    await until_flying(model, 2)
    before = asyncio.all_tasks()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert model.flying == 0
    assert asyncio.all_tasks() - before == set()
    hanging.set()
    model.latency = 0
    answer = await aresume("t", store=store, model=model)
    assert (model.calls, answer.spent.calls, answer.spent.lost) == (6, 4, 2)


async def test_a_deadline_cancels_the_request_itself_and_the_best_so_far_is_the_answer() -> None:
    released = threading.Event()

    def script(_: object, number: int) -> Said:
        if number >= 2:
            released.wait(30)
        return Said()

    with FakeServer(script) as server:
        model = openai_model("fake", server.url, "key")
        clock = time.monotonic()
        answer = await asolve(
            "1 + 1?", model=model, store=":memory:", policy="parallel", budget={"max_seconds": 1.5}, threshold=0.99
        )
        assert time.monotonic() - clock < 15
        released.set()
    assert (answer.answer, answer.stopped_because) == ("2", "max_seconds")
    assert (answer.spent.calls, answer.spent.lost) == (2, 2)
    assert answer.spent.seconds == pytest.approx(1.5, abs=0.5)
