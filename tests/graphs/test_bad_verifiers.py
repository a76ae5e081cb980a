"""Whatever a verifier does, each candidate has a failed verdict that says why, and the run goes on to its answer."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ponder.graphs import create_ponder, solve
from ponder.nodes import verify as verifying
from ponder.state import UsageError
from tests.fakes import ScriptedModel, cycle

FREED = threading.Event()


def hangs(*_: object) -> bool:
    return FREED.wait(30)


def raises(*_: object) -> bool:
    raise LookupError("no such key")


def leaves(*_: object) -> bool:
    raise SystemExit(1)


CASES: list[tuple[str | Callable[..., Any], str, bool]] = [
    (hangs, "no verdict within 0.2 s", True),
    (raises, "LookupError: no such key", True),
    (leaves, "SystemExit(1) was raised", True),
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
    assert (answer.answer, answer.stopped_because, answer.confidence) == ("7", "complete", 0)
    verdicts = [item.verdict for item in answer.candidates]
    assert all(verdict and not verdict.passed and says in verdict.feedback for verdict in verdicts)
    warned = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert any("the verifier failed" in record.getMessage() for record in warned) == fails


@pytest.mark.parametrize("check", [lambda _: True, lambda: True, lambda problem, candidate, more: True])
def test_a_function_that_cannot_be_called_with_a_problem_and_a_candidate_is_refused_at_once(check: Any) -> None:
    with pytest.raises(UsageError, match="cannot be called with a problem and a candidate: "):
        create_ponder(ScriptedModel(), verifier=check)
