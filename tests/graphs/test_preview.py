"""What a run may cost is told before its first call, and no run in which every call is answered costs less or more."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from ponder.graphs import create_ponder, preview, solve
from ponder.nodes.ports import CallFailed, Reply, Request
from ponder.nodes.verifiers.judge import Judge
from ponder.state import Answer, ModelUnreachable, Preview, UsageError, Verdict
from ponder.state.budget import Usage
from ponder.state.preview import Range
from tests.fakes import ScriptedModel
from tests.spans import Spans, spans

__all__ = ["spans"]

PRICES = '{"scripted": {"input": 1000, "cached": 100, "output": 10000}}'
PROBLEMS = ["What is 1 + 1?", "Who wrote Emma?", "Which is right?\nA) one\nB) two\nC) three", "¿Cuánto es 2 × 2? " * 9]
HABITS = ("same", "pairs", "new", "cut", "empty", "any")


@dataclass
class Habitual:
    """A model with a habit for every step, a tokenizer of its own, and replies of any length."""

    random: Random
    habits: dict[str, str]
    bytes_per_token: int
    logprobs: str
    failing: float = 0
    name: str = "scripted"
    said: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    failed: int = 0

    async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
        self.calls += 1
        if self.random.random() < self.failing:
            self.failed += 1
            raise CallFailed("HTTP 503", retry_after=self.random.choice([None, 0.001]))
        text, finish = self.text(request)
        room = request.max_tokens * self.bytes_per_token - len(text)
        if text:
            text = " " * self.random.choice([0, 1, room // 2, room]) + text
        wrote = math.ceil(len(text) / self.bytes_per_token) or 1
        read = sum(len(str(message.content).encode()) for message in messages) // self.bytes_per_token
        read += self.random.choice([1, 20, 64 + 8 * len(messages)])
        usage = Usage(
            input_tokens=read,
            cached_tokens=self.random.choice([0, read]),
            output_tokens=self.random.choice([wrote, request.max_tokens]),
        )
        return Reply(text, finish, usage, self.logprob())  # type: ignore[arg-type]

    def text(self, request: Request) -> tuple[str, str]:
        """Follow the habit of the step that asks."""
        branch = request.place.split("-")[1]
        habit = self.habits[branch]
        if habit == "any":
            habit = self.random.choice(HABITS[:-1])
        if request.kind in {"rate", "critique"}:
            score = {"same": "10", "new": "0", "cut": "3", "pairs": "7", "empty": ""}[habit]
            return f"{'Score' if request.kind == 'critique' else 'Difficulty'}: {score}", "stop"
        if request.kind == "judge":
            return f"Better: {self.random.choice('12')}", "stop"
        self.said[habit] += 1
        number = {"same": 0, "pairs": self.said[habit] // 2 + 1, "new": self.said[habit] + 100}.get(habit)
        if number is None:
            return "?" if habit == "cut" else "", "length" if self.random.random() < 0.7 else "stop"
        return f"{number} {'ABCDEFGHIJ'[number % 10]}", "stop"

    def logprob(self) -> float | None:
        """Say how sure it is."""
        return {"none": None, "rising": -9 / self.calls, "any": -self.random.random() * 3}[self.logprobs]


VERIFIERS: dict[str, Any] = {
    "none": None,
    "passes": lambda *_: True,
    "refuses": lambda *_: False,
    "scores": lambda *_: 0.5,
    "sometimes": lambda _, candidate: hash(candidate.answer) % 3 == 0,
    "scores anything": lambda _, candidate: Verdict(score=len(candidate.text) % 11 / 10, kind="weak"),
    "raises": lambda *_: 1 / 0,
}

budgets = st.fixed_dictionaries(
    {},
    optional={
        "max_calls": st.integers(1, 40),
        "max_tokens": st.integers(1500, 20_000),
        "max_usd": st.floats(10, 100),
    },
)
options = st.fixed_dictionaries(
    {
        "policy": st.sampled_from(["adaptive"] * 4 + ["cumulative", "fixed", "direct", "parallel", "refine", "search"]),
        "assessor": st.sampled_from(["probe", "probe", "probe", "ask", "fixed:0", "fixed:1", "fixed:3", "fixed:6"]),
        "effort": st.sampled_from(["low", "fast", "balanced", "thorough"]),
        "max_tokens": st.sampled_from([16, 50]),
        "max_iterations": st.integers(1, 4),
        "budget": st.just({}) | budgets,
    },
    optional={
        "probes": st.integers(1, 4),
        "window": st.integers(1, 5),
        "max_samples": st.integers(1, 20),
        "max_rounds": st.integers(1, 4),
        "threshold": st.floats(0.51, 0.99),
        "max_compute_budget": st.integers(1, 70),
    },
)
STEPS = ("assess", "direct", "parallel", "refine", "search", "select")
habits = st.fixed_dictionaries(dict.fromkeys(STEPS, st.sampled_from(HABITS)))
verifiers = st.sampled_from(["none"] * len(VERIFIERS) + [*VERIFIERS])
models = st.builds(
    Habitual,
    random=st.integers(0, 2**32).map(Random),
    habits=habits,
    bytes_per_token=st.sampled_from([1, 2, 4, 16]),
    logprobs=st.sampled_from(["none", "rising", "any"]),
)


async def run(model: Any, problem: str, **given: Any) -> Answer:
    answer: Answer = (await create_ponder(model, **given).ainvoke({"problem": problem}))["answer"]
    return answer


def outside(told: Preview, answer: Answer, *, steps: bool) -> dict[str, object]:
    """Return the figures of a run that are not within the range."""
    spent, usd = answer.spent, told.usd
    assert usd is not None
    figures: dict[str, tuple[float, Any]] = {
        "calls": (spent.calls, told.calls),
        "input": (spent.input_tokens, told.input_tokens),
        "output": (spent.output_tokens, told.output_tokens),
        "usd": (spent.usd or 0, usd),
    }
    for visit in answer.route:
        if visit.calls and steps:
            figures[visit.branch] = (visit.calls, told.branches.get(visit.branch))
    return {
        name: (figure, range_)
        for name, (figure, range_) in figures.items()
        if range_ is None or not range_.low - 1e-9 <= figure <= range_.high + 1e-9
    }


# The same examples each time: a range that some run leaves, once in thousands, is to be found by a longer hunt.
@settings(max_examples=25, deadline=None, derandomize=True)
@given(model=models, problem=st.sampled_from(PROBLEMS), given=options, verifier=verifiers)
@example(
    model=Habitual(Random(1), dict.fromkeys(STEPS, "pairs"), 1, "rising"),  # noqa: S311 - nothing secret
    problem=PROBLEMS[0],
    given={"policy": "adaptive", "assessor": "probe", "max_tokens": 50, "budget": {}},
    verifier="none",
)
@example(
    model=Habitual(Random(1), {**dict.fromkeys(STEPS, "cut"), "direct": "same"}, 1, "none"),  # noqa: S311
    problem=PROBLEMS[0],
    given={"policy": "adaptive", "assessor": "fixed:0", "max_samples": 1, "max_tokens": 50, "budget": {}},
    verifier="none",
)
async def test_every_run_whose_calls_are_answered_falls_into_the_range(
    model: Habitual, problem: str, given: dict[str, Any], verifier: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PONDER_PRICES", PRICES)
        told = preview(problem, model=model, verifier=VERIFIERS[verifier], **given)
        assert model.calls == 0
        answer = await run(model, problem, verifier=VERIFIERS[verifier], **given)
    assert answer.spent.lost == 0
    assert (wrong := outside(told, answer, steps="max_compute_budget" not in given)) == {}, wrong


@settings(max_examples=10, deadline=None)
@given(model=models, given=options, failing=st.sampled_from([0.1, 0.5, 1]), retries=st.integers(0, 2))
async def test_failed_calls_come_on_top_as_often_as_they_may_be_tried_again(
    model: Habitual, given: dict[str, Any], failing: float, retries: int
) -> None:
    model.failing = failing
    given["budget"].pop("max_usd", None)
    told = preview(PROBLEMS[0], model=model, retries=retries, **given)
    with suppress(ModelUnreachable):
        answer = await run(model, PROBLEMS[0], retries=retries, **given)
        assert answer.spent.calls == model.calls
    assert model.calls <= told.calls.high * (1 + retries)
    assert model.calls - model.failed <= told.calls.high


def test_neither_model_nor_verifier_is_called_or_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("PONDER_STORE", f"sqlite:///{tmp_path}/ponder.db")
    called: list[object] = []
    for policy in ("adaptive", "refine", "search"):
        told = preview("1 + 1?", model="openai:gpt", policy=policy, verifier=lambda *given: bool(called.append(given)))
        assert told.calls.low < told.calls.high
    assert preview("1 + 1?", model="provider:none", budget={"max_tokens": 9000}).calls.low == 3
    assert (called, list(tmp_path.iterdir())) == ([], [])


def test_a_vote_that_never_settles_costs_no_more_than_was_foretold() -> None:
    replies = (
        Reply(f"Answer: {28 + number % 2}", usage=Usage(input_tokens=10, output_tokens=500)) for number in count()
    )
    model = ScriptedModel(lambda *_: next(replies))
    told = preview("What is 4 times 7?", model=model)
    spent = solve("What is 4 times 7?", model=model, store=":memory:").spent
    assert (spent.calls <= told.calls.high, spent.output_tokens <= told.output_tokens.high) == (True, True)
    assert spent.calls > 30


def test_one_call_costs_what_its_bytes_and_its_limit_come_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PONDER_PRICES", PRICES)
    told = preview("1 + 1?", model=ScriptedModel(), policy="direct", max_tokens=100)
    prompt = len("1 + 1? End with a line 'Answer: <answer>'.")
    least, most = 1 + prompt // 16, prompt + 64 + 8
    assert (told.calls, told.branches) == (Range(low=1, high=1), {"direct": Range(low=1, high=1)})
    assert told.input_tokens == Range(low=least, high=most)
    assert told.output_tokens == Range(low=1, high=100)
    assert told.usd is not None
    assert (told.usd.low, told.usd.high) == pytest.approx((least * 0.0001 + 0.01, most * 0.001 + 1))


def test_of_several_models_the_cheapest_and_the_dearest_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PONDER_PRICES", PRICES[:-1] + ', "dear": {"input": 2000, "output": 20000}}')
    one = preview("1 + 1?", model=ScriptedModel(), policy="direct")
    two = preview(
        "1 + 1?", model=[ScriptedModel(), ScriptedModel(name="dear")], policy="direct", budget={"max_usd": 99}
    )
    assert one.usd is not None
    assert two.usd == Range(low=one.usd.low, high=2 * one.usd.high)
    assert preview("1 + 1?", model=[ScriptedModel(), ScriptedModel(name="unknown")]).usd is None


@pytest.mark.parametrize(("own", "judge"), [(1, 1000), (1000, 0), (1, None)])
def test_a_verifier_s_own_model_counts_at_its_own_price(
    own: int, judge: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    prices = {"scripted": own} | ({} if judge is None else {"judge": judge})
    monkeypatch.setenv(
        "PONDER_PRICES", json.dumps({name: {"input": usd, "output": usd} for name, usd in prices.items()})
    )
    verifier = Judge(
        "It is a number.",
        ScriptedModel(lambda *_: Reply("No.", usage=Usage(input_tokens=200, output_tokens=50)), name="judge"),
    )
    given: dict[str, Any] = {"model": ScriptedModel(), "verifier": verifier, "policy": "parallel", "max_samples": 4}
    told, answer = preview("1 + 1?", **given).usd, solve("1 + 1?", store=":memory:", **given)
    assert (told is None) == (answer.spent.usd is None) == (judge is None)
    assert told is None or told.low <= (answer.spent.usd or 0) <= told.high


def test_a_prompt_that_several_samples_share_may_be_paid_once() -> None:
    given: dict[str, Any] = {"model": ScriptedModel(), "policy": "fixed", "budget": {"max_calls": 16}}
    alone, shared = (preview("How much is it? " * 99, n=n, **given).input_tokens for n in (1, 8))
    assert shared.low <= alone.low / 8


def test_the_upper_end_passes_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PONDER_PRICES", PRICES)
    free = preview("1 + 1?", model=ScriptedModel(), effort="thorough")
    budget = {"max_calls": 9, "max_tokens": 5000, "max_usd": 40}
    held = preview("1 + 1?", model=ScriptedModel(), effort="thorough", budget=budget)
    assert free.calls.high > 40
    assert (held.calls.high, held.input_tokens.high, held.usd and held.usd.high) == (9, 5000, 40)
    assert held.calls.low == free.calls.low == 3


@pytest.mark.parametrize(
    ("problem", "given"),
    [
        (" ", {}),
        ("1 + 1?", {"budget": {"max_tokens": 100}}),
        ("1 + 1?", {"budget": {"max_usd": 1}}),
        ("1 + 1?", {"policy": "magic"}),
    ],
)
def test_what_solve_refuses_is_refused_alike(problem: str, given: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as foretold:
        preview(problem, model=ScriptedModel(), **given)
    with pytest.raises(UsageError) as told:
        solve(problem, model=ScriptedModel(), store=":memory:", **given)
    assert str(foretold.value) == str(told.value)


def test_a_person_who_decides_instead_of_a_judge_costs_no_calls() -> None:
    judged, asked = (
        preview("1 + 1?", model=ScriptedModel(), policy="parallel", max_samples=2, on_tie=on_tie)
        for on_tie in ("judge", "ask")
    )
    assert (judged.calls.high, judged.branches["select"].high) == (14, 12)
    assert (asked.calls.high, asked.branches.get("select")) == (2, None)
    assert asked.input_tokens.high < judged.input_tokens.high


def test_limits_of_time_and_rate_do_not_hold_a_preview_up() -> None:
    slow: dict[str, Any] = {
        "requests_per_minute": 1,
        "concurrency": 1,
        "call_timeout": 0.0001,
        "budget": {"max_seconds": 0.0001},
    }
    assert preview("1 + 1?", model=ScriptedModel(), effort="thorough", **slow).calls.high > 40


def test_nobody_who_watches_the_process_hears_of_it(spans: Spans, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    preview("1 + 1?", model=ScriptedModel())
    assert (spans.all, [record for record in caplog.records if record.name.startswith("ponder")]) == ((), [])
    solve("1 + 1?", model=ScriptedModel(), store=":memory:", policy="direct")
    assert (len(spans.runs), len(spans.calls)) == (1, 1)
    assert any(record.name == "ponder.call" for record in caplog.records)


async def test_in_a_step_of_another_graph_it_leaves_no_trace_there() -> None:
    def step(state: MessagesState) -> MessagesState:
        return {"messages": [AIMessage(str(preview("1 + 1?", model=ScriptedModel(), policy="direct").calls.high))]}

    graph = StateGraph(MessagesState)
    graph.add_node("step", step)
    graph.add_edge(START, "step")
    saver = InMemorySaver()
    compiled = graph.compile(checkpointer=saver)
    config: Any = {"configurable": {"thread_id": "t"}}
    stream = compiled.astream({"messages": []}, config, stream_mode=["custom", "messages", "updates"], subgraphs=True)
    modes = [(namespace, mode) async for namespace, mode, _ in stream]
    assert modes == [((), "messages"), ((), "updates")]
    assert {item.config["configurable"]["checkpoint_ns"] for item in saver.list(config)} == {""}
