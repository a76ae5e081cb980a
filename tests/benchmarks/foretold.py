"""Replay recorded answers through the real machine: how often does a run fall into what `preview` told before it?

`uv run python -m tests.benchmarks.foretold [--count 60] [--rows adaptive/fast,parallel,…]`

The model draws, for each place of a run, one of the 48 answers that SmolLM2-135M gave to the problem (the greedy one at
temperature 0), with the tokens and the log-probability that were recorded. Critiques, judgements and ratings were not
recorded: a critique scores 5 of 10, a judge prefers the first place, so that both orders contradict each other, and a
rating is 5 of 10. Prompts that were not recorded count a token for 4 bytes. The price is made up.
"""

import argparse
import asyncio
import os
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from langchain_core.messages import BaseMessage

from ponder.graphs import create_ponder, preview
from ponder.nodes.ports import Reply, Request
from ponder.state import Answer, Preview
from ponder.state.budget import Usage
from tests.benchmarks.live import problems, right

MAX_TOKENS = 96
"""Output tokens of a call, as recorded."""
PRICES = '{"recorded": {"input": 0.5, "output": 2.0}}'
SAID = {"critique": "Score: 5", "judge": "Better: 1", "rate": "Difficulty: 5"}
ROWS = (
    *("adaptive/low", "adaptive/fast", "adaptive/balanced", "adaptive/thorough", "cumulative/balanced"),
    *("fixed/balanced", "direct/balanced", "parallel/fast", "parallel/balanced", "parallel/thorough"),
    *("refine/balanced", "search/balanced"),
)


@dataclass(frozen=True)
class Recorded:
    """Answers one problem as it was answered before."""

    problem: dict[str, Any]
    seed: int
    name: str = "recorded"

    async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
        read = 20 + sum(len(str(message.text).encode()) for message in messages) // 4
        if request.kind in SAID:
            return Reply(SAID[request.kind], usage=Usage(input_tokens=read, output_tokens=5))
        samples = self.problem["samples"]
        drawn = zlib.crc32(f"{self.seed}/{self.problem['id']}/{request.place}".encode()) % len(samples)
        sample = samples[drawn] if request.temperature else self.problem["greedy"]
        if request.kind in {"probe", "sample"}:
            read = sample["prompt_tokens"]
        usage = Usage(input_tokens=read, output_tokens=sample["completion_tokens"])
        return Reply(sample["text"], sample["finish"], usage, sample["mean_logprob"])


@dataclass
class Row:
    """What the runs of one policy and effort came to, beside what was told."""

    runs: list[tuple[Preview, Answer, bool]] = field(default_factory=list)
    seconds: float = 0.0
    """Spent on previews."""

    def figures(self, name: str) -> list[tuple[float, float, float]]:
        """Return the least, the true and the most of one figure, for each run."""
        rows = [(getattr(told, name), getattr(answer.spent, name)) for told, answer, _ in self.runs]
        return [(range_.low, spent, range_.high) for range_, spent in rows]

    def inside(self, *names: str) -> float:
        """Return the percentage of runs whose figures all fell inside."""
        rows = zip(*(self.figures(name) for name in names), strict=True)
        return 100 * fmean(all(low <= spent <= high for low, spent, high in row) for row in rows)

    def filled(self, name: str) -> float:
        """Return the mean as a percentage of the upper end."""
        figures = self.figures(name)
        return 100 * fmean(spent for _, spent, _ in figures) / fmean(high for _, _, high in figures)

    def __str__(self) -> str:
        calls = self.figures("calls")
        told = f"{min(low for low, _, _ in calls):.0f} to {max(high for _, _, high in calls):.0f}"
        tokens = ("input_tokens", "output_tokens")
        return (
            f"{told:>9} {fmean(spent for _, spent, _ in calls):6.1f}  "
            f"{self.inside('calls'):5.0f} {self.inside(*tokens):6.0f} {self.inside('usd'):4.0f}   "
            + "".join(f"{self.filled(name):6.1f}" for name in ("calls", *tokens, "usd"))
            + f"   {100 * fmean(good for *_, good in self.runs):5.1f}  {1000 * self.seconds / len(self.runs):7.0f}"
        )


async def replay(name: str, count: int, seed: int) -> Row:
    """Preview and solve each problem."""
    policy, _, effort = name.partition("/")
    options: dict[str, Any] = {"policy": policy, "effort": effort or "balanced", "max_tokens": MAX_TOKENS}
    row = Row()
    for problem in problems(count):
        model, question = Recorded(problem, seed), problem["question"]
        clock = time.process_time()
        told = preview(question, model=model, **options)
        row.seconds += time.process_time() - clock
        answer = (await create_ponder(model, **options).ainvoke({"problem": question}))["answer"]
        row.runs.append((told, answer, right(problem, answer.answer)))
    return row


async def main() -> None:
    """Print a line a policy and effort."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    os.environ["PONDER_PRICES"] = PRICES
    print(f"{asked.count} problems; inside: % of runs within the range; filled: the mean in % of the upper end")
    print("                        calls           inside             filled                right  preview")
    print("policy/effort          told   mean  calls tokens  USD    calls input output USD       %   CPU ms")
    for name in asked.rows.split(","):
        print(f"{name:19}{await replay(name, asked.count, asked.seed)}", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
