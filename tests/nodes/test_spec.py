"""How verifiers are named, and what is said of a name that is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from ponder.nodes.verifiers.judge import Judge
from ponder.nodes.verifiers.python_tests import PythonTests
from ponder.nodes.verifiers.regex import Regex
from ponder.nodes.verifiers.several import AllOf
from ponder.nodes.verifiers.spec import parse_verifier, reach_of
from ponder.state import UsageError

CASES: dict[str, Any] = {"function": "f", "cases": [{"input": [1], "expected": 2}]}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tests.py").write_text("assert f(1) == 2")
    (tmp_path / "empty.py").write_text("x = 1")
    (tmp_path / "cases.json").write_text(json.dumps(CASES))
    (tmp_path / "schema.json").write_text('{"type": "object"}')
    (tmp_path / "checks_of_spec.py").write_text("def good(problem, candidate): return True\nbad = 3")
    (tmp_path / "breaks_of_spec.py").write_text("1 / 0")


@pytest.mark.parametrize(
    ("text", "form", "reach"),
    [
        ("regex:\\d+", {"type": "regex", "pattern": "\\d+"}, set()),
        ("choice:b", {"type": "choice", "answer": "(B)"}, set()),
        ("math:x = 3", {"type": "math", "conditions": "x = 3"}, set()),
        ("judge:be kind: always", {"type": "judge", "rubric": "be kind: always"}, set()),
        ("schema:schema.json", {"type": "schema", "schema": {"type": "object"}}, {"file"}),
        ("python:tests.py", {"type": "python", "tests": "assert f(1) == 2"}, {"code", "file"}),
        ("python:cases.json", {"type": "python", **CASES}, {"code", "file"}),
        ("cmd:cat {answer_file}", {"type": "cmd", "command": "cat {answer_file}"}, {"code"}),
        ("py:checks_of_spec:good", {"type": "py", "function": "checks_of_spec:good"}, {"code"}),
        ("reward:http://h:1/score", {"type": "reward", "url": "http://h:1/score"}, {"network"}),
    ],
)
def test_text_and_json_name_the_same_verifier(text: str, form: Any, reach: set[str]) -> None:
    assert parse_verifier(text) == parse_verifier(form) == parse_verifier(json.dumps(form))
    assert reach_of(text) == reach
    assert reach_of(form) == reach - ({"file"} if "file" not in form else set())


def test_verifiers_are_joined_in_json() -> None:
    parts = ["regex:a", {"type": "any_of", "of": ["judge:good", {"type": "python", **CASES}]}]
    found = parse_verifier({"type": "all_of", "of": parts})
    assert isinstance(found, AllOf)
    assert found.parts[0] == Regex("a")
    assert (found.asking, found.kind, found.expects) == (found, "weak", "code")
    assert reach_of({"type": "all_of", "of": parts}) == {"code"}


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("magic:x", "give python:TESTS.py"),
        ("regex", "give python:TESTS.py"),
        ("regex:", "give python:TESTS.py"),
        ("regex:(", "'(' is not a regular expression"),
        ("choice:BC", "choice.answer"),
        ("math:x", "'x' is no relation"),
        ("schema:none.json", "'none.json' cannot be read"),
        ("schema:tests.py", "Invalid JSON"),
        ("python:none.py", "'none.py' cannot be read"),
        ("python:empty.py", "the tests check nothing"),
        ("python:schema.json", "type: Input should be 'python'"),
        ("cmd:no-such-program", "the program is missing"),
        ("py:none_of_spec:good", "cannot be imported (ModuleNotFoundError"),
        ("py:breaks_of_spec:good", "cannot be imported (ZeroDivisionError"),
        ("py:checks_of_spec:bad", "is not a function"),
        ("reward:localhost", "is no scoring endpoint"),
        ("reward:http://h/v1/chat", "is no scoring endpoint"),
        ("{", "Invalid JSON"),
        ('{"type": "magic"}', "Input tag 'magic'"),
        ('{"type": "regex", "pattern": "a", "flags": 3}', "regex.flags: Extra inputs"),
        ('{"type": "all_of", "of": []}', "no verifier is given"),
        ('{"type": "all_of", "of": ["judge:a", "judge:b"]}', "two verifiers ask a model"),
        ('{"type": "all_of", "of": ["magic:b"]}', "give python:TESTS.py"),
        ('{"type": "any_of", "of": ' * 300 + "3", "Invalid JSON"),
    ],
)
def test_a_wrong_spec_is_named_with_the_next_step(spec: str, says: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_verifier(spec)
    assert str(raised.value).startswith(f"verifier {spec!r} cannot be used: ")
    assert says in str(raised.value)


def test_looking_at_what_a_spec_reaches_does_nothing_of_it() -> None:
    assert reach_of("py:breaks_of_spec:good") == {"code"}
    assert reach_of("python:none.py") == {"code", "file"}
    with pytest.raises(UsageError, match="cannot be read"):
        reach_of('{"type": "magic"}')


def test_objects_are_the_same_again() -> None:
    assert parse_verifier("judge:good") == Judge("good")
    assert isinstance(parse_verifier("python:tests.py"), PythonTests)
