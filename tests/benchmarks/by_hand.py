"""The least that users of LangGraph and LangChain would write: a node that sends each call off, one that asks, an edge.

It keeps nothing but the replies: no journal, no budget, no vote. What it takes is the floor under any graph of these
packages, and so the yardstick of ours.
"""

import asyncio
import operator
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Annotated, Any

from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send
from typing_extensions import TypedDict

Run = Callable[[], Awaitable[object]]


class Kept(TypedDict, total=False):
    """What the graph keeps."""

    replies: Annotated[list[AIMessage], operator.add]


def by_hand(
    chat: ChatOpenAI, calls: int, waves: int = 1, *, saver: BaseCheckpointSaver[Any] | None = None, concurrency: int
) -> Run:
    """Write the graph; return what runs it once."""
    gate = asyncio.Semaphore(concurrency)

    async def dispatch(state: Kept) -> Command[str]:
        made = len(state.get("replies") or [])
        if made >= calls:
            return Command(goto=END)
        return Command(goto=[Send("sample", made + index) for index in range(calls // waves)])

    async def sample(index: int) -> Kept:
        async with gate:
            return {"replies": [await chat.ainvoke(f"What is {index} + 7? Think step by step.", seed=index)]}

    graph = StateGraph(Kept)
    graph.add_node("dispatch", dispatch, destinations=("sample", END))
    graph.add_node("sample", sample)  # type: ignore[type-var]  # what is sent to it is no state
    graph.add_edge("sample", "dispatch")
    graph.add_edge(START, "dispatch")
    return runner(graph, calls, saver)


def in_waves(
    ask: Callable[[int], Awaitable[object]], calls: int, waves: int, *, saver: BaseCheckpointSaver[Any] | None = None
) -> Run:
    """Write the graph with a task a wave, not a call; return what runs it once."""

    async def wave(state: Kept) -> Command[str]:
        made = len(state.get("replies") or [])
        if made >= calls:
            return Command(goto=END)
        replies = await asyncio.gather(*(ask(made + index) for index in range(calls // waves)))
        return Command(update={"replies": replies}, goto="wave")

    graph = StateGraph(Kept)
    graph.add_node("wave", wave, destinations=("wave", END))
    graph.add_edge(START, "wave")
    return runner(graph, calls, saver)


def runner(graph: StateGraph[Kept], calls: int, saver: BaseCheckpointSaver[Any] | None) -> Run:
    """Return what runs a graph once, on a thread of its own."""
    compiled, runs = graph.compile(checkpointer=saver), count()
    durability: dict[str, Any] = {"durability": "sync"} if saver else {}

    async def run() -> None:
        thread = f"{id(compiled)}-{next(runs)}"
        found = await compiled.ainvoke({}, {"configurable": {"thread_id": thread}}, **durability)
        assert len(found["replies"]) == calls

    return run
