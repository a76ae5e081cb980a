"""A run with larger limits goes on where the old ones stopped it: what time kept from being made is made then."""

from pathlib import Path

import pytest

from ponder.graphs import resume, solve
from tests.fakes import ScriptedModel, always


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ponder.db"


def test_a_run_whose_time_was_raised_names_the_limit_that_ends_it_now(store: str) -> None:
    model = ScriptedModel(always("2"), latency=60)
    limits = {"max_calls": 4, "max_seconds": 1}
    before = solve("1 + 1?", model=model, store=store, thread_id="t", policy="fixed", budget=limits)
    assert (before.stopped_because, before.spent.lost) == ("max_seconds", 4)
    model.latency = 0
    after = resume("t", store=store, model=model, budget={"max_seconds": 600})
    assert (after.stopped_because, model.calls) == ("max_calls", 4)
    assert resume("t", store=store, model=model, budget={"max_calls": 8}).answer == "2"
