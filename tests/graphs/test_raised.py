"""A run with larger limits goes on where the old ones stopped it: what time kept from being made is made then."""

from pathlib import Path
from typing import Any

import pytest

from ponder.graphs import resume, solve
from ponder.nodes.ports import CallFailed
from tests.fakes import ScriptedModel, always, cycle


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ponder.db"


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
    assert solve("1 + 1?", model=model, store=store, policy="direct", **limits).stopped_because == "complete"
