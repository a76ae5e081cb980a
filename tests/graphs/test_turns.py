"""Whose turn it is: all runs of the process share a model's places, in order; stragglers are let go."""

import asyncio
import math
import threading
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ponder.graphs import PonderChatModel, aresume, asolve, create_ponder
from ponder.nodes.ports import CallFailed, Reply
from ponder.nodes.view import UNWANTED
from ponder.state import Budget, ModelUnreachable, Problem, SQLAlchemySaver
from ponder.state.budget import CallKey
from ponder.state.journal import CallJournal
from ponder.state.run import Asked, Candidate
from ponder.state.statements import insert
from tests.fakes import ScriptedModel, always, cycle
from tests.graphs.test_budget import cut_off, run


def keeping(kind: type[CallJournal], folder: Path) -> SQLAlchemySaver:
    """Make a saver with a journal of this kind."""

    class Saver(SQLAlchemySaver):
        def journal(self, thread_id: str, way: Mapping[str, str]) -> CallJournal:
            return kind(self.writer, self.codec, thread_id, way)

    return Saver(f"sqlite:///{folder}/ponder.db")


async def test_a_straggler_is_let_go_once_the_vote_cannot_change() -> None:
    hanging = asyncio.Event()

    class Slow(ScriptedModel):
        async def generate(self, messages: Any, request: Any) -> Reply:
            if "000-003" in request.place:
                await hanging.wait()
            return await super().generate(messages, request)

    clock = time.monotonic()
    answer = await run(Slow(always("2")), policy="parallel", call_timeout=60)
    assert time.monotonic() - clock < 30
    assert (answer.answer, answer.stopped_because) == ("2", "confident")
    assert (answer.spent.calls, answer.spent.lost) == (3, 1)
    assert [item.error for item in answer.candidates if item.error] == [
        "not awaited: the vote could not change any more"
    ]


async def test_a_straggler_of_a_fixed_number_of_samples_is_let_go_once_the_vote_cannot_change() -> None:
    class Slow(ScriptedModel):
        async def generate(self, messages: Any, request: Any) -> Reply:
            if "000-002" in request.place:
                await asyncio.Event().wait()
            return await super().generate(messages, request)

    answer = await run(Slow(always("2")), policy="fixed", max_samples=4, call_timeout=3600)
    assert (answer.answer, answer.spent.calls, answer.spent.lost) == ("2", 3, 1)


@pytest.mark.parametrize("policy", ["fixed", "parallel"])
async def test_a_straggler_whose_confidence_may_outweigh_all_others_is_awaited(
    monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    monkeypatch.setattr("ponder.nodes.flight.GRACE_SECONDS", 0.0)

    class Sure(ScriptedModel):
        async def generate(self, messages: Any, request: Any) -> Reply:
            late = request.place.endswith("000-003")
            await asyncio.sleep(0.2 * late)
            return Reply("Answer: 3" if late else "Answer: 2", mean_logprob=math.log(0.95 if late else 0.1))

    answer = await run(Sure(always("")), policy=policy, max_samples=4)
    assert (answer.answer, answer.decided_by, answer.spent.lost) == ("3", "confidence", 0)


@pytest.mark.parametrize("options", [{"concurrency": 1}, {"requests_per_minute": 1}])
async def test_what_waits_for_its_turn_when_the_vote_is_settled_is_not_made(options: dict[str, int]) -> None:
    model = ScriptedModel(always("2"), name=f"settled {options}")
    asked = asolve("1 + 1?", model=model, store=":memory:", policy="parallel", verifier="regex:2", **options)  # type: ignore[arg-type]
    answer = await asyncio.wait_for(asked, 30)
    assert (answer.answer, answer.stopped_because, answer.spent.lost) == ("2", "verified", 0)
    assert answer.spent.calls == model.calls < 4
    assert {item.error for item in answer.candidates if item.error} == {UNWANTED}


async def test_a_run_that_goes_on_knows_nothing_of_what_was_refused_before(tmp_path: Path) -> None:
    class Choosy(ScriptedModel):
        locked = True

        async def generate(self, messages: Any, request: Any) -> Reply:
            if self.locked or request.place.endswith("000-000"):
                raise ModelUnreachable("refused (401)")
            await asyncio.sleep(0.05)  # longer than it takes to be refused
            return await super().generate(messages, request)

    model, store = Choosy(always("2")), f"sqlite:///{tmp_path}/ponder.db"
    with pytest.raises(ModelUnreachable) as kept:
        await asolve("1 + 1?", model=model, store=store, thread_id="t", policy="fixed", max_samples=4)
    model.locked = False
    answer = await aresume("t", store=store, model=model)
    assert (answer.answer, answer.spent.lost, kept.type) == ("2", 0, ModelUnreachable)


async def test_a_straggler_that_could_turn_the_vote_is_awaited() -> None:
    class Slow(ScriptedModel):
        async def generate(self, messages: Any, request: Any) -> Reply:
            if "000-003" in request.place:
                await asyncio.sleep(1.5)
            return await super().generate(messages, request)

    answer = await run(Slow(cycle("1", "2", "3")), policy="parallel", max_samples=4)
    assert (answer.spent.calls, answer.spent.lost) == (4, 0)


async def test_a_straggler_that_the_verifier_may_pass_is_awaited_however_many_agree_on_what_it_refused() -> None:
    class Slow(ScriptedModel):
        async def generate(self, messages: Any, request: Any) -> Reply:
            if "000-002" in request.place:
                await asyncio.sleep(1.5)
                return Reply("Answer: 3")
            return await super().generate(messages, request)

    answer = await run(Slow(always("2")), policy="fixed", max_samples=3, verifier="regex:3")
    assert (answer.answer, answer.stopped_because, answer.spent.calls) == ("3", "verified", 3)


async def test_a_straggler_is_awaited_where_replies_that_have_come_may_still_turn_the_vote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ponder.nodes.flight.GRACE_SECONDS", 0.0)
    last, votes = asyncio.Event(), iter("22333")

    class Slow(ScriptedModel):
        async def generate(self, messages: Any, request: Any) -> Reply:
            if "000-004" in request.place:
                await last.wait()
            return await super().generate(messages, request)

    class Reluctant(CallJournal):
        """Writes down votes for 3 only when the other ones have been counted."""

        async def finish(self, key: CallKey, asked: Asked) -> None:
            if asked.reply and "3" in asked.reply.text:
                for _ in range(20):
                    await asyncio.sleep(0.005)
                last.set()
            await super().finish(key, asked)

    async with keeping(Reluctant, tmp_path) as saver:
        answer = await asolve(
            "1 + 1?",
            model=Slow(lambda _, __: f"Answer: {next(votes)}"),
            policy="parallel",
            max_samples=5,
            window=5,
            store=saver,
        )
    assert (answer.answer, answer.spent.calls, answer.spent.lost) == ("3", 5, 0)


async def test_what_is_in_the_air_when_a_key_is_refused_is_waited_for_and_not_lost(tmp_path: Path) -> None:
    class Locked(ScriptedModel):
        key = False

        async def generate(self, messages: Any, request: Any) -> Reply:
            if not self.key and not request.place.endswith("000-000"):
                await asyncio.sleep(0.1)  # as long as the others take to hear it
            if not self.key:
                raise ModelUnreachable("the key was refused (401)")
            return await super().generate(messages, request)

    model, store = Locked(always("2")), f"sqlite:///{tmp_path}/ponder.db"
    with pytest.raises(ModelUnreachable, match="401"):
        await asolve("1 + 1?", model=model, store=store, thread_id="t", budget=Budget(max_calls=3))
    model.key = True
    answer = await aresume("t", store=store, model=model)
    assert (answer.answer, answer.spent.calls, answer.spent.lost) == ("2", 3, 0)


@pytest.mark.parametrize("failure", [ModelUnreachable("refused (403)"), CallFailed("a page", 0.0, unreachable=True)])
async def test_a_call_that_is_refused_where_others_are_answered_fails_alone(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PONDER_PRICES", '{"scripted": {"input": 1, "output": 2}}')

    class Choosy(ScriptedModel):
        async def generate(self, messages: Any, request: Any) -> Reply:
            if request.place.endswith("000-002"):
                raise failure
            await asyncio.sleep(0.1)  # longer than it takes to be refused
            return await super().generate(messages, request)

    answer = await run(Choosy(always("2")), policy="fixed", max_samples=4, retries=0)
    assert (answer.answer, answer.spent.calls, answer.spent.lost) == ("2", 4, 0)
    assert [item.error for item in answer.candidates if item.error] == [str(failure)]
    assert answer.spent.usd == pytest.approx(3 * 20e-6)


async def test_calls_of_a_wave_that_have_not_begun_count_among_those_that_may_turn_the_vote() -> None:
    class Uneven(ScriptedModel):
        async def generate(self, messages: Any, request: Any) -> Reply:
            self.latency = (0.01, 0.05, 0.3, 0.01)[self.calls]
            return await super().generate(messages, request)

    graph = create_ponder(Uneven(cycle("7", "7", "8")), policy="parallel", max_samples=4, window=4)
    answer = (await graph.ainvoke({"problem": "1 + 1?"}, {"max_concurrency": 2}))["answer"]
    assert [item.error for item in answer.candidates] == [""] * 4


async def test_no_call_begins_while_it_is_open_whether_the_model_answers_at_all(tmp_path: Path) -> None:
    class Locked(ScriptedModel):
        key = False

        async def generate(self, messages: Any, request: Any) -> Reply:
            reply = await super().generate(messages, request)
            if self.key:
                return reply
            await asyncio.sleep({1: 0, 2: 0.2}.get(self.calls, 60))
            raise ModelUnreachable("refused (401)")

    model, store = Locked(always("2"), "two places"), f"sqlite:///{tmp_path}/ponder.db"
    options: dict[str, Any] = {"policy": "fixed", "budget": {"max_calls": 4}, "concurrency": 2}
    with pytest.raises(ModelUnreachable, match="401"):
        await asyncio.wait_for(asolve("1 + 1?", model=model, store=store, thread_id="t", **options), 30)
    assert model.calls == 2
    model.key = True
    answer = await aresume("t", store=store, model=model)
    assert (answer.answer, answer.spent.calls, answer.spent.lost) == ("2", 4, 0)


async def test_a_wave_whose_tasks_run_one_after_another_remembers_what_was_answered() -> None:
    def script(_: str, number: int) -> str | Exception:
        return ModelUnreachable("refused (403)") if number == 2 else "Answer: 2"

    graph = create_ponder(ScriptedModel(script), policy="fixed", max_samples=4)
    answer = (await graph.ainvoke({"problem": "1 + 1?"}, {"max_concurrency": 1}))["answer"]
    assert (answer.answer, answer.spent.calls, answer.spent.lost) == ("2", 4, 0)


@pytest.mark.parametrize("key", [True, False])
async def test_before_one_branch_stops_a_run_the_calls_of_the_others_are_waited_for(tmp_path: Path, key: bool) -> None:
    class Choosy(ScriptedModel):
        unlocked = False

        async def generate(self, messages: Any, request: Any) -> Reply:
            if self.unlocked:
                return await super().generate(messages, request)
            if "-refine-" not in request.place:
                await asyncio.sleep(0.2)  # longer than it takes to be refused
                if key:
                    return await super().generate(messages, request)
            raise ModelUnreachable("refused (403)")

    model, store = Choosy(cycle("1", "2", "3")), f"sqlite:///{tmp_path}/ponder.db"
    options: dict[str, Any] = {"policy": "cumulative", "assessor": "fixed:10", "budget": {"max_calls": 12}}
    if key:
        answer = await asolve("1 + 1?", model=model, store=store, thread_id="t", **options)
    else:
        with pytest.raises(ModelUnreachable, match="403"):
            await asolve("1 + 1?", model=model, store=store, thread_id="t", **options)
        model.unlocked = True
        answer = await aresume("t", store=store, model=model)
    assert (answer.spent.lost, answer.spent.calls) == (0, model.calls + key)
    assert len({item.branch for item in answer.candidates}) == 3


async def test_a_pool_whose_members_both_refuse_the_key_stops_however_few_places_they_have() -> None:
    def refusing(*_: Any) -> ModelUnreachable:
        return ModelUnreachable("refused (401)")

    for places in (1, 2):
        pool = [ScriptedModel(refusing, f"locked {name}{places}", latency=0.05) for name in "ab"]
        asked = asolve("1 + 1?", model=pool, store=":memory:", policy="fixed", max_samples=4, concurrency=places)
        with pytest.raises(ModelUnreachable, match="401"):
            await asyncio.wait_for(asked, 30)


async def test_what_a_model_had_not_begun_when_the_run_was_cut_off_is_not_lost(tmp_path: Path) -> None:
    class Small(ScriptedModel):
        slots = 2

    store, model = f"sqlite:///{tmp_path}/ponder.db", Small(cycle("1", "2", "3"), latency=60, name="small")
    await cut_off(model, lambda: model.flying >= 2, store=store, policy="fixed", budget=Budget(max_calls=5))
    answer = await aresume("t", store=store, model=model)
    assert (model.calls, answer.spent.calls, answer.spent.lost, model.most_flying) == (5, 3, 2, 2)


class Noting(CallJournal):
    """Notes what it has written down."""

    written: ClassVar[list[CallKey]] = []

    async def begin(self, key: CallKey) -> Any:
        begun = await super().begin(key)
        self.written.append(key)
        return begun


@pytest.fixture
async def noting(tmp_path: Path) -> AsyncIterator[SQLAlchemySaver]:
    Noting.written = []
    async with keeping(Noting, tmp_path) as saver, asyncio.timeout(60):
        yield saver


async def test_calls_are_written_down_when_their_turn_is_near_and_struck_out_when_it_never_comes(
    noting: SQLAlchemySaver,
) -> None:
    model = ScriptedModel(cycle("1", "2", "3"), latency=60, name="crowded")
    options: dict[str, Any] = {"policy": "fixed", "budget": {"max_calls": 9}, "concurrency": 4, "store": noting}
    await cut_off(model, lambda: len(Noting.written) == 6 and model.flying == 4, **options)
    assert (model.calls, len(Noting.written)) == (4, 6)
    answer = await aresume("t", store=noting, model=model)
    assert (model.calls, answer.spent.calls, answer.spent.lost) == (9, 5, 4)


async def test_calls_that_a_minute_holds_up_are_not_written_down_before(noting: SQLAlchemySaver) -> None:
    model = ScriptedModel(cycle("1", "2", "3"), name="slow by the minute")
    options: dict[str, Any] = {"policy": "fixed", "budget": {"max_calls": 9}, "requests_per_minute": 3}
    await cut_off(model, lambda: model.calls == 3, store=noting, **options)
    assert len(Noting.written) == 3


async def test_a_call_that_is_cancelled_while_it_is_written_down_is_struck_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, go_on = threading.Event(), threading.Event()

    def slow(*given: Any) -> None:
        writing.set()
        go_on.wait(60)
        insert(*given)

    monkeypatch.setattr("ponder.state.journal.insert", slow)
    model = ScriptedModel(cycle("1", "2", "3"), name="early")
    options: dict[str, Any] = {"policy": "fixed", "budget": {"max_calls": 3}}
    async with SQLAlchemySaver(f"sqlite:///{tmp_path}/ponder.db") as saver:
        solving = asyncio.create_task(asolve("1 + 1?", model=model, thread_id="t", store=saver, **options))
        await asyncio.to_thread(writing.wait, 60)
        solving.cancel()
        await asyncio.sleep(0)  # its tasks learn of it before the row is written
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await solving
        answer = await aresume("t", store=saver, model=model)
    assert (model.calls, answer.spent.calls, answer.spent.lost) == (3, 3, 0)


async def test_a_run_that_waits_to_begin_is_stored_and_can_be_resumed(tmp_path: Path) -> None:
    model, store = ScriptedModel(always("2"), latency=60, name="busy"), f"sqlite:///{tmp_path}/ponder.db"
    options: dict[str, Any] = {"policy": "direct", "concurrency": 1, "store": store}
    solving = [asyncio.create_task(asolve("1 + 1?", model=model, thread_id=f"t{n}", **options)) for n in range(4)]

    async def stored() -> int:
        async with SQLAlchemySaver(store) as saver:
            return len({found.config["configurable"]["thread_id"] async for found in saver.alist(None)})

    async with asyncio.timeout(60):
        while model.flying < 1 or await stored() < 4:  # noqa: ASYNC110 - a store does not signal
            await asyncio.sleep(0.01)
    for task in solving:
        task.cancel()
    await asyncio.gather(*solving, return_exceptions=True)
    model.latency = 0
    answers = [await aresume(f"t{n}", store=store, model=model) for n in range(4)]
    assert sorted((answer.answer or "", answer.spent.lost) for answer in answers) == [("2", 0)] * 3 + [("2", 1)]


async def test_a_run_whose_seconds_are_limited_does_not_wait_to_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ponder.nodes.entry.PATIENCE_SECONDS", 3600.0)
    options: dict[str, Any] = {"policy": "direct", "concurrency": 1, "store": ":memory:", "retries": 0}
    model = ScriptedModel(latency=60, name="hanging")
    async with asyncio.timeout(60):
        answers = await asyncio.gather(
            *(asolve("1 + 1?", model=model, budget={"max_seconds": 0.5}, **options) for _ in range(3))
        )
    assert {answer.stopped_because for answer in answers} == {"max_seconds"}


async def test_a_run_waits_to_begin_only_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ponder.nodes.entry.PATIENCE_SECONDS", 0.05)
    model = ScriptedModel(always("2"), latency=60, name="held up")
    begun: set[int] = set()
    all_begun = asyncio.Event()

    def told(number: int) -> None:
        begun.add(number)
        if len(begun) == 3:
            all_begun.set()

    async def one(number: int) -> None:
        options: dict[str, Any] = {"policy": "direct", "concurrency": 1, "store": ":memory:"}
        await asolve("1 + 1?", model=model, on_event=lambda _: told(number), **options)

    running = [asyncio.create_task(one(number)) for number in range(3)]
    async with asyncio.timeout(60):
        await all_begun.wait()
    assert model.calls == 1
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def test_the_straggler_of_a_resumed_wave_is_let_go(noting: SQLAlchemySaver) -> None:
    class Slow(ScriptedModel):
        async def generate(self, messages: Any, request: Any) -> Reply:
            first = bool(self.latency)
            if self.calls >= 8 if first else request.place.endswith("-015"):
                await asyncio.sleep(60)
            return await super().generate(messages, request)

    model = Slow(always("2"), latency=0.001, name="resumed")
    options: dict[str, Any] = {"policy": "parallel", "window": 16, "max_samples": 16, "concurrency": 2}

    def kept() -> int:
        return max((len({task for task, *_ in found.pending_writes or []}) for found in noting.list(None)), default=0)

    await cut_off(model, lambda: kept() == 8, store=noting, **options)
    answer = await aresume("t", store=noting, model=model)
    assert (answer.answer, answer.stopped_because) == ("2", "confident")
    assert "not awaited: the vote could not change any more" in [item.error for item in answer.candidates]


async def test_runs_that_are_begun_at_once_end_one_after_the_other() -> None:
    model = ScriptedModel(cycle("1", "2", "3"), latency=0.005, name="popular")
    begun: set[int] = set()
    ended: list[int] = []
    most = 0

    async def one(index: int) -> None:
        nonlocal most

        def told(_: object) -> None:
            nonlocal most
            begun.add(index)
            most = max(most, len(begun) - len(ended))

        options: dict[str, Any] = {"policy": "fixed", "budget": {"max_calls": 4}, "concurrency": 2}
        await asolve(f"{index} + 1?", model=model, store=":memory:", on_event=told, **options)
        ended.append(index)

    async with asyncio.timeout(60):
        await asyncio.gather(*(one(index) for index in range(20)))
    assert (model.calls, len(ended), model.most_flying) == (80, 20, 2)
    assert most < 10


async def test_a_run_within_a_run_does_not_wait_for_it() -> None:
    inner = ScriptedModel(always("2"), name="same")

    async def check(problem: Problem, candidate: Candidate) -> bool:
        found = await asolve(
            f"{problem.text} Is it {candidate.answer}?", model=inner, policy="direct", concurrency=1, store=":memory:"
        )
        return found.answer == "2"

    async with asyncio.timeout(60):
        answers = await asyncio.gather(
            *(
                asolve(
                    "1 + 1?",
                    model=ScriptedModel(always("2"), name="same"),
                    verifier=check,
                    concurrency=1,
                    store=":memory:",
                )
                for _ in range(3)
            )
        )
    assert [answer.stopped_because for answer in answers] == ["verified"] * 3


@pytest.mark.parametrize("depth", [1, 2])
async def test_a_run_that_is_the_model_of_another_one_has_the_places_for_itself(
    depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PONDER_PRICES", '{"deep*": {"input": 1, "output": 1}}')
    model = ScriptedModel(always("2"), latency=0.001, name="deep")
    options: dict[str, Any] = {"policy": "fixed", "budget": {"max_calls": 2}}
    run: Any = model
    for _ in range(depth):
        run = PonderChatModel(model=run, settings={"concurrency": 1}, **options)
    options |= {"concurrency": 1, "store": ":memory:", "budget": {"max_calls": 2}}
    async with asyncio.timeout(60):
        answers = await asyncio.gather(
            *(asolve("1 + 1?", model=each, **options) for each in [run, model, run, model, run])
        )
    assert [(answer.answer, answer.spent.calls, answer.spent.lost) for answer in answers] == [("2", 2, 0)] * 5
    assert all(answer.spent.usd for answer in answers)
    assert (model.calls, model.most_flying) == (2 * 2 + 3 * 2 ** (depth + 1), 1)


async def test_calls_of_all_runs_together_keep_the_concurrency_limit() -> None:
    model = ScriptedModel(cycle("1", "2", "3"), latency=0.01, name="limited")
    options: dict[str, Any] = {"policy": "fixed", "budget": Budget(max_calls=8), "concurrency": 3}
    answers = await asyncio.gather(*(run(model, **options) for _ in range(3)))
    assert [answer.spent.calls for answer in answers] == [8, 8, 8]
    assert model.most_flying == 3


class Patient(CallJournal):
    """Writes down how a call ended when another one has begun."""

    begun: ClassVar[asyncio.Event]

    async def finish(self, key: CallKey, asked: Asked) -> None:
        await self.begun.wait()
        await super().finish(key, asked)


async def test_a_call_that_is_paid_already_takes_no_place_in_the_minute(tmp_path: Path) -> None:
    model = ScriptedModel(cycle("1", "2"), "forked")
    async with SQLAlchemySaver(f"sqlite:///{tmp_path}/ponder.db") as saver, asyncio.timeout(30):
        options: dict[str, Any] = {"policy": "fixed", "budget": {"max_calls": 4}, "requests_per_minute": 5}
        graph = create_ponder(model, checkpointer=saver, **options)
        on: Any = {"configurable": {"thread_id": "t"}}
        await graph.ainvoke({"problem": "1 + 1?"}, on)
        before, *_ = [state async for state in graph.aget_state_history(on) if state.next == ("parallel",)]
        for _ in range(2):  # eight more than the minute has room for
            await graph.ainvoke(None, before.config)
    assert model.calls == 4


async def test_a_call_begins_while_the_outcome_of_the_one_before_is_written_down(tmp_path: Path) -> None:
    Patient.begun = asyncio.Event()
    model = ScriptedModel(lambda _, number: (number == 1 and Patient.begun.set()) or "Answer: 2", name="patient")
    async with keeping(Patient, tmp_path) as saver, asyncio.timeout(30):
        answer = await asolve(
            "1 + 1?", model=model, policy="fixed", budget={"max_calls": 2}, concurrency=1, store=saver
        )
    assert (answer.spent.calls, model.most_flying) == (2, 1)


async def test_a_call_whose_turn_does_not_come_in_time_is_not_made_and_costs_nothing() -> None:
    model = ScriptedModel(cycle("1", "2", "3"), name="slow")
    answer = await run(
        model, policy="fixed", budget=Budget(max_calls=8, max_seconds=0.5), requests_per_minute=3, max_tokens=64
    )
    assert (model.calls, answer.spent.calls, answer.spent.lost, answer.spent.output_tokens) == (3, 3, 0, 15)
    assert [item.error for item in answer.candidates if item.error] == ["no time was left before it could begin"] * 5
    assert answer.stopped_because == "max_seconds"
