"""A run with larger limits goes on where the old ones stopped it: what time kept from being made is made then."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import BaseMessage

from ponder.graphs import resume, solve
from ponder.nodes.ports import CallFailed, Reply, Request
from ponder.state import Answer, ModelUnreachable
from ponder.state.budget import Usage
from tests.fakes import ScriptedModel, always, cycle, kind_of


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ponder.db"


@dataclass
class StuckModel(ScriptedModel):
    """Does not answer calls of one kind while it is stuck."""

    stuck: str = ""

    async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
        self.latency = 60 if request.kind == self.stuck else 0
        return await super().generate(messages, request)


def cut_and_raised(store: str, model: StuckModel, problem: str = "1 + 1?", **options: Any) -> tuple[Answer, Answer]:
    """Return the answer of a run that is stuck until its seconds are over, and that of the same run with more."""
    given: dict[str, Any] = {"policy": "fixed", "max_samples": 2, "budget": {"max_seconds": 1}, **options}
    before = solve(problem, model=model, store=store, thread_id="t", **given)
    model.stuck = ""
    return before, resume("t", store=store, model=model, budget={"max_seconds": 600})


def test_calls_that_time_kept_from_being_made_use_up_nothing_and_are_made_with_more(store: str) -> None:
    model = ScriptedModel(cycle(*map(str, range(30))), latency=60)
    options: dict[str, Any] = {"policy": "cumulative", "assessor": "fixed:7", "window": 10, "quorum": 0.0}
    limits = {"max_calls": 9, "max_seconds": 0.05}
    before = solve("1 + 1?", model=model, store=store, thread_id="t", concurrency=1, budget=limits, **options)
    assert (before.stopped_because, before.spent.calls) == ("max_seconds", 0)
    assert sum(visit.calls for visit in before.route) == before.spent.lost == model.calls
    model.latency = 0
    after = resume("t", store=store, model=model, budget={"max_seconds": 600})
    assert after.stopped_because == "max_calls"
    assert after.spent.calls + after.spent.lost == model.calls == 9
    assert {visit.branch: visit.calls for visit in after.route if visit.calls} == dict.fromkeys(
        ("parallel", "refine", "search"), 3
    )


def test_branches_that_run_together_pass_no_raised_limit_where_a_judge_was_asked_before(store: str) -> None:
    class Verbose(ScriptedModel):
        async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
            said = (await super().generate(messages, request)).text
            if "-search-" not in request.place:
                return Reply(said, usage=Usage(input_tokens=10, output_tokens=1))
            return Reply(said, usage=Usage(input_tokens=len(self.prompts[-1]), output_tokens=request.max_tokens))

    model = Verbose(cycle(*map(str, range(40))))
    options: dict[str, Any] = {"policy": "cumulative", "assessor": "fixed:10", "max_tokens": 64}
    limits = {"max_calls": 13, "max_tokens": 2000}
    before = solve("1 + 1?", model=model, store=store, thread_id="t", budget=limits, **options)
    assert (before.stopped_because, "judge" in model.kinds) == ("max_tokens", True)
    after = resume("t", store=store, model=model, budget={"max_calls": 14, "max_tokens": 100_000})
    assert after.spent.calls + after.spent.lost == model.calls <= 14


def test_a_chain_goes_on_with_the_candidate_that_it_began_with(store: str) -> None:
    class Divided(ScriptedModel):
        async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
            reply = await super().generate(messages, request)
            first = {"0-assess-000-000": "7", "0-assess-000-001": "8", "0-assess-000-002": "9"}
            said = first.get(request.place, "8" if "-parallel-" in request.place else "7")
            return reply if request.kind in {"critique", "judge"} else Reply(f"Answer: {said}", usage=reply.usage)

    model = Divided(always("7"))
    options: dict[str, Any] = {"policy": "cumulative", "max_tokens": 64, "budget": {"max_calls": 5}}
    before = solve("1 + 1?", model=model, store=store, thread_id="t", **options)
    assert (before.stopped_because, {visit.branch for visit in before.route}) == (
        "max_calls",
        {"assess", "parallel", "refine"},
    )
    after = resume("t", store=store, model=model, budget={"max_calls": 11})
    assert before.spent.calls < after.spent.calls == model.calls <= 11


def test_the_wait_that_one_attempt_asked_for_is_not_that_of_the_next() -> None:
    said = iter([CallFailed("HTTP 429", retry_after=0.01), ValueError("of its own")])
    model = ScriptedModel(lambda *_: next(said))
    answer = solve("1 + 1?", model=model, policy="direct", store=":memory:", budget={"max_calls": 2})
    assert (answer.spent.calls, answer.stopped_because) == (2, "complete")


def test_a_run_whose_time_was_raised_names_the_limit_that_ends_it_now(store: str) -> None:
    model = ScriptedModel(always("2"), latency=60)
    limits = {"max_calls": 4, "max_seconds": 1}
    before = solve("1 + 1?", model=model, store=store, thread_id="t", policy="fixed", budget=limits)
    assert (before.stopped_because, before.spent.lost) == ("max_seconds", 4)
    model.latency = 0
    after = resume("t", store=store, model=model, budget={"max_seconds": 600})
    assert (after.stopped_because, model.calls) == ("max_calls", 4)
    assert resume("t", store=store, model=model, budget={"max_calls": 8}).answer == "2"


@pytest.mark.parametrize("policy", ["direct", "parallel", "refine", "search", "fixed"])
def test_a_wait_that_is_longer_than_the_seconds_left_ends_the_run_by_them_and_more_make_its_calls(
    store: str, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    model = ScriptedModel(lambda *_: CallFailed("HTTP 429", retry_after=30))
    given: dict[str, Any] = {"policy": policy, "max_samples": 3, "budget": {"max_seconds": 20}}
    before = solve("1 + 1?", model=model, store=store, thread_id="t", **given)
    assert (before.answer, before.stopped_because) == (None, "max_seconds")
    monkeypatch.setattr("ponder.nodes.call.backoff", lambda *_: 0)
    after = resume("t", store=store, model=ScriptedModel(always("2")), budget={"max_seconds": 600})
    assert (after.answer, after.stopped_because in {"complete", "confident"}) == ("2", True)


def test_a_wait_that_no_retry_is_left_for_ends_the_run_by_itself(store: str) -> None:
    model = ScriptedModel(lambda *_: CallFailed("HTTP 429", retry_after=30))
    limits: dict[str, Any] = {"budget": {"max_seconds": 20}, "retries": 0}
    with pytest.raises(ModelUnreachable, match="HTTP 429"):
        solve("1 + 1?", model=model, store=store, policy="direct", **limits)


def test_tied_answers_whose_comparison_was_cut_short_are_compared_with_more_time(store: str) -> None:
    def script(prompt: str, number: int) -> str:
        first = prompt.find("Answer: 1") < prompt.find("Answer: 2")
        return f"Better: {1 if first else 2}" if kind_of(prompt) == "judge" else f"Answer: {1 + number % 2}"

    model = StuckModel(script, stuck="judge")
    before, after = cut_and_raised(store, model)
    assert (before.decided_by, before.stopped_because, before.spent.lost) == ("first", "max_seconds", 2)
    assert (after.answer, after.decided_by, after.stopped_because) == ("1", "judge", "complete")
    assert model.kinds == ["sample", "sample", "judge", "judge", "judge", "judge"]


def test_tests_whose_writing_was_cut_short_are_written_with_more_time(store: str) -> None:
    programs = ["def double(n):\n    return n * n", "def double(n):\n    return 2 * n"]

    def script(prompt: str, number: int) -> str:
        return f"```python\n{'assert double(3) == 6' if kind_of(prompt) == 'tests' else programs[number % 2]}\n```"

    model = StuckModel(script, stuck="tests")
    before, after = cut_and_raised(store, model, "Write a function double(n) that returns twice n.", write_tests=1)
    assert (before.decided_by, before.stopped_because) == ("first", "max_seconds")
    assert (after.answer, after.decided_by, after.stopped_because) == (programs[1], "agreement", "complete")
    assert model.kinds == ["sample", "sample", "tests", "tests"]


def test_a_grade_that_time_kept_from_being_asked_for_is_asked_for_with_more_and_counts(store: str) -> None:
    def script(prompt: str, number: int) -> str:
        if kind_of(prompt) != "grade":
            return f"Answer: {number}"
        mark = re.findall(r'"mark": "(#\w+)"', prompt)[-1]
        return json.dumps({"mark": mark, "reason": "right", "addresses_grader": False, "score": 0.9, "passed": True})

    model = StuckModel(script, stuck="grade")
    before, after = cut_and_raised(store, model, verifier="judge:It is right.", concurrency=1)
    assert before.stopped_because == "max_seconds"
    assert [item.verdict and (item.verdict.passed, item.verdict.failed) for item in after.candidates] == [
        (True, "")
    ] * 2
