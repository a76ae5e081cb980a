"""Each call of a wave is a task of LangGraph's own: what has ended is kept, whoever keeps it."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver

from ponder.graphs import create_ponder
from ponder.graphs.machine import CompiledGraph
from ponder.nodes.ports import Reply, Request
from ponder.state import ModelUnreachable, Problem, SQLAlchemySaver, Verdict
from ponder.state.run import Candidate
from tests.fakes import ScriptedModel, always, passing

PROBLEM: Any = {"problem": "1 + 1?"}
ON: RunnableConfig = {"configurable": {"thread_id": "t"}}


class Half(ScriptedModel):
    """Answers two calls; the others hang until it is `mended`."""

    mended = False

    async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
        self.latency = 60 if self.calls >= 2 and not self.mended else 0
        return await super().generate(messages, request)


@pytest.fixture(params=["ponder's", "LangGraph's"])
def saver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseCheckpointSaver[Any]]:
    with SQLAlchemySaver(f"sqlite:///{tmp_path}/ponder.db") as ours:
        yield ours if request.param == "ponder's" else InMemorySaver()


async def cut_off(graph: CompiledGraph, ready: Callable[[], bool]) -> None:
    """Cancel a run of the graph as soon as something is so."""
    running = asyncio.create_task(graph.ainvoke(PROBLEM, ON, durability="sync"))
    while not ready():  # noqa: ASYNC110 - what is waited for does not signal
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_what_only_tasks_keep_of_a_cancelled_wave_is_not_paid_again() -> None:
    model, saver = Half(always("2")), InMemorySaver()
    graph = create_ponder(model, policy="fixed", max_samples=4, checkpointer=saver)
    await cut_off(graph, lambda: len(kept_candidates(saver)) >= 2)
    model.mended = True
    answer = (await graph.ainvoke(None, ON))["answer"]
    assert (model.calls, len(answer.candidates)) == (4 + 2, 4)


def kept_candidates(saver: BaseCheckpointSaver[Any]) -> list[Candidate]:
    """Return what tasks have written that is in no checkpoint yet."""
    writes = [value for item in saver.list(ON) for _, _, value in item.pending_writes or []]
    return [one for value in writes if isinstance(value, list) for one in value if isinstance(one, Candidate)]


class Third:
    """Refuses every candidate; the third it does not come back from, until it is `mended`."""

    kind = "exact"

    def __init__(self) -> None:
        self.checked = 0
        self.mended = False

    async def verify(self, _: Problem, __: Candidate) -> Verdict:
        self.checked += 1
        await asyncio.sleep(60 if self.checked >= 3 and not self.mended else 0)
        return Verdict(score=0, passed=False)


async def test_a_verdict_that_is_known_is_not_asked_for_again(saver: BaseCheckpointSaver[Any]) -> None:
    model, verifier = ScriptedModel(always("2")), Third()
    graph = create_ponder(model, verifier=verifier, policy="fixed", max_samples=3, checkpointer=saver)
    await cut_off(
        graph, lambda: len([one for one in kept_candidates(saver) if one.verdict]) >= 2 and verifier.checked >= 3
    )
    verifier.mended = True
    answer = (await graph.ainvoke(None, ON))["answer"]
    assert (verifier.checked, len(answer.candidates)) == (3 + 1, 3)


async def test_a_call_that_nobody_answered_is_kept_before_it_stops_the_run(saver: BaseCheckpointSaver[Any]) -> None:
    model = ScriptedModel(lambda _, number: "Answer: 2" if number else passing("HTTP 503: overloaded"))
    graph = create_ponder(model, policy="direct", retries=0, checkpointer=saver)
    with pytest.raises(ModelUnreachable, match="HTTP 503"):
        await graph.ainvoke(PROBLEM, ON, durability="sync")
    answer = (await graph.ainvoke(None, ON))["answer"]
    assert (answer.answer, answer.spent.calls, model.calls) == ("2", 2, 2)


@pytest.mark.parametrize("asynchronous", [True, False])
@pytest.mark.parametrize("kept", [True, False])
async def test_no_more_calls_are_in_flight_than_the_caller_lets_tasks_run(
    kept: bool, asynchronous: bool, tmp_path: Path
) -> None:
    model = ScriptedModel(always("2"), latency=0.01)
    with SQLAlchemySaver(f"sqlite:///{tmp_path}/ponder.db") as ours:
        graph = create_ponder(model, policy="fixed", max_samples=6, checkpointer=ours if kept else None)
        config: RunnableConfig = {**ON, "max_concurrency": 2}
        if asynchronous:
            await graph.ainvoke(PROBLEM, config)
        else:
            await asyncio.to_thread(graph.invoke, PROBLEM, config)
    assert (model.calls, model.most_flying) == (6, 2)
