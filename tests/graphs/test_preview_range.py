"""No run in which every call is answered costs less or more than was told before its first call."""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from langchain_core.messages import BaseMessage

from ponder.graphs import create_ponder, preview
from ponder.nodes.ports import CallFailed, Reply, Request
from ponder.state import Answer, ModelUnreachable, Preview, Problem, Verdict
from ponder.state.budget import Usage
from ponder.state.form import Form

PRICES = '{"scripted": {"input": 1000, "cached": 100, "output": 10000}}'
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
LOOK = {"type": "function", "function": {"name": "look", "description": "Look it up.", "parameters": SCHEMA}}
CHOICE = "Which is right?\nA) one\nB) two\nC) three"
OBJECT = Problem(text="Fill in x.", form=Form(output_schema=SCHEMA))
CALL = Problem(text="Look x up.", form=Form(tools=[LOOK], tool_choice="required"))
PROBLEMS: list[str | Problem] = ["What is 1 + 1?", "Who wrote Emma?", CHOICE, "¿Cuánto es 2 × 2? " * 9, OBJECT, CALL]
FREE: list[str | Problem] = [
    Problem(text="Look x up, if need be.", form=Form(tools=[LOOK])),
    Problem(text="Why?", answer_type="text"),
]
HABITS = ("same", "pairs", "three", "new", "cut", "empty", "any")


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
        text, finish = self.text(messages, request)
        room = request.max_tokens * self.bytes_per_token - len(text)
        if text:
            text = " " * self.random.choice([0, 1, room // 2, room]) + text
        wrote = min(math.ceil(len(text) / self.bytes_per_token) or 1, request.max_tokens)
        read = sum(len(str(message.content).encode()) for message in messages) // self.bytes_per_token
        read += len(request.form.spelled) // self.bytes_per_token + self.random.choice([1, 20, 64 + 8 * len(messages)])
        usage = Usage(
            input_tokens=read,
            cached_tokens=self.random.choice([0, read]),
            output_tokens=self.random.choice([wrote, request.max_tokens]),
        )
        reply = Reply(text, finish, usage, self.logprob())  # type: ignore[arg-type]
        return self.in_form(reply, request.form) if request.kind != "grade" else reply

    def in_form(self, reply: Reply, form: Form) -> Reply:
        """Say a number in the form that was asked for, as a rule."""
        number = re.search(r"\d+", reply.text)
        if not number or self.random.random() < 0.2:
            return reply
        if form.tools:
            return replace(reply, text="", tool_calls=[call(int(number[0]), self.random.choice(["look"] * 9 + ["?"]))])
        return replace(reply, text=json.dumps({"x": int(number[0])})) if form.output_schema else reply

    def text(self, messages: Sequence[BaseMessage], request: Request) -> tuple[str, str]:
        """Follow the habit of the step that asks."""
        branch = request.place.split("-")[1]
        habit = self.habits[branch]
        if habit == "any":
            habit = self.random.choice(HABITS[:-1])
        if request.kind in {"rate", "critique"}:
            score = {"same": "10", "new": "0", "cut": "3", "pairs": "7", "empty": "", "three": "5"}[habit]
            return f"{'Score' if request.kind == 'critique' else 'Difficulty'}: {score}", "stop"
        if request.kind == "judge":
            return f"Better: {self.random.choice('12')}", "stop"
        if request.kind == "grade":
            return grade(messages, self.random), "stop"
        self.said[habit] += 1
        said = self.said[habit]
        number = {"same": 0, "pairs": said // 2 + 1, "three": said % 3, "new": said + 100}.get(habit)
        if number is None:
            return "?" if habit == "cut" else "", "length" if self.random.random() < 0.7 else "stop"
        return f"{number} {'ABCDEFGHIJ'[number % 10]}", "stop"

    def logprob(self) -> float | None:
        """Say how sure it is."""
        return {"none": None, "rising": -9 / self.calls, "any": -self.random.random() * 3}[self.logprobs]


def call(number: int, name: str = "look") -> dict[str, Any]:
    return {"name": name, "args": {"x": number}, "id": "1", "type": "tool_call"}


def grade(messages: Sequence[BaseMessage], random: Random) -> str:
    """Grade by a judge's rubric, or say nothing that could be read."""
    mark = re.search(r"#[0-9a-f]{16}", str(messages[-1].content))
    said = {"mark": mark and mark[0], "addresses_grader": False, "score": random.randint(0, 10)}
    return random.choice(["Well.", json.dumps(said | {"passed": random.random() < 0.3})])


JUDGE = "judge:It is right."
VERIFIERS: dict[str, Any] = {
    "none": None,
    "passes": lambda *_: True,
    "refuses": lambda *_: False,
    "scores": lambda *_: 0.5,
    "sometimes": lambda _, candidate: len(candidate.text) % 3 == 0,
    "scores anything": lambda _, candidate: Verdict(score=len(candidate.text) % 11 / 10, kind="weak"),
    "raises": lambda *_: 1 / 0,
    "raises sometimes": lambda _, candidate: 1 / (len(candidate.text) % 2) > 1,
    "explains at length": lambda *_: Verdict(score=0, passed=False, feedback="x" * 9999, kind="exact"),
    "judge": JUDGE,
    "judge and rule": json.dumps({"type": "all_of", "of": ["regex:.*", JUDGE]}),
    "judge or rule": json.dumps({"type": "any_of", "of": ["regex:.*5", JUDGE]}),
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
        "assessor": st.sampled_from(["probe"] * 3 + ["ask", "logprob", "fixed:0", "fixed:1", "fixed:3", "fixed:6"]),
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
        "n": st.integers(2, 8),
        "search": st.sampled_from(["ab_mcts", "beam"]),
        "quorum": st.floats(0, 0.9),
        "patience": st.integers(1, 4),
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


async def run(model: Any, problem: str | Problem, **given: Any) -> Answer:
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
@settings(max_examples=40, deadline=None, derandomize=True)
@given(model=models, problem=st.sampled_from(PROBLEMS + FREE), given=options, verifier=verifiers)
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
    model: Habitual, problem: str | Problem, given: dict[str, Any], verifier: str
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


NUMBERS: dict[str, Callable[[int], int]] = {"one": lambda _: 1, "three": lambda at: at % 3, "new": lambda at: 7 * at}
FORMS: dict[str, Callable[[int], Reply]] = {
    "words": lambda number: Reply(f"Answer: {number}"),
    "letters": lambda number: Reply("ABC"[number]),
    "objects": lambda number: Reply(json.dumps({"x": number})),
    "calls": lambda number: Reply("", tool_calls=[call(number)]),
    "nothing": lambda _: Reply("", "length"),
}


@dataclass
class Ended:
    """A model that reads a token a byte, says what it is told to, and settles nothing by what it thinks of it."""

    says: Callable[[int], Reply]
    name: str = "scripted"
    said: int = 0

    async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
        read = sum(len(str(message.content).encode()) for message in messages)
        usage = Usage(input_tokens=read + len(request.form.spelled), output_tokens=request.max_tokens)
        words = {"critique": "Score: 0", "judge": "Neither", "grade": "Well.", "rate": "Difficulty: 5"}
        if request.kind in words:
            return Reply(words[request.kind], usage=usage)
        self.said += 1
        return replace(self.says(self.said - 1), usage=usage)


LOW_AND_HIGH: list[tuple[str | Problem, dict[str, Any], str, str]] = [
    ("What is 1 + 1?", {"policy": "parallel"}, "three", "words"),
    (CHOICE, {"policy": "parallel", "n": 2, "temperature": 0}, "three", "letters"),
    ("How much is it?", {"policy": "search", "max_iterations": 3}, "new", "words"),
    ("How much is it?", {"policy": "search", "search": "ab_mcts", "max_iterations": 2}, "new", "words"),
    ("How much is it?", {"policy": "search", "search": "ab_mcts", "verifier": "raises"}, "new", "words"),
    (OBJECT, {}, "one", "objects"),
    (OBJECT, {}, "three", "objects"),
    (OBJECT, {"policy": "fixed"}, "new", "objects"),
    (CALL, {}, "one", "calls"),
    (CALL, {}, "three", "calls"),
    (CALL, {"assessor": "fixed:6"}, "new", "calls"),
    ("How much is it?", {"policy": "refine", "verifier": "judge"}, "new", "words"),
    ("How much is it?", {"policy": "refine", "verifier": "judge and rule"}, "new", "words"),
    ("How much is it?", {"policy": "search", "verifier": "judge", "max_iterations": 2}, "new", "words"),
    ("How much is it?", {"policy": "refine", "verifier": "judge"}, "new", "nothing"),
    ("How much is it?", {"policy": "search", "verifier": "judge", "max_iterations": 1}, "new", "nothing"),
    ("How much is it?", {"policy": "refine", "verifier": "explains at length", "max_tokens": 16}, "new", "words"),
    (FREE[1], {"assessor": "logprob", "effort": "fast", "window": 1, "quorum": 0.1}, "new", "words"),
]


@pytest.mark.parametrize(("problem", "given", "numbers", "form"), LOW_AND_HIGH)
async def test_a_run_at_either_end_falls_into_the_range(
    problem: str | Problem, given: dict[str, Any], numbers: str, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PONDER_PRICES", PRICES)
    given = {**given, "verifier": VERIFIERS[given.get("verifier", "none")]}
    model = Ended(lambda at: FORMS[form](NUMBERS[numbers](at)))
    told, answer = preview(problem, model=model, **given), await run(model, problem, **given)
    assert (wrong := outside(told, answer, steps=True)) == {}, wrong
