"""OpenTelemetry: one span for each run, one for each call, and each in its place."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.graph import END, START, MessagesState, StateGraph
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from pydantic import Field

from ponder.graphs import asolve, create_ponder, solve
from ponder.nodes.models.chat import LangChainModel
from ponder.nodes.models.pool import Pool
from ponder.nodes.ports import CallFailed, Reply, Request
from ponder.state import Budget, ModelUnreachable, SQLAlchemySaver
from ponder.state.budget import Usage
from tests.fake_server import FakeServer, Said
from tests.fakes import ScriptedModel, always, cycle, passing
from tests.spans import Spans, about, id_of, parent_of, spans, trace_of

__all__ = ["spans"]

PROBLEM: Any = {"problem": "What is 1 + 1?"}
TEXT = "What is 1 + 1?"
CALLED = [{"name": "look", "args": {"x": 7}, "id": "1", "type": "tool_call"}]


def graph(model: Any = None, **options: Any) -> Any:
    return create_ponder(model or ScriptedModel(cycle("1", "2", "3")), budget=Budget(max_calls=5), **options)


def model() -> ScriptedModel:
    return ScriptedModel(cycle("1", "2", "3"))


WAYS: dict[str, Callable[[], Any]] = {
    "invoke": lambda: graph().invoke(PROBLEM)["answer"],
    "ainvoke": lambda: asyncio.run(graph().ainvoke(PROBLEM))["answer"],
    "stream": lambda: list(graph().stream(PROBLEM))[-1]["select"]["answer"],
    "bound": lambda: graph().with_config(tags=["bound"]).invoke(PROBLEM)["answer"],
    "solve": lambda: solve(TEXT, model=model(), store=":memory:", budget={"max_calls": 5}),
    "asolve": lambda: asyncio.run(asolve(TEXT, model=model(), store=":memory:", budget={"max_calls": 5})),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_run_is_a_child_of_the_caller_s_span_and_the_parent_of_its_calls(way: str, spans: Spans) -> None:
    with trace.get_tracer("application").start_as_current_span("mine"):
        answer = WAYS[way]()
    (run,) = spans.runs
    (mine,) = (span for span in spans.all if span.name == "mine")
    assert parent_of(run) == id_of(mine)
    assert {parent_of(call) for call in spans.calls} == {id_of(run)}
    assert len(spans.calls) == answer.spent.calls == 5
    assert sum(int(str(about(call)["gen_ai.usage.input_tokens"])) for call in spans.calls) == answer.spent.input_tokens
    assert len(spans.all) == 7


async def test_what_a_call_s_span_says(spans: Spans, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "prices.toml").write_text('["openai:gpt*"]\ninput = 1.0\ncached = 0.5\noutput = 10.0\n')
    monkeypatch.setenv("PONDER_PRICES", str(tmp_path / "prices.toml"))
    usage = Usage(input_tokens=100, output_tokens=20, reasoning_tokens=8, cached_tokens=40)
    asked = ScriptedModel(lambda *_: Reply("Answer: 2", "length", usage, model="openai:gpt-2026"), name="openai:gpt")
    await asolve(TEXT, model=asked, store=":memory:", thread_id="t", policy="direct", seed=1, max_tokens=64)
    (call,), (run,) = spans.calls, spans.runs
    assert (call.name, call.kind, call.status.status_code) == ("chat gpt", SpanKind.CLIENT, StatusCode.UNSET)
    assert about(call) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt",
        "gen_ai.conversation.id": "t",
        "gen_ai.request.temperature": 0.0,
        "gen_ai.request.max_tokens": 64,
        "gen_ai.request.seed": asked.requests[0].seed,
        "gen_ai.response.finish_reasons": ("length",),
        "gen_ai.response.model": "gpt-2026",
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.reasoning.output_tokens": 8,
        "gen_ai.usage.cache_read.input_tokens": 40,
        "ponder.call.id": "1-direct-000-000",
        "ponder.branch": "direct",
        "ponder.kind": "sample",
        "ponder.state": "done",
        "ponder.usd": pytest.approx(60e-6 + 20e-6 + 200e-6),
    }
    assert (run.name, run.kind) == ("invoke_agent ponder", SpanKind.INTERNAL)
    assert about(run) == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "ponder",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt",
        "gen_ai.conversation.id": "t",
    }


class Inside(FakeListChatModel):
    """Tells where a call is made, and in which span."""

    responses: list[str] = Field(default=["Answer: 2"])
    seen: list[tuple[str, int]] = Field(default=[])

    async def _agenerate(self, *_: Any, **__: Any) -> ChatResult:
        span = trace.get_current_span()
        self.seen.append((threading.current_thread().name, span.get_span_context().span_id))
        return ChatResult(generations=[ChatGeneration(message=AIMessage("Answer: 2"))])


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_what_the_model_s_client_traces_is_inside_the_call_also_across_loops(way: str, spans: Spans) -> None:
    inside = Inside()
    crossing = graph(LangChainModel(inside, "inside", on_background=True), policy="direct")
    crossing.invoke(PROBLEM) if way == "invoke" else asyncio.run(crossing.ainvoke(PROBLEM))
    assert inside.seen == [("ponder", id_of(spans.calls[0]))]


async def test_what_a_verifier_traces_is_inside_the_run(spans: Spans) -> None:
    def check(problem: object, candidate: object) -> bool:
        trace.get_tracer("application").start_span("checked").end()
        return True

    await graph(verifier=check).ainvoke(PROBLEM)
    assert {parent_of(span) for span in spans.all if span.name == "checked"} == {id_of(spans.runs[0])}


async def test_runs_at_the_same_time_keep_their_calls_apart(spans: Spans) -> None:
    one = graph(ScriptedModel(always("1"), latency=0.01))
    await asyncio.gather(*(one.ainvoke(PROBLEM) for _ in range(3)))
    assert len({trace_of(span) for span in spans.runs}) == 3
    for run in spans.runs:
        assert sum(parent_of(call) == id_of(run) for call in spans.calls) == 3


def test_a_run_inside_a_call_of_another_run_is_that_call_s_child(spans: Spans) -> None:
    class Deep(ScriptedModel):
        async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
            inner: Any = create_ponder(ScriptedModel(always("2"), name="inner"), policy="direct")
            return Reply((await inner.ainvoke(PROBLEM))["answer"].text)

    graph(Deep(name="outer"), policy="direct").invoke(PROBLEM)
    inner, outer = spans.runs
    by_name = {call.name: call for call in spans.calls}
    assert parent_of(by_name["chat inner"]) == id_of(inner)
    assert parent_of(inner) == id_of(by_name["chat outer"])
    assert parent_of(by_name["chat outer"]) == id_of(outer)


def test_as_a_node_of_a_synchronous_graph_it_is_one_run_within_the_caller_s_span(spans: Spans) -> None:
    parent = StateGraph(MessagesState)
    parent.add_node("ponder", graph())
    parent.add_edge(START, "ponder")
    parent.add_edge("ponder", END)
    with SQLAlchemySaver.from_conn_string("sqlite://") as saver, trace.get_tracer("x").start_as_current_span("mine"):
        parent.compile(checkpointer=saver).invoke(
            {"messages": [HumanMessage(TEXT)]}, {"configurable": {"thread_id": "t"}}
        )
    (run,), mine = spans.runs, spans.all[-1]
    assert (parent_of(run), about(run)["gen_ai.conversation.id"]) == (id_of(mine), "t")
    assert {parent_of(call) for call in spans.calls} == {id_of(run)}


def test_a_stream_left_half_read_leaves_no_span_behind(spans: Spans) -> None:
    stream = graph().stream(PROBLEM)
    next(stream)
    assert not trace.get_current_span().get_span_context().is_valid
    stream.close()
    assert [run.status.status_code for run in spans.runs] == [StatusCode.UNSET]


async def test_a_call_that_fails_says_by_what_and_its_next_attempt_is_a_span_of_its_own(spans: Spans) -> None:
    limited = CallFailed("slow down", 0.001, status=429, usage=Usage(input_tokens=3))
    said: list[Any] = [limited, passing(), "Answer: 2"]
    answer = await graph(ScriptedModel(lambda _, number: said[number]), policy="direct").ainvoke(PROBLEM)
    found = [(about(call).get("error.type"), call.status.status_code, call.status.description) for call in spans.calls]
    assert found == [
        ("429", StatusCode.ERROR, None),
        ("CallFailed", StatusCode.ERROR, None),
        (None, StatusCode.UNSET, None),
    ]
    assert [about(call)["ponder.call.id"] for call in spans.calls] == [
        f"1-direct-000-000{attempt}" for attempt in ("", "#1", "#2")
    ]
    assert about(spans.calls[0])["gen_ai.usage.input_tokens"] == 3
    assert answer["answer"].spent.input_tokens == 13


async def test_a_call_to_a_pool_names_the_model_whose_turn_it_is_and_the_one_that_answered(spans: Spans) -> None:
    away = ScriptedModel(lambda *_: CallFailed("down", 0.0, unreachable=True, sent=False), name="openai:away")
    there = ScriptedModel(always("2"), name="mistralai:there")
    await graph(Pool((away, there)), policy="fixed").ainvoke(PROBLEM)
    named = [(call.name, about(call)["gen_ai.provider.name"]) for call in spans.calls]
    assert set(named) == {("chat away", "openai"), ("chat there", "mistral_ai")}
    assert {about(call)["gen_ai.response.model"] for call in spans.calls} == {"there"}
    assert [about(run)["gen_ai.provider.name"] for run in spans.runs] == ["_OTHER"]


async def test_a_call_without_a_reply_in_time_is_a_timeout_and_its_cost_is_not_known(spans: Spans) -> None:
    await graph(ScriptedModel(latency=60), policy="direct", call_timeout=0.01, retries=0).ainvoke(PROBLEM)
    (call,) = spans.calls
    assert (about(call)["error.type"], about(call)["ponder.state"]) == ("timeout", "lost")
    assert "gen_ai.usage.input_tokens" not in about(call)


async def test_a_call_let_go_by_a_settled_vote_is_no_error(spans: Spans) -> None:
    class Slow(ScriptedModel):
        async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
            await asyncio.sleep(60 if "000-003" in request.place else 0)
            return await super().generate(messages, request)

    await graph(Slow(always("2")), policy="parallel").ainvoke(PROBLEM)
    dropped = next(call for call in spans.calls if about(call)["ponder.state"] == "dropped")
    assert (dropped.status.status_code, "error.type" in about(dropped)) == (StatusCode.UNSET, False)


async def test_a_run_that_stops_says_why_and_the_call_says_the_server_s_status(spans: Spans) -> None:
    with FakeServer(lambda *_: Said(status=401, body={})) as server, pytest.raises(ModelUnreachable):
        await asolve(TEXT, model="openai:fake", base_url=server.url, store=":memory:", policy="direct")
    assert [about(call)["error.type"] for call in spans.calls] == ["401"]
    assert [(about(run)["error.type"], run.status.status_code) for run in spans.runs] == [
        ("ModelUnreachable", StatusCode.ERROR)
    ]


async def test_a_call_that_the_journal_knows_has_no_span(spans: Spans) -> None:
    async with SQLAlchemySaver.from_conn_string("sqlite://") as saver:
        asked = ScriptedModel(always("2"))
        stored = graph(asked, policy="direct", checkpointer=saver)
        on: Any = {"configurable": {"thread_id": "t"}}
        await stored.ainvoke(PROBLEM, on)
        before = [state async for state in stored.aget_state_history(on) if state.next == ("direct",)]
        await stored.ainvoke(None, before[0].config)
    assert (asked.calls, len(spans.calls), len(spans.runs)) == (1, 1, 2)
    assert "ponder_run" not in str(before[0].metadata)


async def test_prompts_and_answers_are_there_only_when_asked_for(spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    asked = ScriptedModel(always("2"))
    await graph(asked, policy="direct").ainvoke(PROBLEM)
    found = about(spans.calls[0])
    assert json.loads(str(found["gen_ai.input.messages"]))[-1] == {
        "role": "user",
        "parts": [{"type": "text", "content": asked.prompts[0]}],
    }
    assert json.loads(str(found["gen_ai.output.messages"])) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "Answer: 2"}], "finish_reason": "stop"}
    ]
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "false")
    await graph(asked, policy="direct").ainvoke(PROBLEM)
    assert not [key for key in about(spans.calls[1]) if key.endswith("messages")]


async def test_a_reply_that_calls_a_tool_is_that_call_in_its_span(
    spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Calling(ScriptedModel):
        async def generate(self, messages: Any, request: Request) -> Reply:
            return replace(await super().generate(messages, request), tool_calls=CALLED)

    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    await graph(Calling(lambda *_: ""), policy="direct").ainvoke(PROBLEM)
    (said,) = json.loads(str(about(spans.calls[0])["gen_ai.output.messages"]))
    assert said["parts"] == [{"type": "tool_call", "id": "1", "name": "look", "arguments": {"x": 7}}]


def test_without_opentelemetry_and_without_logging_a_run_is_silent_and_answers() -> None:
    program = """
import sys
sys.modules["opentelemetry"] = None
from ponder.graphs import create_ponder
from tests.fakes import ScriptedModel, passing
model = ScriptedModel(lambda _, number: "Answer: 2" if number else passing())
print(create_ponder(model, policy="direct").invoke({"problem": "1 + 1?"})["answer"].answer)
print([name for name in sys.modules if name.startswith("opentelemetry.")])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "2\n[]\n", "")
