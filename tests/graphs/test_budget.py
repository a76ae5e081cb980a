"""The budget of a run: tokens, US dollars, seconds; what was cut off counts."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import BaseMessage

from ponder.graphs import aresume, asolve, create_ponder
from ponder.nodes.ports import CallFailed, Reply, Request
from ponder.state import Answer, Budget, Problem, UsageError, Verdict
from ponder.state.budget import Usage
from ponder.state.run import Candidate
from tests.fakes import ScriptedModel, always, cycle, kind_of

PRICES = '{"scripted": {"input": 1000, "output": 10000}}'
CALL_USD = 10 * 0.001 + 5 * 0.01
"""What a scripted call costs: 10 tokens in, 5 out."""


async def run(model: ScriptedModel, problem: str = "What is 1 + 1?", **options: Any) -> Answer:
    output = await create_ponder(model, **options).ainvoke({"problem": problem})
    answer: Answer = output["answer"]
    return answer


def bytes_of(prompt: str) -> int:
    """Count the tokens that the wildest tokenizer would see: a token a byte, and a template around them."""
    return len(prompt.encode()) + 64


async def test_dollars_are_counted_and_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PONDER_PRICES", PRICES)
    model = ScriptedModel(cycle("1", "2", "3"))
    answer = await run(model, policy="fixed", budget=Budget(max_calls=50, max_usd=2.0), max_tokens=64)
    assert answer.spent.usd == pytest.approx(model.calls * CALL_USD)
    assert 0.5 < (answer.spent.usd or 0) <= 2.0
    assert answer.stopped_because == "max_usd"


async def test_dollars_are_split_among_branches_that_run_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PONDER_PRICES", PRICES)
    options: dict[str, Any] = {"policy": "cumulative", "assessor": "fixed:7", "max_tokens": 64}
    answer = await run(ScriptedModel(cycle("1", "2", "3")), budget=Budget(max_usd=4.5), **options)
    assert {visit.branch for visit in answer.route if visit.calls} >= {"parallel", "refine", "search"}
    assert answer.spent.usd is not None
    assert answer.spent.usd <= 4.5


async def test_of_several_models_the_dearest_is_reserved_and_the_one_that_answered_is_paid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prices = '{"cheap": {"input": 0, "output": 1000}, "dear": {"input": 0, "output": 10000}}'
    monkeypatch.setenv("PONDER_PRICES", prices)
    pool = [ScriptedModel(cycle("1", "2", "3"), name="cheap"), ScriptedModel(cycle("1", "2", "3"), name="dear")]
    output = await create_ponder(pool, policy="fixed", budget={"max_calls": 8}, max_tokens=64).ainvoke(
        {"problem": "1 + 1?"}
    )
    answer = output["answer"]
    assert {item.model for item in answer.candidates} == {"cheap", "dear"}
    assert answer.spent.usd == pytest.approx(0.005 * pool[0].calls + 0.05 * pool[1].calls)
    refused = create_ponder([*pool, ScriptedModel(name="unknown")], budget={"max_usd": 1})
    with pytest.raises(UsageError, match="model 'unknown' has no price"):
        await refused.ainvoke({"problem": "1 + 1?"})


async def test_a_failed_call_of_several_models_is_paid_as_its_own_and_the_limit_in_dollars_goes_on_being_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prices = '{"cheap": {"input": 0, "output": 1000}, "dear": {"input": 0, "output": 10000}}'
    monkeypatch.setenv("PONDER_PRICES", prices)
    useless = CallFailed("no choices", retry_after=0.0, usage=Usage(output_tokens=5))

    def once(_: str, number: int) -> str | CallFailed:
        return "Answer: 2" if number else useless

    pool = [ScriptedModel(once, name="cheap"), ScriptedModel(always("2"), name="dear")]
    budget = Budget(max_calls=9, max_usd=20)
    answer = (
        await create_ponder(pool, policy="parallel", max_samples=4, budget=budget).ainvoke({"problem": "1 + 1?"})
    )["answer"]
    assert answer.spent.usd == pytest.approx(0.005 * pool[0].calls + 0.05 * pool[1].calls)
    assert answer.stopped_because == "confident"


async def test_a_prompt_is_reserved_as_cached_where_that_is_dearer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PONDER_PRICES", '{"scripted": {"input": 1, "cached": 10000, "output": 1}}')

    class Caching(ScriptedModel):
        async def generate(self, messages: Any, request: Any) -> Reply:
            reply = await super().generate(messages, request)
            read = bytes_of("".join(str(message.content) for message in messages))
            return replace(reply, usage=Usage(input_tokens=read, cached_tokens=read, output_tokens=5))

    answer = await run(Caching(cycle("1", "2", "3")), policy="fixed", budget=Budget(max_usd=10))
    assert 5 < (answer.spent.usd or 0) <= 10


@pytest.mark.parametrize("text", ["7" * 300, "\u7b54\u6848" * 100, "a, b; " * 60])
async def test_tokens_that_nobody_counts_are_estimated_on_the_safe_side(text: str) -> None:
    class Silent(ScriptedModel):
        async def generate(self, messages: Any, request: Any) -> Reply:
            return replace(await super().generate(messages, request), usage=None)

    answer = await run(Silent(lambda *_: text), policy="direct")
    assert answer.spent.estimated == 1
    assert answer.spent.output_tokens >= sum(not character.isspace() for character in text) * 5 // 6
    assert answer.spent.output_tokens <= len(text.encode()) + 1


async def test_an_error_that_a_pool_of_models_raises_is_paid_at_the_dearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PONDER_PRICES", '{"cheap": {"input": 1, "output": 1}, "dear": {"input": 1, "output": 1000}}')

    def broken(*_: object) -> ZeroDivisionError:
        return ZeroDivisionError("in the adapter")

    pool = [ScriptedModel(broken, name="cheap"), ScriptedModel(broken, name="dear")]
    graph = create_ponder(pool, policy="direct", max_tokens=100, budget={"max_calls": 1})
    answer = (await graph.ainvoke({"problem": "1 + 1?"}))["answer"]
    assert answer.spent.usd == pytest.approx(0.1, rel=0.01)


async def test_dollars_without_a_price_are_refused_before_the_first_call(tmp_path: Path) -> None:
    model, store = ScriptedModel(), f"sqlite:///{tmp_path}/ponder.db"
    with pytest.raises(
        UsageError, match=r"max_usd=1 cannot be kept: model 'scripted' has no price: set PONDER_PRICES="
    ):
        await asolve("1 + 1?", model=model, budget=Budget(max_usd=1), store=store, thread_id="t")
    assert model.calls == 0
    assert (await asolve("1 + 1?", model=model, store=store, thread_id="t")).spent.usd is None


async def test_a_budget_that_no_call_fits_is_refused_before_anything_is_stored(tmp_path: Path) -> None:
    model, store = ScriptedModel(always("2")), f"sqlite:///{tmp_path}/ponder.db"
    says = r"max_tokens=100 is too small for one call on this problem, which may cost \d+ tokens: raise it, or lower"
    with pytest.raises(UsageError, match=says):
        await asolve("1 + 1?", model=model, budget=Budget(max_tokens=100), store=store, thread_id="t")
    assert (await asolve("1 + 1?", model=model, store=store, thread_id="t")).answer == "2"


@pytest.mark.parametrize(
    "options",
    [
        {"policy": "cumulative", "assessor": "fixed:10"},
        {"policy": "cumulative", "assessor": "ask"},
        {"policy": "adaptive", "assessor": "fixed:4"},
        {"policy": "refine"},
        {"policy": "search", "search": "beam"},
        {"policy": "parallel"},
    ],
)
async def test_a_budget_that_a_bare_sample_fits_brings_an_answer_though_it_is_too_small_for_the_branch(
    options: dict[str, Any],
) -> None:
    least = 250
    with pytest.raises(UsageError, match="too small for one call"):
        await run(ScriptedModel(), policy="direct", max_tokens=64, budget=Budget(max_tokens=least - 100))
    for most in range(least, 1200, 50):
        answer = await run(ScriptedModel(always("2")), max_tokens=64, budget=Budget(max_tokens=most), **options)
        assert (answer.answer, answer.stopped_because) in {("2", "max_tokens"), ("2", "confident"), ("2", "complete")}
        assert answer.spent.used["max_tokens"] <= most


@pytest.mark.parametrize("policy", ["adaptive", "cumulative"])
async def test_a_budget_of_one_call_is_not_spent_on_rating_the_problem(policy: str) -> None:
    answer = await run(ScriptedModel(always("2")), policy=policy, assessor="ask", budget=Budget(max_calls=1))
    assert (answer.answer, answer.spent.calls) == ("2", 1)
    assert answer.assessment is not None
    assert answer.assessment.evidence == "the budget has no room to ask"


@settings(max_examples=40, deadline=None)
@given(
    problem=st.text(min_size=1, max_size=60).filter(lambda text: text.strip()),
    words=st.text(max_size=80),
    policy=st.sampled_from(["adaptive", "cumulative", "fixed", "refine", "search"]),
    tokens=st.integers(1200, 12_000),
    usd=st.floats(10, 200) | st.none(),
)
async def test_no_tokenizer_breaks_a_cap(problem: str, words: str, policy: str, tokens: int, usd: float | None) -> None:
    def dear(prompt: str, number: int) -> Reply:
        text = f"{words} Score: 3" if kind_of(prompt) == "critique" else f"{words}\nAnswer: {number}"
        return Reply(text[:64], usage=Usage(input_tokens=bytes_of(prompt), output_tokens=64))

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PONDER_PRICES", PRICES)
        answer = await run(
            ScriptedModel(dear), problem, policy=policy, budget=Budget(max_tokens=tokens, max_usd=usd), max_tokens=64
        )
    assert answer.spent.input_tokens + answer.spent.output_tokens <= tokens
    assert usd is None or (answer.spent.usd or 0) <= usd


async def test_a_run_that_its_tokens_cut_short_says_so_also_where_a_shorter_prompt_still_fits() -> None:
    reasons = set()
    for tokens in range(220, 260, 4):
        answer = await run(ScriptedModel(always("2")), policy="fixed", budget=Budget(max_tokens=tokens), max_tokens=64)
        assert answer.spent.calls < 16
        reasons.add((answer.route[0].stopped, answer.stopped_because))
    assert reasons == {("max_tokens", "max_tokens")}


async def test_a_wait_that_the_seconds_left_do_not_allow_is_not_begun() -> None:
    model = ScriptedModel(lambda *_: CallFailed("HTTP 429", retry_after=30))
    answer = await run(model, policy="direct", budget=Budget(max_seconds=5))
    assert (model.calls, answer.candidates[0].error, answer.spent.calls) == (1, "HTTP 429", 1)


async def test_what_a_server_reports_of_a_useless_reply_is_paid() -> None:
    useless = CallFailed("no choices", usage=Usage(input_tokens=7, output_tokens=3))
    answer = await run(ScriptedModel(lambda *_: useless), policy="direct", budget=Budget(max_calls=1))
    assert (answer.spent.calls, answer.spent.input_tokens, answer.spent.output_tokens) == (1, 7, 3)


async def test_a_timed_out_call_counts_at_its_worst_case_and_is_tried_again_within_its_retries() -> None:
    model = ScriptedModel(latency=60)
    answer = await run(model, policy="direct", call_timeout=0.01, retries=1)
    assert (model.calls, answer.spent.calls, answer.spent.lost) == (2, 0, 2)


class Slow(ScriptedModel):
    """Never comes back from a grade."""

    async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
        self.latency = 60 if request.kind == "grade" else 0
        return await super().generate(messages, request)


async def cut_off(model: ScriptedModel, ready: Callable[[], bool], **options: Any) -> None:
    """Cancel a run as soon as something is so; from then on the model answers at once."""
    solving = asyncio.create_task(asolve("1 + 1?", model=model, thread_id="t", **options))
    while not ready():  # noqa: ASYNC110 - what is waited for does not signal
        await asyncio.sleep(0.001)
    solving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await solving
    model.latency = 0


@pytest.mark.parametrize("name", ["scripted", "another"])
async def test_a_resumed_run_keeps_its_budget_and_what_was_cut_off_counts_whichever_model_goes_on(
    tmp_path: Path, name: str
) -> None:
    store = f"sqlite:///{tmp_path}/ponder.db"
    model, other = ScriptedModel(cycle("1", "2", "3"), latency=60), ScriptedModel(always("2"), name)
    await cut_off(model, lambda: model.flying >= 5, store=store, policy="fixed", budget=Budget(max_calls=5))
    answer = await aresume("t", store=store, model=other)
    assert (model.calls, other.calls, answer.spent.calls, answer.spent.lost) == (5, 0, 0, 5)
    assert (answer.answer, answer.stopped_because) == (None, "max_calls")


async def test_the_seconds_of_calls_that_were_cut_off_count_when_the_run_goes_on(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/ponder.db"
    model = ScriptedModel(always("2"), latency=60)
    seen: list[float] = []

    def has_flown() -> bool:
        seen.extend([time.monotonic()] * model.flying)
        return bool(seen) and seen[-1] - seen[0] > 0.2

    await cut_off(model, has_flown, store=store, policy="direct", retries=0)
    answer = await aresume("t", store=store, model=model)
    assert (answer.answer, answer.spent.lost) == ("2", 1)  # to be cut off is no failure: it takes no retry
    assert answer.spent.seconds > 0.2


@pytest.mark.parametrize(("usd", "made"), [(0.03, 0), (1.2, 2)])
async def test_a_dearer_model_that_goes_on_is_held_to_the_limit_in_dollars(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, usd: float, made: int
) -> None:
    prices = {"cheap": {"input": 1, "output": 10}, "dear": {"input": 100, "output": 1000}}
    monkeypatch.setenv("PONDER_PRICES", json.dumps(prices))
    said = Reply("Answer: 2", usage=Usage(input_tokens=100, output_tokens=500))
    model, other = ScriptedModel(lambda *_: said, "cheap", latency=60), ScriptedModel(lambda *_: said, "dear")
    options: dict[str, Any] = {"policy": "fixed", "max_samples": 4, "concurrency": 1, "max_tokens": 512}
    store = f"sqlite:///{tmp_path}/ponder.db"
    await cut_off(model, lambda: model.flying == 1, store=store, budget=Budget(max_usd=usd), **options)
    answer = await aresume("t", store=store, model=other)
    assert (other.calls, answer.stopped_because, answer.spent.lost) == (made, "max_usd", 1)
    assert answer.spent.used["max_usd"] <= usd


async def test_a_model_that_cannot_be_limited_does_not_go_on_with_a_run_that_limits_tokens(tmp_path: Path) -> None:
    store, model = f"sqlite:///{tmp_path}/ponder.db", ScriptedModel(latency=60)
    await cut_off(model, lambda: model.flying == 1, store=store, policy="direct", budget=Budget(max_tokens=3000))
    with pytest.raises(UsageError, match=r"max_tokens=3000 cannot be kept: model .* has no field"):
        await aresume("t", store=store, model=FakeListChatModel(responses=["Answer: 2"]))


async def test_a_verifier_that_asks_nobody_cannot_end_what_a_judge_began(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/ponder.db"
    model = ScriptedModel(always("2"))
    judge = Slow(always("2"))
    options: dict[str, Any] = {"policy": "direct", "store": store, "verifier": "judge:is it right?"}
    await cut_off(judge, lambda: "grade" in judge.kinds and judge.flying == 1, **options)
    with pytest.raises(UsageError, match="awaits the verdict of a model, which the verifier given now does not ask"):
        await aresume("t", store=store, model=model, verifier="regex:2")
    assert model.calls == 0


async def test_what_is_paid_counts_whichever_model_goes_on_where_a_run_is_cut_off_before_its_verdicts(
    tmp_path: Path,
) -> None:
    checked = 0

    async def slow(_: Problem, __: Candidate) -> Verdict:
        nonlocal checked
        checked += 1
        await asyncio.sleep(60 if model.latency else 0)
        return Verdict(score=0, passed=False)

    store = f"sqlite:///{tmp_path}/ponder.db"
    model, other = ScriptedModel(cycle("1", "2", "3"), latency=0.001), ScriptedModel(always("2"), "other")
    options: dict[str, Any] = {"policy": "fixed", "budget": Budget(max_calls=3), "store": store, "verifier": slow}
    await cut_off(model, lambda: checked == 3, **options)
    answer = await aresume("t", store=store, model=other, verifier=slow)
    assert (model.calls, other.calls, answer.spent.calls, answer.spent.lost) == (3, 0, 3, 0)


@pytest.mark.parametrize("limit", ["max_tokens", "max_usd"])
async def test_what_a_server_adds_to_prompts_is_reserved_once_it_has_shown(
    monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setenv("PONDER_PRICES", '{"wordy": {"input": 1000000, "output": 1000000}}')
    added = Usage(input_tokens=900, output_tokens=5)
    model = ScriptedModel(lambda _, number: Reply(f"Answer: {number}", usage=added), "wordy")
    options: dict[str, Any] = {"policy": "parallel", "effort": "thorough", "window": 2, "max_tokens": 64}
    answer = await run(model, budget={limit: 8000}, **options)
    assert answer.stopped_because == limit
    assert 6 * 905 <= answer.spent.used[limit] <= 8000
