"""A cascade of two models on GSM8K, through the real machine: accuracy against the share that goes to the strong one.

`uv run python -m tests.benchmarks.replay.cascade [--json OUT] [--plot DIR]`

One answer of each model is recorded, so that nothing can disagree with itself, and no probabilities were. What stands
for them is read off the cheap answer alone, never off the right one: whether it ends as it was asked to, whether its
sums are true, and how long it is. How much that is worth the curve shows: the line between the two models is a coin
that sends as many questions up. The cascade pays for the cheap model each time, the coin only where it stays there.
"""

import argparse
import ast
import asyncio
import gzip
import json
import math
import operator
import re
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from langchain_core.messages import BaseMessage

from ponder.graphs import create_ponder
from ponder.nodes.ports import Reply, Request
from ponder.nodes.telemetry import unwatched
from ponder.state import Answer
from tests.benchmarks.replay.playback import UNHURRIED
from tests.benchmarks.replay.study import DATA

SHARES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Of the questions, those that the thresholds are to send up."""
SUM = re.compile(r"(\d[\d.+\-*/() ]{0,60}?)\s*=\s*\$?(\d+(?:\.\d+)?)")
OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
BOOTSTRAPS = 500

asked: ContextVar[dict[str, Any]] = ContextVar("asked")


@dataclass(frozen=True)
class Member:
    """A model that gives its recorded answer."""

    name: str

    async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
        text = asked.get()[self.name]["text"]
        return Reply(text, mean_logprob=-doubt(text))


def doubt(text: str) -> float:
    """Rate how doubtful an answer looks: no end as asked, then false sums, then length."""
    return ("####" not in text) + 0.3 * min(2, false_sums(text)) + len(text) / 10_000


def false_sums(text: str) -> int:
    """Count sums such as 3 * 4 = 13."""
    count = 0
    for said, result in SUM.findall(text):
        try:
            count += abs(value(ast.parse(said.strip(), mode="eval").body) - Fraction(result)) > Fraction(1, 100)
        except (SyntaxError, ValueError, ZeroDivisionError):
            continue  # no sum
    return count


def value(node: ast.expr) -> Fraction:
    """Work out a sum."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return Fraction(str(node.value))
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        return Fraction(OPERATORS[type(node.op)](value(node.left), value(node.right)))
    raise ValueError(ast.dump(node))


@dataclass(frozen=True)
class Point:
    """What a threshold comes to, for each question."""

    sure: float
    right: Sequence[bool]
    up: Sequence[bool]
    """Whether the strong model was asked."""

    def over(self, some: Sequence[int]) -> tuple[float, float]:
        """Return, over some of the questions, the share that went up and the accuracy."""
        return sum(self.up[one] for one in some) / len(some), sum(self.right[one] for one in some) / len(some)


async def play(questions: Sequence[dict[str, Any]], sure: float) -> Point:
    """Solve all questions at one threshold."""
    given: dict[str, Any] = {"assessor": "logprob", "sure": sure, "pool": "cascade", "max_samples": 2}
    machine = create_ponder([Member("cheap"), Member("strong")], **UNHURRIED, **given)
    right, up = [], []
    for question in questions:
        asked.set(question)
        answer: Answer = (await machine.ainvoke({"problem": question["question"]}))["answer"]
        chosen = "cheap" if answer.text == question["cheap"]["text"] else "strong"
        right.append(bool(question[chosen]["right"]))
        up.append(answer.spent.calls > 1)
    return Point(sure, right, up)


def area(points: Sequence[Point], questions: Sequence[dict[str, Any]], some: Sequence[int]) -> float:
    """Return the area between the curve and the line from the cheap to the strong model, in accuracy."""
    ends = [sum(questions[one][name]["right"] for one in some) / len(some) for name in ("cheap", "strong")]
    curve = sorted([(0.0, ends[0]), *(point.over(some) for point in points), (1.0, ends[1])])
    under = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(curve))
    return under - sum(ends) / 2


def study(questions: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the curve, and the area above the line with its interval."""
    looks = sorted(math.exp(-doubt(question["cheap"]["text"])) for question in questions)
    cuts = [looks[int(share * len(looks))] for share in SHARES]
    with unwatched():
        points = [asyncio.run(play(questions, min(cut, 1 - 1e-9))) for cut in cuts]
    every, random = range(len(questions)), Random(1)  # noqa: S311 - nothing secret
    areas = sorted(area(points, questions, random.choices(every, k=len(every))) for _ in range(BOOTSTRAPS))
    tail = BOOTSTRAPS // 40
    return {
        "questions": len(questions),
        **{
            name: sum(question[name]["right"] for question in questions) / len(questions)
            for name in ("cheap", "strong")
        },
        "either": sum(question["cheap"]["right"] or question["strong"]["right"] for question in questions)
        / len(questions),
        "points": [dict(zip(("strong_share", "accuracy"), point.over(every), strict=True)) for point in points],
        "area": area(points, questions, every),
        "area_ci": (areas[tail], areas[-1 - tail]),
    }


def main() -> None:
    """Print the curve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--count", type=int)
    given = parser.parse_args()
    lines = gzip.decompress((DATA / "routellm_gsm8k.jsonl.gz").read_bytes()).decode().split("\n")
    found = study([json.loads(line) for line in lines if line][: given.count])
    print(", ".join(f"{name} {100 * found[name]:.1f} %" for name in ("cheap", "strong", "either")))
    for point in found["points"]:
        line = found["cheap"] + (found["strong"] - found["cheap"]) * point["strong_share"]
        share, right = 100 * point["strong_share"], 100 * point["accuracy"]
        print(f"{share:5.1f} % to the strong model: {right:.1f} % right, line {100 * line:.1f} %")
    low, high = (100 * end for end in found["area_ci"])
    print(f"area above the line {100 * found['area']:.2f} points ({low:.2f} to {high:.2f})")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1))
    if given.plot:
        from tests.benchmarks.replay.plot import plot_cascade  # the bench group

        plot_cascade(found, given.plot)


if __name__ == "__main__":
    main()
