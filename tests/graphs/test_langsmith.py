"""LangSmith and every other LangChain tracer see a run as they see any graph's; ponder does nothing for it."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.language_models import FakeListChatModel
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run

from ponder.graphs import create_ponder, solve
from ponder.nodes.models.chat import LangChainModel
from ponder.nodes.models.openai import openai_model
from ponder.state import ModelUnreachable
from tests.fake_server import FakeServer, Said

PROBLEM: Any = {"problem": "What is 1 + 1?"}


class Collector(BaseTracer):
    """What LangSmith's tracer is made of, without its server."""

    def __init__(self) -> None:
        super().__init__()
        self.roots: list[Run] = []

    def _persist_run(self, run: Run) -> None:
        self.roots.append(run)


def within(run: Run) -> Iterator[Run]:
    yield run
    for child in run.child_runs:
        yield from within(child)


def asked(run: Run) -> list[Run]:
    return [found for found in within(run) if found.run_type == "llm"]


def fake() -> FakeListChatModel:
    return FakeListChatModel(responses=["Answer: 2"])


WAYS: dict[str, Callable[[Any, Any], Any]] = {
    "invoke": lambda graph, config: graph.invoke(PROBLEM, config),
    "ainvoke": lambda graph, config: asyncio.run(graph.ainvoke(PROBLEM, config)),
}
MODELS: dict[str, Callable[[], Any]] = {
    "own": fake,
    "crossing to the background loop": lambda: LangChainModel(fake(), "fake", on_background=True),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("model", MODELS)
def test_a_tracer_sees_the_chain_and_the_model_s_runs_within_it(model: str, way: str) -> None:
    tracer = Collector()
    WAYS[way](create_ponder(MODELS[model](), policy="parallel"), {"callbacks": [tracer]})
    (root,) = tracer.roots
    assert (root.name, root.run_type, root.error) == ("ponder", "chain", None)
    assert [child.name for child in root.child_runs] == ["begin", "parallel", "select"]
    calls = asked(root)
    assert len(calls) == 4
    for call in calls:
        assert "What is 1 + 1?" in str(call.inputs)
        assert (call.outputs or {})["generations"][0][0]["text"] == "Answer: 2"


@pytest.mark.parametrize("way", WAYS)
def test_a_tracer_hears_of_the_calls_that_a_server_answers(way: str) -> None:
    tracer = Collector()
    with FakeServer() as server:
        graph = create_ponder(openai_model("fake", server.url, "key"), policy="parallel")
        WAYS[way](graph, {"callbacks": [tracer]})
    calls = asked(tracer.roots[0])
    assert [(call.outputs or {})["generations"][0][0]["text"] for call in calls] == ["Answer: 2"] * 4
    assert {call.extra["invocation_params"]["model"] for call in calls if call.extra} == {"fake"}


async def test_a_count_of_usage_and_a_stream_of_messages_and_the_model_s_own_callbacks_hear_of_them_too() -> None:
    with FakeServer() as server:
        own, model = Collector(), openai_model("fake", server.url, "key")
        model.model.callbacks = [own]
        await create_ponder(model, policy="parallel").ainvoke(PROBLEM)
        assert len(own.roots) == 4
        graph = create_ponder(openai_model("fake", server.url, "key"), policy="parallel")
        with get_usage_metadata_callback() as counted:
            await graph.ainvoke(PROBLEM)
        assert counted.usage_metadata["fake"]["total_tokens"] == 4 * 15
        streamed = [part async for part in graph.astream(PROBLEM, stream_mode="messages", subgraphs=True)]
    assert [message.content for _, (message, _) in streamed].count("Answer: 2") >= 4


@pytest.mark.parametrize("way", WAYS)
def test_a_call_that_fails_is_a_failed_run_of_the_model(way: str) -> None:
    tracer = Collector()
    with FakeServer(lambda *_: Said(status=401, body={})) as server:
        graph = create_ponder(openai_model("fake", server.url, "key"), policy="direct")
        with pytest.raises(ModelUnreachable):
            WAYS[way](graph, {"callbacks": [tracer]})
    (root,) = tracer.roots
    assert "ModelUnreachable" in str(root.error)
    assert ["401" in str(call.error) for call in asked(root)] == [True]


def test_solve_takes_part_in_the_trace_of_the_chain_that_calls_it() -> None:
    tracer = Collector()
    chain: Any = RunnableLambda(lambda _: solve("What is 1 + 1?", model=fake(), store=":memory:", policy="direct"))
    assert chain.invoke("", {"callbacks": [tracer]}).answer == "2"
    (root,) = tracer.roots
    assert len(asked(root)) == 1
