"""Verifiers that look at an answer by themselves, what joins them, and what is made of their failures."""

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ponder.nodes import verify as verifying
from ponder.nodes.ports import Verifier
from ponder.nodes.reply import answer_in
from ponder.nodes.verifiers.choice import Choice
from ponder.nodes.verifiers.command import Command
from ponder.nodes.verifiers.function import Function
from ponder.nodes.verifiers.json_schema import JsonSchema
from ponder.nodes.verifiers.math import Math
from ponder.nodes.verifiers.regex import Regex
from ponder.nodes.verifiers.several import AllOf, AnyOf
from ponder.nodes.verify import Settled, judged, verify
from ponder.state import UsageError
from ponder.state.form import Form
from ponder.state.run import Candidate, Problem, Verdict

PROBLEM = Problem(text="?")
PASS, FAIL = Verdict(score=1, passed=True), Verdict(score=0, passed=False, feedback="no")
SCORE, WEAK = Verdict(score=0.5), Verdict(score=0.8, passed=True, kind="weak")
OPEN = Verdict(score=0, kind="weak", awaits="judge:good")


async def verdict(verifier: Verifier, text: str) -> Verdict:
    raw = text.rpartition("Answer: ")[2]
    return await judged(verifier, PROBLEM, Candidate(id="1", text=text, raw=raw, answer=raw))


@pytest.mark.parametrize(
    ("conditions", "answer", "wrong"),
    [
        ("uses 4,7,8,8 once each and equals 24", "(7 - 8/8) * 4 = 24", ""),
        ("uses 4,7,8,8 once each and equals 24", "$(7-\\frac{8}{8}) \\times 4$", ""),
        ("uses 4,7,8,8 once each and equals 24", "24", "it uses 24, and is to use 4, 7, 8, 8"),
        ("uses 4,7,8,8 once each and equals 24", "4*7 - 8 + 8/2", "it uses 2, 4, 7, 8, 8"),
        ("uses 4,7,8,8 once each and equals 24", "4 + 7 + 8 + 8", "it is 27, and is to be 24"),
        ("uses 4, 4 once each and equals 24", "factorial(4) * 4 / 4", "not made of numbers with"),
        ("x^2 - 5x + 6 = 0", "x = 2 or x = 3", ""),
        ("x^2 - 5x + 6 = 0", "{2, 3}", ""),
        ("x^2 - 5x + 6 = 0", "2, 4", "does not hold at x = 4: 2 against 0"),
        ("uses 4,7,8,8 once each and equals 24", "24 = (7-8/8)*4", ""),
        ("uses 4,7,8,8 once each and equals 24", "$4 \\cdot (7 - 8/8)$", ""),
        ("uses 4,7,8,8 once each and equals 24", "4*(7-8/8) = 4*6 = 24", ""),
        ("equals 24", "24 = 20 + 3", "it is 23, and is to be 24"),
        ("x^2 - 5x + 6 = 0", "x = 2, 99", "does not hold at x = 99"),
        ("x^2 - 5x + 6 = 0", "x = 2 or 99", "does not hold at x = 99"),
        ("x^2 - 5x + 6 = 0", "x = 2 or x = 3 or maybe 7", "is no expression"),
        ("x^2 - 5x + 6 = 0", "x = 2, which is a root", ""),
        ("x^2 - 5x + 6 = 0", "x = 5 - 3 = 2", ""),
        ("x^2 - 5x + 6 = 0", "\\(x=2\\)", ""),
        ("x^2 - 5x + 6 = 0", "x = \\{2, 3\\}", ""),
        ("x_1 + x_2 = 3", "x_1 = 1, $x_2 = 2$", ""),
        ("x + y = 10 and x - y = 4", "x = 7, y = 3, so x - y = 4", ""),
        ("x + y = 10", "x = y = 5", ""),
        ("x + y = 10", "x = 7, y = 3, 99", "does not hold at x = 7, y = 99"),
        ("x + y = 10", "x = 99, 7, y = 3", "gives x twice"),
        ("2x = 5", "2\\frac{1}{2}", ""),
        ("2x = 2000", "1,000", ""),
        ("x^2 = 2", "\\sqrt{2}", ""),
        ("x^2 = 2", "1.414", "does not hold at x = 707/500"),
        ("x = 1/3", "0.3333", "does not hold"),
        ("x + y = 10 and x - y = 4", "x = 7, y = 3", ""),
        ("x + y = 10 and x - y = 4", "x = 7 and y = 4", "x + y = 10 does not hold at x = 7, y = 4"),
        ("x + y = 10", "9", "does not give x and y"),
        ("x > 3 and x <= 5", "5", ""),
        ("x = 3", "9**9**9**9", "too large"),
        ("x = 3", "factorial(factorial(9))", "too large"),
        ("x = 3", "*".join(["9**1000"] * 100), "too large"),
        ("x = 3", "1e9999999", "too large"),
        ("x = 3", "1/0", "has no value"),
        ("x = 3", "(" * 400 + "3" + ")" * 400, "is no expression"),
        ("x = 3", "__import__('os').getcwd()", "is not arithmetic"),
        ("x = 3", "[c for c in (3,)][0]", ""),
        ("x = 3", "lambda: 3", ""),
    ],
)
async def test_mathematics_is_put_in_and_evaluated_within_bounds(conditions: str, answer: str, wrong: str) -> None:
    began = time.monotonic()
    found = await verdict(Math(conditions), f"Answer: {answer}")
    assert time.monotonic() - began < 2
    if answer in {"[c for c in (3,)][0]", "lambda: 3"}:
        assert found.passed is False
        return
    assert found.passed is not bool(wrong), found
    assert wrong in found.feedback


@pytest.mark.parametrize("conditions", ["", "x", "3 = 3", "x = 3 = x", "uses", "equals", "x = (", "x = 3 and equals 3"])
def test_conditions_that_ask_nothing_are_refused(conditions: str) -> None:
    with pytest.raises(UsageError, match=r"cannot be checked|asks"):
        Math(conditions)


SCHEMA: Any = {"type": "object", "properties": {"age": {"type": "integer"}, "name": {"pattern": "^(a|aa)+$"}}}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('```json\n{"age": 3}\n```', ""),
        ('```json\n{"age": "3"}\n```', "$.age: '3' is not of type 'integer'"),
        ("```json\n{age}\n```", "JSON"),
        ('"thirty"', "$: 'thirty' is not of type 'object'"),
        ("```json\n" + "[" * 100_000 + "\n```", "JSON"),
        ('```json\n{"name": "' + "a" * 60 + '!"}\n```', "a pattern of the schema took longer than 1 s"),
    ],
)
async def test_json_is_held_against_a_schema(text: str, says: str) -> None:
    found = await verdict(JsonSchema(SCHEMA), text)
    assert (found.passed, says in found.feedback) == (not says, True)


async def test_json_may_be_a_string_alone() -> None:
    assert (await verdict(JsonSchema({"type": "string"}), '"hello"')).passed
    answer, wrong = answer_in('"hello"', [], Problem(text="?", form=Form(output_schema={"type": "string"})))
    assert (answer and answer.raw, wrong) == ('"hello"', "")


@pytest.mark.parametrize("schema", [3, {"type": "oject"}])
def test_a_wrong_schema_is_refused(schema: Any) -> None:
    with pytest.raises(UsageError, match="no JSON Schema"):
        JsonSchema(schema)


async def test_nothing_is_fetched_for_a_schema() -> None:
    found = await verdict(JsonSchema({"$ref": "http://127.0.0.1:9/schema.json"}), "```json\n{}\n```")
    assert found.passed is False
    assert "http://127.0.0.1:9/schema.json" in found.feedback


async def test_a_choice_is_compared_and_the_right_one_not_given_away() -> None:
    assert (await verdict(Choice("B"), "It is clear.\nAnswer: B")).passed
    asked = Problem(text="Which?\nA) London\nB) Paris")
    assert (await judged(Choice("B"), asked, Candidate(id="1", text="Answer: Paris"))).passed
    wrong = await verdict(Choice("B"), "Answer: (C)")
    assert (wrong.passed, wrong.feedback) == (False, "'(C)' is not the right choice")


async def test_a_regular_expression_that_takes_exponential_time_is_given_a_second() -> None:
    found = await verdict(Regex("(a|aa)+"), "Answer: " + "a" * 60 + "!")
    assert (found.passed, "took too long" in found.feedback) == (False, True)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    check = tmp_path / "check"
    check.write_text("#!/bin/sh\ngrep -q right $1 && exit 0\necho not so\nexit 3\n")
    check.chmod(0o755)
    return tmp_path


async def test_a_command_judges_by_its_exit_code_and_says_why(workplace: Path) -> None:
    assert (await verdict(Command("./check {answer_file}"), "Answer: right")).passed
    wrong = await verdict(Command("./check {answer_file}"), "Answer: left")
    assert (wrong.passed, wrong.feedback) == (False, "check exited with code 3\nnot so")
    assert (await verdict(Command("grep right"), "Answer: right")).passed


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("sleep 60", "check had not ended after"),
        ("yes", "check wrote more than it may"),
        ("kill -9 $$", "check was ended by SIGKILL"),
        ("no-such-program", "check exited with code 127"),
        ("touch own", "Read-only file system"),
    ],
)
async def test_a_command_that_misbehaves_is_a_failed_verdict(workplace: Path, script: str, says: str) -> None:
    (workplace / "check").write_text(f"#!/bin/sh\n{script}\n")
    command = Command("./check {answer_file}")
    object.__setattr__(command, "limits", type(command.limits)(seconds=1, output=10_000))
    found = await verdict(command, "Answer: right")
    assert found.passed is False
    assert says in found.feedback


async def test_a_command_that_has_gone_is_a_failed_verdict(workplace: Path) -> None:
    command = Command("./check {answer_file}")
    (workplace / "check").unlink()
    found = await verdict(command, "Answer: right")
    assert found.failed.startswith("UsageError: './check {answer_file}' cannot be run")


@pytest.mark.parametrize("command", ["no-such-program {answer_file}", "'unclosed", ""])
def test_a_command_that_cannot_be_run_is_refused(command: str) -> None:
    with pytest.raises(UsageError, match=r"cannot be run|is no command"):
        Command(command)


def leaves(*_: object) -> bool:
    raise SystemExit(1)


def breaks(*_: object) -> bool:
    return 1 / 0 > 1


@pytest.mark.parametrize(
    ("check", "says"),
    [
        (lambda *_: float("nan"), "TypeError: the check returned nan"),
        (lambda *_: 7, "TypeError: the check returned 7"),
        (lambda *_: "yes", "TypeError: the check returned 'yes'"),
        (lambda *_: None, "TypeError: the check returned None"),
        (lambda *_: Verdict.model_construct(score=float("nan"), feedback=""), "it gave the score nan"),
        (leaves, "RuntimeError: SystemExit(1) was raised"),
        (breaks, "ZeroDivisionError: division by zero"),
        (lambda *_: next(iter(())), "RuntimeError: StopIteration() was raised"),
    ],
)
async def test_a_function_that_gives_no_verdict_is_a_failed_one(check: Any, says: str) -> None:
    found = await verdict(Function(check), "Answer: 1")
    assert (found.passed, found.score) == (False, 0)
    assert says in found.failed


@pytest.mark.parametrize(("value", "passed", "score"), [(True, True, 1), (False, False, 0), (0.5, None, 0.5)])
async def test_a_function_may_return_what_numpy_computes(value: float, passed: bool | None, score: float) -> None:
    class Scalar:
        def item(self) -> float:
            return value

    found = await verdict(Function(lambda *_: Scalar()), "Answer: 1")  # type: ignore[arg-type,return-value]
    assert (found.passed, found.score, found.failed) == (passed, score, "")


async def test_a_function_that_hangs_is_left_and_takes_nobody_s_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "SECONDS", 0.05)
    freed = threading.Event()
    hanging = Function(lambda *_: freed.wait(30))
    found = await asyncio.gather(*(verdict(hanging, "Answer: 1") for _ in range(40)))
    assert {one.failed for one in found} == {"no verdict within 0.05 s"}
    assert await asyncio.to_thread(lambda: "the pool is free") == "the pool is free"
    freed.set()


async def test_feedback_without_end_is_cut() -> None:
    found = await verdict(Function(lambda *_: Verdict(score=0, passed=False, feedback="x" * (1 << 26))), "Answer: 1")
    assert len(found.feedback) == verifying.LONGEST_FEEDBACK


@pytest.mark.parametrize(
    ("parts", "all_of", "any_of"),
    [
        ([PASS, PASS], (1, True, "exact", ""), (1, True, "exact", "")),
        ([PASS, FAIL], (0, False, "exact", ""), (1, True, "exact", "")),
        ([FAIL, FAIL], (0, False, "exact", ""), (0, False, "exact", "")),
        ([PASS, SCORE], (0.5, None, "exact", ""), (1, True, "exact", "")),
        ([FAIL, SCORE], (0, False, "exact", ""), (0.5, None, "exact", "")),
        ([PASS, WEAK], (0.8, True, "weak", ""), (1, True, "exact", "")),
        ([FAIL, WEAK], (0, False, "exact", ""), (0.8, True, "weak", "")),
        ([PASS, OPEN], (0, None, "weak", "judge:good"), (1, True, "exact", "")),
        ([FAIL, OPEN], (0, False, "exact", ""), (0, None, "weak", "judge:good")),
    ],
)
async def test_verdicts_are_joined(parts: list[Verdict], all_of: object, any_of: object) -> None:
    for order in (parts, parts[::-1]):
        verifiers = tuple(Settled(part) for part in order)
        for kind, expected in ((AllOf, all_of), (AnyOf, any_of)):
            found = await kind(verifiers).verify(PROBLEM, Candidate(id="1"))
            assert (found.score, found.passed, found.kind, found.awaits) == expected


async def test_a_part_that_raises_is_a_failed_part_alone() -> None:
    found = await AnyOf((Function(breaks), Settled(PASS))).verify(PROBLEM, Candidate(id="1"))
    assert found.passed
    found = await AllOf((Function(breaks), Settled(PASS))).verify(PROBLEM, Candidate(id="1"))
    assert (found.passed, "ZeroDivisionError" in found.failed) == (False, True)


async def test_what_an_exact_verifier_passes_is_an_answer_also_where_none_was_found() -> None:
    cut_off = Candidate(id="1", text="def f(): return 1", finish="length")
    found = await verify(Settled(PASS), PROBLEM, cut_off)
    assert (found.raw, found.verified) == ("def f(): return 1", True)
    assert found.answer
    assert (await verify(Settled(WEAK), PROBLEM, cut_off)).answer is None
    assert (await verify(Settled(FAIL), PROBLEM, cut_off)).answer is None
