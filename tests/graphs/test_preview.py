"""What a run may cost is told before its first call, by whoever calls nobody and leaves no trace."""

import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from ponder.graphs import preview, solve
from ponder.nodes.ports import Reply
from ponder.nodes.verifiers.judge import Judge
from ponder.state import UsageError
from ponder.state.budget import Usage
from ponder.state.preview import Range
from tests.fakes import ScriptedModel
from tests.spans import Spans, spans

__all__ = ["spans"]

PRICES = '{"scripted": {"input": 1000, "cached": 100, "output": 10000}}'


def test_neither_model_nor_verifier_is_called_or_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("PONDER_STORE", f"sqlite:///{tmp_path}/ponder.db")
    called: list[object] = []
    for policy in ("adaptive", "refine", "search"):
        told = preview("1 + 1?", model="openai:gpt", policy=policy, verifier=lambda *given: bool(called.append(given)))
        assert told.calls.low < told.calls.high
    assert preview("1 + 1?", model="provider:none", budget={"max_tokens": 9000}).calls.low == 3
    assert (called, list(tmp_path.iterdir())) == ([], [])


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
