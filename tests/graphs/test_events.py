"""What a run streams: typed and versioned events, the same for every reader."""

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from ponder.graphs import create_ponder, solve
from ponder.nodes.events import Event, read, schema
from ponder.state import UsageError
from tests.fakes import ScriptedModel, cycle

FIELDS = {
    "replaced": {"answer"},
    "budget": {"branch", "calls", "allowed"},
    "assessed": {"assessment"},
    "candidate": {"branch", "candidate"},
    "finished": {"branch", "reason"},
    "voted": {"votes", "selection"},
    "escalated": {"branch", "assessment", "selection"},
    "selected": {"selection", "reason"},
}
"""Version 1: add to it, and make a new version to change it."""
PROBLEM = "What is 6 times 7?"


def asking() -> dict[str, Any]:
    return {
        "model": ScriptedModel(cycle("1", "2", "3")),
        "verifier": lambda *_: False,
        "max_samples": 4,
        "budget": {"max_calls": 9},
    }


def streamed() -> list[dict[str, Any]]:
    graph: Any = create_ponder(**asking())
    return [told for _, told in graph.stream({"problem": PROBLEM}, stream_mode="custom", subgraphs=True)]


def test_each_event_of_the_stream_meets_the_schema_and_says_its_version_and_type() -> None:
    events = streamed()
    assert {told["type"] for told in events} == set(FIELDS) - {"replaced"}
    checking = Draft202012Validator(schema())
    for told in events:
        checking.validate(told)
        assert told["version"] == 1
        assert set(told) == {"version", "type", *FIELDS[told["type"]]}
        assert set(read(told).model_dump()) == set(told)


@pytest.mark.parametrize("change", [{"version": 2}, {"type": "unheard"}, {"branch": 1}])
def test_what_is_no_event_of_this_version_is_refused(change: dict[str, object]) -> None:
    (told, *_) = (event for event in streamed() if event["type"] == "finished")
    with pytest.raises(ValidationError):
        Draft202012Validator(schema()).validate({**told, **change})
    with pytest.raises(ValueError, match="validation error"):
        read({**told, **change})


def test_a_schema_for_each_type_holds_its_fields_and_no_other() -> None:
    told = schema()
    kinds = {kind: told["$defs"][place.rpartition("/")[2]] for kind, place in told["discriminator"]["mapping"].items()}
    assert {kind: set(found["properties"]) - {"version", "type"} for kind, found in kinds.items()} == FIELDS
    assert all(set(found["required"]) == set(found["properties"]) for found in kinds.values())


def test_solve_hands_out_the_events_that_the_graph_streams() -> None:
    heard: list[Event] = []
    solve(PROBLEM, store=":memory:", on_event=heard.append, **asking())
    assert [event.type for event in heard] == [told["type"] for told in streamed()]


def test_a_new_problem_on_the_thread_of_a_finished_run_says_that_it_takes_its_place(tmp_path: Path) -> None:
    heard: list[Event] = []
    given: dict[str, Any] = {"store": tmp_path / "runs.db", "thread_id": "t", "on_event": heard.append}
    for _ in range(2):
        solve(PROBLEM, model=ScriptedModel(cycle("42")), policy="direct", **given)
    assert [(event.answer, heard.index(event)) for event in heard if event.type == "replaced"] == [("42", 5)]


def test_what_cannot_be_told_events_is_refused_before_a_call_is_paid() -> None:
    model = ScriptedModel(cycle("42"))
    with pytest.raises(UsageError, match="on_event=3 cannot be used: give a function"):
        solve(PROBLEM, model=model, on_event=3)  # type: ignore[arg-type]
    assert model.calls == 0
