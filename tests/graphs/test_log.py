"""What a run logs, and that neither a secret nor a prompt nor an answer is ever in it, nor in a span."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from ponder.graphs import aresume, asolve, create_ponder, solve
from ponder.state import Budget, ModelUnreachable, SQLAlchemySaver, StoreError
from tests.fake_server import FakeServer, Said
from tests.fakes import ScriptedModel, always, cycle, passing
from tests.spans import Spans, about, spans

__all__ = ["spans"]

TEXT = "What is 1 + 1?"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "ponder")
    return caplog


def lines(log: pytest.LogCaptureFixture, least: int = logging.INFO) -> list[str]:
    """Return what was logged from a level on, without times."""
    said = [record for record in log.records if record.levelno >= least and record.name.startswith("ponder")]
    return [f"{record.levelname} {record.getMessage()}".partition(" after ")[0] for record in said]


async def test_the_turns_of_a_run_are_told_once_each(log: pytest.LogCaptureFixture) -> None:
    model = ScriptedModel(cycle("1", "2", "2", "3"))
    given: dict[str, Any] = {"budget": Budget(max_calls=9), "max_samples": 6, "verifier": lambda *_: 0.5}
    await asolve(TEXT, model=model, store=":memory:", thread_id="t", **given)
    assert lines(log) == [
        "INFO t: run begins",
        "INFO t: branch assess ended: nothing to ask",
        "INFO t: assessed as medium, difficulty 2",
        "INFO t: branch parallel ended: samples drawn",
        "INFO t: escalated to refine, compute budget 30",
        "INFO t: branch refine ended: rounds made",
        "WARNING t: stopped: max_calls; decided by scores, confidence 0.18",
        "INFO t: run ended",
    ]


async def test_every_call_is_told_with_its_time_and_its_tokens(log: pytest.LogCaptureFixture) -> None:
    await asolve(TEXT, model=ScriptedModel(always("2")), store=":memory:", thread_id="t", policy="direct")
    (record,) = (record for record in log.records if record.name == "ponder.call")
    assert record.levelname == "DEBUG"
    assert record.getMessage().startswith("t: call 1-direct-000-000 (sample) done: 0.0")
    assert record.getMessage().endswith(" s, 10 + 5 tokens")


async def test_a_failure_a_retry_and_a_timeout_are_told(log: pytest.LogCaptureFixture) -> None:
    model = ScriptedModel(lambda _, number: "Answer: 2" if number else passing())
    await asolve(TEXT, model=model, store=":memory:", thread_id="t", policy="direct")
    slow = ScriptedModel(latency=60)
    await asolve(TEXT, model=slow, store=":memory:", thread_id="s", policy="direct", call_timeout=0.01, retries=0)
    told = [line for line in lines(log) if "call " in line]
    assert told[:2] == [
        "WARNING t: call 1-direct-000-000 failed: CallFailed",
        "INFO t: call 1-direct-000-000#1 is tried again",
    ]
    assert [line.partition(":")[2][:38] for line in told[2:]] == [" call 1-direct-000-000 (sample) lost: "]


async def test_a_call_lost_with_its_process_and_a_cancelled_run_are_told(
    log: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    store, model = f"sqlite:///{tmp_path}/ponder.db", ScriptedModel(always("2"), latency=60)
    solving = asyncio.create_task(asolve(TEXT, model=model, store=store, thread_id="t", policy="direct", retries=0))
    while not model.flying:  # noqa: ASYNC110 - the fake counts, it does not signal
        await asyncio.sleep(0)
    solving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await solving
    assert lines(log)[1:] == ["INFO t: call 1-direct-000-000 failed: CancelledError", "INFO t: run stopped"]
    log.clear()
    model.latency = 0
    await aresume("t", store=store, model=model)
    assert lines(log)[1] == "WARNING t: call 1-direct-000-000 is lost: it was cut off"


def test_a_call_that_the_journal_knows_is_told_as_such(log: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/ponder.db"
    solve(TEXT, model=ScriptedModel(always("2")), store=store, thread_id="t", policy="direct")
    with SQLAlchemySaver.from_conn_string(store) as saver:
        graph: Any = create_ponder(ScriptedModel(always("2")), checkpointer=saver)
        on: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
        before = next(state for state in graph.get_state_history(on) if state.next == ("direct",))
        graph.invoke(None, before.config)
    assert "DEBUG t: call 1-direct-000-000 is not made again: the journal knows its reply" in lines(log, logging.DEBUG)


KEY, PASSWORD, PROBLEM, ANSWER = "sk-0123456789abcdef", "hunter2", "xyzzy", "plugh"


def misbehave(request: dict[str, Any], number: int) -> Said:
    """Fail in every way with words that should not be repeated, then answer; one model refuses the key."""
    prompt = request["messages"][-1]["content"]
    repeated = {"error": {"message": f"Incorrect API key {KEY} in {prompt!r}", "code": "invalid"}}
    if request["model"] == "refusing":
        return Said(status=401, body=repeated)
    says = [
        Said(status=503, body=repeated),
        Said(status=400, body=repeated),
        Said(status=500, body=f"<html>{KEY} {prompt}</html>"),
        Said(status=200, body=f"<html>{KEY} {prompt}</html>"),
        Said(f"I cannot say: {ANSWER}", finish="length"),
    ]
    return says[number] if number < len(says) else Said(f"Answer: {ANSWER} {number}\nScore: 5")


def test_no_secret_no_prompt_and_no_answer_is_logged_or_traced(
    log: pytest.LogCaptureFixture, spans: Spans, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    def check(problem: object, candidate: Any) -> bool:
        raise ValueError(f"{KEY} {candidate.text}")

    def attempt(**options: Any) -> Any:
        given = {"store": f"sqlite:///{tmp_path}/{PASSWORD}.db", "base_url": url, "model": "openai:fake", "retries": 1}
        return solve(f"What is {PROBLEM}?", **given | options)

    with FakeServer(misbehave) as server:
        url = server.url.replace("://", f"://user:{PASSWORD}@")
        attempt(budget={"max_calls": 12}, verifier=check)
        attempt(budget={"max_calls": 5}, assessor="ask")
        with pytest.raises(ModelUnreachable):
            attempt(model="openai:refusing", policy="direct")
        with pytest.raises(StoreError):
            attempt(store=f"postgresql://user:{PASSWORD}@127.0.0.1:1/none")
    told = [*log.text.splitlines(), *(str(span.to_json()) for span in spans.all)]
    assert [line for line in told for secret in (KEY, PASSWORD, PROBLEM, ANSWER) if secret in line] == []
    assert {"503", "400", "500", "401", None} <= {about(call).get("error.type") for call in spans.calls}
    assert all(turn in log.text for turn in ("assessed as", "failed: 503", "tried again", "stopped: max_calls"))
