"""Several models as one: who answers, who stands in, and when an endpoint is left out."""

import asyncio
import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver

from ponder.graphs import aresume, asolve
from ponder.graphs.models import as_model
from ponder.nodes.models.breaker import Breaker, breaker_for
from ponder.nodes.models.pool import Pool
from ponder.nodes.ports import CallFailed, Reply, Request
from ponder.state import ModelUnreachable, UsageError
from ponder.state.budget import Usage
from tests.fakes import Script, ScriptedModel, always

PLACE = "0-parallel-000-000"


@dataclass
class Breakers:
    """Breakers of one test, on a clock that it moves."""

    now: float = 0.0
    all: dict[str, Breaker] = field(default_factory=dict)

    def __call__(self, endpoint: str) -> Breaker:
        return self.all.setdefault(endpoint, Breaker(failures=2, cool_down=30, clock=lambda: self.now))


@dataclass
class Pooled:
    """Models a, b, c of which each follows a script of its own, and their pool."""

    scripts: tuple[Script, ...]
    breakers: Breakers = field(default_factory=Breakers)

    def __post_init__(self) -> None:
        self.models = [ScriptedModel(script, name) for script, name in zip(self.scripts, "abc", strict=False)]
        self.pool = Pool(tuple(self.models), self.breakers)

    @property
    def calls(self) -> list[int]:
        return [model.calls for model in self.models]

    async def ask(self, place: str = PLACE, timeout: float = 120.0) -> Reply:  # noqa: ASYNC109 - it is the request's
        return await self.pool.generate([HumanMessage("1 + 1?")], Request(0.7, 64, place=place, timeout=timeout))

    async def fails(self, place: str = PLACE) -> CallFailed:
        with pytest.raises(CallFailed) as caught:
            await self.ask(place)
        return caught.value


def refused(_prompt: str, _number: int) -> CallFailed:
    return CallFailed("connection refused", 0.0, unreachable=True, sent=False)


def broken(_prompt: str, _number: int) -> CallFailed:
    return CallFailed("HTTP 500", 0.0, status=500, usage=Usage(input_tokens=7))


async def test_a_wave_is_dealt_out_evenly_and_a_place_always_asks_the_same_member() -> None:
    places = [f"0-parallel-{turn:03d}-{index:03d}" for turn in range(3) for index in range(4)]
    both = [Pooled((always("1"),) * 3), Pooled((always("1"),) * 3)]
    said = [[str((await pooled.ask(place)).model) for place in places] for pooled in both]
    assert said[0] == said[1]
    assert Counter(said[0]) == {"a": 4, "b": 4, "c": 4}
    assert all(len(set(said[0][turn : turn + 3])) == 3 for turn in (0, 4, 8))


async def test_the_next_attempt_asks_the_next_member() -> None:
    pooled = Pooled((broken, always("1")))
    failure = await pooled.fails()
    assert (str(failure), failure.retry_after, failure.unreachable) == ("a: HTTP 500", 0.0, False)
    assert failure.usage == Usage(input_tokens=7)
    assert pooled.calls == [1, 0]
    assert (await pooled.ask(f"{PLACE}#1")).model == "b"


async def test_a_refusal_of_one_member_is_worth_an_attempt_at_the_next() -> None:
    pooled = Pooled((lambda *_: CallFailed("HTTP 400: too long", status=400), always("1")))
    assert (await pooled.fails()).retry_after == 0.0


async def test_another_member_stands_in_within_the_call_where_nothing_was_paid() -> None:
    pooled = Pooled((refused, refused, always("1")))
    reply = await pooled.ask()
    assert (reply.model, pooled.calls) == ("c", [1, 1, 1])


async def test_a_pool_that_nobody_reaches_is_unreachable() -> None:
    failure = await Pooled((refused, refused)).fails()
    assert (failure.unreachable, failure.sent) == (True, False)


async def test_a_member_that_refuses_the_key_is_left_out_at_once_and_said_so(caplog: pytest.LogCaptureFixture) -> None:
    pooled = Pooled((lambda *_: ModelUnreachable("bad key"), always("1")))
    with caplog.at_level(logging.WARNING):
        assert [(await pooled.ask()).model for _ in range(3)] == ["b"] * 3
    assert pooled.calls == [1, 3]
    assert caplog.messages == ["model 'a' is left out for 30 s: it does not answer"]


async def test_what_no_member_can_mend_is_said_as_the_first_one_says_it() -> None:
    with pytest.raises(ModelUnreachable, match="bad key"):
        await Pooled((lambda *_: ModelUnreachable("bad key"), lambda *_: ModelUnreachable("no quota"))).ask()


async def test_a_breaker_opens_after_failures_in_a_row_and_one_trial_closes_it() -> None:
    ill = True
    pooled = Pooled((lambda *_: broken("", 0) if ill else "Answer: 1", always("1")))
    for _ in range(2):
        await pooled.fails()
    assert [(await pooled.ask()).model for _ in range(3)] == ["b"] * 3
    pooled.breakers.now = 30.0
    await pooled.fails()  # the one trial
    assert (await pooled.ask()).model == "b"
    pooled.breakers.now, ill = 60.0, False
    assert [(await pooled.ask()).model for _ in range(3)] == ["a"] * 3
    assert pooled.calls == [6, 4]


async def test_an_open_breaker_admits_one_trial_at_a_time() -> None:
    breaker = Breakers()("a")
    assert [breaker.fail() for _ in range(4)] == [False, True, False, False]
    assert not breaker.admits()
    for now in (30.0, 60.0):
        breaker.clock = lambda now=now: now
        assert [breaker.admits() for _ in range(3)] == [True, False, False]
    breaker.clock = lambda: 80.0
    breaker.fail()
    breaker.clock = lambda: 100.0
    assert not breaker.admits()


async def test_a_member_that_cannot_be_reached_is_left_out() -> None:
    pooled = Pooled((refused, always("1")))
    assert [(await pooled.ask()).model for _ in range(4)] == ["b"] * 4
    assert pooled.calls == [2, 4]


async def test_a_success_between_failures_keeps_the_breaker_closed() -> None:
    pooled = Pooled((lambda _, number: broken("", 0) if number % 2 else "Answer: 1", always("1")))
    for _ in range(4):
        assert (await pooled.ask()).model == "a"
        await pooled.fails()
    assert pooled.calls == [8, 0]


def limited(seconds: float | None) -> Script:
    return lambda *_: CallFailed("HTTP 429", seconds, status=429)


async def test_a_member_that_asks_for_time_is_passed_over_as_long_as_it_asks_and_is_not_ill() -> None:
    pooled = Pooled((limited(9.0), always("1")))
    for _ in range(3):
        assert (await pooled.fails()).retry_after == 0.0
        assert [(await pooled.ask()).model for _ in range(2)] == ["b"] * 2
        pooled.breakers.now += 9.0
    assert pooled.calls == [3, 6]


async def test_where_every_member_asks_for_time_the_attempt_waits_for_the_soonest_and_asks_that_one() -> None:
    pooled = Pooled((limited(9.0), limited(4.0), limited(60.0)))
    waits = [(await pooled.fails(f"{PLACE}#{attempt}")).retry_after for attempt in range(3)]
    assert waits == [0.0, 0.0, 4.0]
    pooled.breakers.now += 3.0
    assert (await pooled.fails(f"{PLACE}#2")).retry_after == 4.0
    assert pooled.calls == [1, 2, 1]


async def test_a_member_that_refuses_this_call_or_is_left_out_is_not_what_an_attempt_waits_for() -> None:
    pooled = Pooled((limited(9.0), lambda *_: CallFailed("HTTP 400: too long", status=400)))
    await pooled.fails()
    assert (await pooled.fails()).retry_after == 9.0
    pooled = Pooled((limited(9.0), lambda *_: ModelUnreachable("bad key")))
    await pooled.fails(f"{PLACE}#1")
    assert (await pooled.fails(f"{PLACE}#1")).retry_after == 9.0


async def test_where_every_member_asks_for_more_than_a_run_waits_the_call_has_failed_for_good() -> None:
    pooled = Pooled((limited(None), limited(None)))
    assert [(await pooled.fails(f"{PLACE}#{attempt}")).retry_after for attempt in range(2)] == [0.0, None]


@pytest.mark.parametrize("policy", ["direct", "parallel"])
async def test_a_run_over_a_pool_waits_as_one_over_a_single_model_does(
    policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ponder.nodes.call.backoff", lambda _, retry_after: retry_after or 0.0)
    first: list[float] = []

    def script(*_: object) -> str | CallFailed:
        first.append(time.monotonic())
        left = first[0] + 0.5 - time.monotonic()
        return CallFailed("HTTP 429", left, status=429) if left > 0 else "Answer: 7"

    models = [ScriptedModel(script, f"limited {policy} {name}") for name in "ab"]
    answer = await asolve("3 + 4?", model=models, policy=policy, budget={"max_calls": 20}, store=":memory:")
    assert answer.answer == "7"


async def test_where_every_breaker_is_open_the_member_whose_turn_it_is_is_asked_all_the_same() -> None:
    pooled = Pooled((broken, broken))
    for place in (PLACE, PLACE, f"{PLACE}#1", f"{PLACE}#1", PLACE):
        await pooled.fails(place)
    assert pooled.calls == [3, 2]


@pytest.mark.parametrize(("passed", "next_one"), [(10.0, "b"), (1.0, "a")])
async def test_running_out_of_time_is_a_failure_and_being_cancelled_is_none(passed: float, next_one: str) -> None:
    pooled = Pooled((always("1"), always("1")))
    pooled.models[0].latency = 3600
    for _ in range(2):
        task = asyncio.create_task(pooled.ask(timeout=10.0))
        await asyncio.sleep(0)
        pooled.breakers.now += passed
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    pooled.models[0].latency = 0
    assert (await pooled.ask()).model == next_one


async def test_a_run_that_has_little_time_left_says_nothing_of_a_model() -> None:
    model = [ScriptedModel(always("2"), name, latency=60) for name in ("short of time a", "short of time b")]
    for _ in range(4):
        answer = await asolve(
            "1 + 1?", model=model, policy="fixed", budget={"max_seconds": 0.05, "max_calls": 4}, store=":memory:"
        )
        assert answer.stopped_because == "max_seconds"
    assert [breaker_for(member.name).opened for member in model] == [None, None]


def test_an_endpoint_has_one_breaker_in_the_process() -> None:
    assert breaker_for("a") is breaker_for("a")
    assert breaker_for("a") is not breaker_for("b")


async def test_a_run_over_a_pool_says_who_gave_each_candidate() -> None:
    models = [ScriptedModel(always("2"), name) for name in "xyz"]
    answer = await asolve("1 + 1?", model=models, policy="fixed", budget={"max_calls": 6}, store=":memory:")
    assert Counter(candidate.model for candidate in answer.candidates) == {"x": 2, "y": 2, "z": 2}


async def test_a_run_goes_on_where_a_member_is_down() -> None:
    models = [ScriptedModel(refused, "down"), ScriptedModel(always("2"), "up")]
    answer = await asolve("1 + 1?", model=models, policy="fixed", budget={"max_calls": 6}, store=":memory:")
    assert (answer.answer, answer.spent.calls) == ("2", 6)
    assert {candidate.model for candidate in answer.candidates} == {"up"}


@pytest.mark.parametrize("down", [["a"], ["a", "b"]])
async def test_who_stands_in_keeps_the_limits_that_it_has_for_its_own_calls(down: list[str]) -> None:
    scripts = [refused if name in down else always("2") for name in "abc"]
    models = [ScriptedModel(said, f"{down}{at}", latency=0.01) for at, said in enumerate(scripts)]
    answer = await asolve(
        "1 + 1?", model=models, policy="fixed", budget={"max_calls": 12}, concurrency=2, store=":memory:"
    )
    assert (answer.spent.calls, answer.answer) == (12, "2")
    assert all(model.most_flying <= 2 for model in models)


async def test_who_stands_in_does_not_begin_once_its_turn_comes_too_late() -> None:
    models = [ScriptedModel(refused, "gone"), ScriptedModel(always("2"), "slow")]
    limits: dict[str, Any] = {"requests_per_minute": 2, "max_tokens": 64}
    budget = {"max_calls": 4, "max_seconds": 0.5}
    answer = await asolve("1 + 1?", model=models, policy="fixed", budget=budget, store=":memory:", **limits)
    assert (models[1].calls, answer.spent.calls, answer.spent.lost, answer.stopped_because) == (2, 2, 0, "max_seconds")


async def test_the_names_of_a_pool_are_kept_for_a_resume(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = {name: ScriptedModel(always("2"), name) for name in ("openai:p", "openai:q")}
    monkeypatch.setattr("ponder.graphs.models.load_model", lambda name, _: loaded[name])
    store = InMemorySaver()
    options = {"policy": "fixed", "store": store, "thread_id": "t", "retries": 0}
    loaded["openai:p"].script = loaded["openai:q"].script = refused
    with pytest.raises(ModelUnreachable):
        await asolve("1 + 1?", model=list(loaded), budget={"max_calls": 4}, **options)
    loaded["openai:p"].script = loaded["openai:q"].script = always("2")
    answer = await aresume("t", store=store)
    assert Counter(candidate.model for candidate in answer.candidates) == {"openai:p": 2, "openai:q": 2}


async def test_a_pool_with_an_object_in_it_must_be_given_again() -> None:
    store = InMemorySaver()
    models = ["local", ScriptedModel(lambda *_: ModelUnreachable("down"), "x")]
    pool = as_model(models)
    assert pool.name == "local | x"
    with pytest.raises(ModelUnreachable):
        await asolve("1 + 1?", model=models[1:], policy="direct", store=store, thread_id="t")
    with pytest.raises(UsageError, match="a model object, which is not stored"):
        await aresume("t", store=store)


def test_one_model_in_a_list_is_that_model_and_none_is_an_error() -> None:
    model = ScriptedModel()
    assert as_model([model]) is model
    with pytest.raises(UsageError, match="the list of models is empty"):
        as_model([])
