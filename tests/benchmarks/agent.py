"""An agent with tools before and after one line: a model that takes the right step with p = 0.6, for three steps.

`uv run python -m tests.benchmarks.agent [--runs 150] [--repeats 200]`: successes with Wilson's 95 % intervals and calls
made; what `PonderChatModel` under `direct` adds to one call of the bare model, paired, by the clock and by the
processor's; and the time from `create_ponder` to the first streamed event, in a process that has imported it.
"""

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Callable
from math import sqrt
from typing import Any

from langchain.agents import create_agent
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import tool
from pydantic import Field

from ponder.graphs import DeliberateMiddleware, PonderChatModel, create_ponder

STEPS = (("find", 4711), ("reserve", 12), ("ship", 99))
"""What has to be done, in this order, each with its one right argument."""
RIGHT = 0.6


@tool
def find(number: int) -> str:
    """Find a customer by number."""
    return f"found {number}"


@tool
def reserve(number: int) -> str:
    """Reserve an article."""
    return f"reserved {number}"


@tool
def ship(number: int) -> str:
    """Ship an order."""
    return f"shipped {number}"


TOOLS = [find, reserve, ship]


class Unsteady(BaseChatModel):
    """Takes the right next step with p = 0.6, else another one: a wrong tool, or a wrong argument."""

    dice: random.Random
    asked: list[int] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "unsteady"

    def bind_tools(self, tools: Any, **_: Any) -> Runnable[LanguageModelInput, AIMessage]:
        return self.bind()

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        self.asked.append(1)
        taken = sum(isinstance(message, ToolMessage) for message in messages)
        if taken == len(STEPS):
            return ChatResult(generations=[ChatGeneration(message=AIMessage("Done."))])
        name, number = STEPS[taken]
        if self.dice.random() >= RIGHT:
            name = self.dice.choice([each.name for each in TOOLS])
            number = self.dice.choice([known for _, known in STEPS] + [self.dice.randrange(9)])
        call = {"name": name, "args": {"number": number}, "id": f"c{len(self.asked)}"}
        return ChatResult(generations=[ChatGeneration(message=AIMessage("", tool_calls=[call]))])


def interval(successes: int, runs: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share."""
    z, share = 1.96, successes / runs
    middle = share + z * z / (2 * runs)
    spread = z * sqrt(share * (1 - share) / runs + z * z / (4 * runs * runs))
    return (middle - spread) / (1 + z * z / runs), (middle + spread) / (1 + z * z / runs)


async def succeed(runs: int, name: str, middleware: Callable[[], list[Any]]) -> None:
    """Run an agent many times, and print how often it took all the right steps."""
    model = Unsteady(dice=random.Random(7))  # noqa: S311 - a fake's dice
    successes = 0
    for _ in range(runs):
        agent: Any = create_agent(model, TOOLS, middleware=middleware())
        chat = (await agent.ainvoke({"messages": [HumanMessage("Send it.")]}, {"recursion_limit": 50}))["messages"]
        taken = [
            (call["name"], call["args"]["number"]) for message in chat for call in getattr(message, "tool_calls", ())
        ]
        successes += taken == list(STEPS)
    low, high = interval(successes, runs)
    share, calls = f"{successes / runs:4.0%} [{low:.0%}, {high:.0%}]", len(model.asked) / runs
    print(f"{name:28} {share} of {runs}, {calls:.1f} calls a run")


class Bare(Unsteady):
    """Answers at once."""

    async def _agenerate(self, *given: Any, **named: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage("Done."))])


async def overhead(repeats: int) -> None:
    """Print what deliberation adds where there is none."""
    bare = Bare(dice=random.Random(1))  # noqa: S311 - likewise
    ponder = PonderChatModel(model=bare, policy="direct")
    rows: list[list[float]] = []
    for _ in range(repeats + 10):
        took: list[float] = []
        for model in (bare, ponder):
            clock, busy = time.perf_counter(), time.process_time()
            await model.ainvoke("Hello")
            took += [time.perf_counter() - clock, time.process_time() - busy]
        rows.append(took)
    wall = [(row[2] - row[0]) * 1000 for row in rows[10:]]
    busy_ms = statistics.median((row[3] - row[1]) * 1000 for row in rows[10:])
    low, middle, high = statistics.quantiles(wall, n=4)
    told = f"{middle:.1f} ms added [{low:.1f}, {high:.1f}], {busy_ms:.1f} ms of the processor"
    print(f"direct against bare, median of {repeats} pairs: {told}")


async def first_event(repeats: int) -> None:
    """Print how long a notebook waits until a new graph tells something."""
    took: list[float] = []
    for _ in range(repeats):
        model = Bare(dice=random.Random(1))  # noqa: S311 - likewise
        clock = time.perf_counter()
        graph: Any = create_ponder(model)
        told = graph.astream({"problem": "What is 1 + 1?"}, stream_mode="custom", subgraphs=True)
        async for _, event in told:
            assert event["type"] == "budget"
            took.append((time.perf_counter() - clock) * 1000)
            break
        await told.aclose()
    told = f"the first {took[0]:.0f} ms, median of {repeats} {statistics.median(took):.0f}, most {max(took):.0f}"
    print(f"create_ponder to the first event: {told}")


async def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=150)
    parser.add_argument("--repeats", type=int, default=200)
    given = parser.parse_args()
    await first_event(20)
    await succeed(given.runs, "before", list)
    await succeed(given.runs, "unsure", lambda: [DeliberateMiddleware("unsure")])
    await succeed(given.runs, "parallel, fast", lambda: [DeliberateMiddleware(policy="parallel", effort="fast")])
    await succeed(given.runs, "parallel, balanced", lambda: [DeliberateMiddleware(policy="parallel")])
    await overhead(given.repeats)


if __name__ == "__main__":
    asyncio.run(main())
