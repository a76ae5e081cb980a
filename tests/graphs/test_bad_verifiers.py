"""Whatever a verifier does, each candidate has a failed verdict that says why, and the run goes on to its answer."""

import asyncio
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ponder.graphs import create_ponder, solve
from ponder.nodes import verify as verifying
from ponder.nodes.ports import Reply
from ponder.nodes.verifiers.function import Function
from ponder.nodes.verifiers.several import AllOf
from ponder.state import Answer, Candidate, Problem, UsageError
from tests.fakes import Script, ScriptedModel, always, cycle, kind_of

FREED = threading.Event()


def hangs(*_: object) -> bool:
    return FREED.wait(30)


def raises(*_: object) -> bool:
    raise LookupError("no such key")


def leaves(*_: object) -> bool:
    raise SystemExit(1)


async def exits(*_: object) -> bool:
    raise SystemExit(1)


async def loses_its_helper(*_: object) -> bool:
    helper = asyncio.ensure_future(asyncio.Event().wait())
    helper.cancel()
    return await helper


CASES: list[tuple[str | Callable[..., Any], str, bool]] = [
    (hangs, "no verdict within 0.2 s", True),
    (raises, "LookupError: no such key", True),
    (leaves, "SystemExit(1) was raised", True),
    (exits, "SystemExit: 1", True),
    (loses_its_helper, "CancelledError: it was cancelled, and the run was not", True),
    (lambda *_: float("nan"), "the check returned nan", True),
    ("kill -9 $$", "was ended by SIGKILL", False),
    ("head -c 1000000000 /dev/zero", "wrote more than it may", False),
    ("no-such-program", "exited with code 127", False),
    ("", "cannot be run", True),
]
"""A function, or a script (an empty one has gone when it is wanted); what is told of it; whether that is a failure."""


@pytest.mark.parametrize(("verifier", "says", "fails"), CASES, ids=[says for _, says, _ in CASES])
def test_the_run_goes_on_and_says_what_was_wrong(
    verifier: str | Callable[..., Any],
    says: str,
    fails: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    FREED.clear()
    monkeypatch.setattr(verifying, "SECONDS", 0.2 if verifier is hangs else 60)
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o755)
    check = tmp_path / "check"
    check.write_text(f"#!/bin/sh\n{verifier}\n")
    check.chmod(0o755)
    said = cycle("8", "7", "7")

    def script(prompt: str, number: int) -> Any:
        if verifier == "":
            check.unlink(missing_ok=True)
        return said(prompt, number)

    answer = solve(
        "1 + 1?",
        model=ScriptedModel(script),
        verifier="cmd:./check {answer_file}" if isinstance(verifier, str) else verifier,
        policy="fixed",
        budget={"max_calls": 3},
        store=":memory:",
    )
    FREED.set()
    assert (answer.answer, answer.stopped_because, answer.confidence == 0) == ("7", "complete", not fails)
    verdicts = [item.verdict for item in answer.candidates]
    assert all(verdict and not verdict.passed and says in (verdict.feedback or verdict.failed) for verdict in verdicts)
    warned = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert any("the verifier failed" in record.getMessage() for record in warned) == fails


@pytest.mark.parametrize("several", [False, True])
async def test_a_run_that_is_cancelled_while_its_verifier_works_ends_there(several: bool) -> None:
    begun = asyncio.Event()

    async def works(*_: object) -> bool:
        begun.set()
        return await asyncio.Event().wait()

    verifier: Any = AllOf((Function(works), Function(works))) if several else works
    graph = create_ponder(ScriptedModel(), verifier=verifier, policy="direct")
    async with asyncio.timeout(20):
        running = asyncio.ensure_future(graph.ainvoke({"problem": "1 + 1?"}))
        await begun.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running


def away(*_: object) -> bool:
    raise ConnectionError("no route to the checker")


def sure(prompt: str, number: int) -> Reply:
    """Give two answers in turn, and be surer of the second one."""
    if kind_of(prompt) == "judge":
        return Reply("Better: 2" if number % 2 else "Better: 1")
    return Reply(f"Answer: {7 + number % 2}", mean_logprob=-0.1 if number % 2 else -1.0)


@pytest.mark.parametrize(
    "script", [sure, cycle("7", "8"), cycle("7", "7", "8")], ids=["confidence", "judge", "majority"]
)
def test_a_verifier_that_is_down_leaves_the_choice_and_its_confidence_as_they_are_without_it(script: Script) -> None:
    def solved(**options: Any) -> Answer:
        graph = create_ponder(ScriptedModel(script), policy="parallel", max_samples=4, window=4, **options)
        answer: Answer = asyncio.run(graph.ainvoke({"problem": "1 + 1?"}))["answer"]  # all calls begin at once
        return answer

    def told(answer: Answer) -> list[object]:
        sources = [(item.id, item.confidence, item.confidence_source) for item in answer.candidates]
        return [answer.answer, answer.decided_by, answer.confidence, *sources]

    checked = solved(verifier=away)
    assert told(checked) == told(solved())
    assert checked.confidence > 0
    assert checked.unchecked == "4 of 4 candidates got no verdict: ConnectionError: no route to the checker"


def test_a_verifier_that_is_down_costs_no_more_calls_than_none() -> None:
    def made(verifier: object) -> tuple[int, object, list[str]]:
        graph = create_ponder(ScriptedModel(always("7")), policy="parallel", verifier=verifier)
        answer: Answer = asyncio.run(graph.ainvoke({"problem": "1 + 1?"}))["answer"]  # all calls begin at once
        return answer.spent.calls, answer.stopped_because, [visit.branch for visit in answer.route]

    assert made(away) == made(None)


@pytest.mark.parametrize("policy", ["refine", "search"])
def test_why_a_verifier_could_not_tell_is_no_feedback_for_the_model(policy: str) -> None:
    model = ScriptedModel(lambda prompt, _: "Score: 3" if kind_of(prompt) == "critique" else "Answer: 7")
    graph = create_ponder(model, policy=policy, verifier=away, max_rounds=1, max_iterations=1)
    answer = graph.invoke({"problem": "1 + 1?"})["answer"]
    assert {"critique", "improve"} <= set(model.kinds)
    assert not any("no route to the checker" in prompt for prompt in model.prompts)
    assert answer.unchecked


def test_what_a_verifier_has_refused_stays_refused_when_it_goes_down() -> None:
    def tiring(problem: Problem, candidate: Candidate) -> bool:
        return False if candidate.answer == "7" else away()

    graph = create_ponder(ScriptedModel(cycle("7", "7", "8")), verifier=tiring, policy="fixed", max_samples=3)
    answer = graph.invoke({"problem": "1 + 1?"})["answer"]
    assert (answer.answer, answer.confidence) == ("7", 0)
    assert [item.confidence_source for item in answer.candidates] == ["verifier", "verifier", "vote"]


@pytest.mark.parametrize("check", [lambda _: True, lambda: True, lambda problem, candidate, more: True])
def test_a_function_that_cannot_be_called_with_a_problem_and_a_candidate_is_refused_at_once(check: Any) -> None:
    with pytest.raises(UsageError, match="cannot be called with a problem and a candidate: "):
        create_ponder(ScriptedModel(), verifier=check)


@pytest.mark.parametrize(
    "text",
    ["The number is 3. To check that it is correct, put it in.", "x^2 - 5x + 6 is (x-2)(x-3), so one root is 3."],
)
async def test_a_relation_holds_of_the_answer_that_the_vote_reads_where_the_text_around_it_says_nothing(
    text: str,
) -> None:
    problem: Any = {"problem": "Name a whole number x with x^2 - 5x + 6 = 0."}
    for said, passes in ((text, True), (text.replace("is 3", "is 7"), False)):
        graph = create_ponder(ScriptedModel(lambda *_, said=said: said), policy="direct", verifier="math:x^2-5x+6=0")
        answer: Answer = (await graph.ainvoke(problem))["answer"]
        assert answer.candidates[0].verdict is not None
        assert answer.candidates[0].verdict.passed is passes
