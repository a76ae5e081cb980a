"""A program passes where it passes all tests; see `nodes/trial` for why it cannot fool them."""

import ast
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import ClassVar

from pydantic import ConfigDict, JsonValue
from pydantic.dataclasses import dataclass as validated

from ...state.errors import UsageError
from ...state.run import AnswerType, Candidate, Problem, Verdict
from .. import trial
from ..answers.find import find_code, shown
from ..sandbox import Limits, Outcome, run, turn

INSIDE = ("__init__.py", "values.py", "behaviour.py", "side.py", "solver.py", "tester.py")
SHOWN_FAILURES = 3
LAST_SECONDS = 2.0
"""For the code's process to end, where it is said to have."""


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class Case:
    """What a function is given, and what it is to return."""

    input: JsonValue
    """A list is the arguments, anything else the only one."""
    expected: JsonValue


@dataclass(frozen=True)
class PythonTests:
    """Run the candidate's code against tests: code with asserts or `test_…` functions, or a function's cases.

    The tests use the code's names as they are, or import them from `solution`; `check(candidate)` in them is given
    `function`. The score is the share of the checks passed.
    """

    tests: str = ""
    function: str = ""
    cases: Sequence[Case] = ()
    limits: Limits = field(default_factory=Limits)
    expects: ClassVar[AnswerType] = "code"
    bounded: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.tests and not holds_checks(self.tests, self.function):
            raise UsageError("the tests check nothing: write asserts, functions test_…, or cases of a function")
        if not self.tests and not (self.function and self.cases):
            raise UsageError("there are no tests: give tests as code, or a function and cases")

    async def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        # What does not parse is no answer that could vote, but code all the same.
        code = shown(find_code(candidate.text), "code").strip()
        if not code:
            return Verdict(score=0, passed=False, feedback="there is no code in the answer")
        async with turn():
            tests, solving = await self.trial(code)
        return self.judge(tests, solving)

    async def trial(self, code: str) -> tuple[Outcome, Outcome | None]:
        """Run tests and code side by side; of the code's process nothing is known where it did not end by itself."""
        inside = await asyncio.to_thread(runner)  # before there are pipes, which are closed by what runs
        to_code, to_tests = os.pipe(), os.pipe()
        cases = [{"input": case.input, "expected": case.expected} for case in self.cases]
        given = json.dumps({"tests": self.tests, "function": self.function, "cases": cases})
        solving = asyncio.create_task(self.start("solver", (to_code[0], to_tests[1]), {**inside, "solution.py": code}))
        try:
            tests = await self.start("tester", (to_tests[0], to_code[1]), {**inside, "tests.json": given})
            ended = b"ended its process" in tests.stdout
            await asyncio.wait([solving], timeout=LAST_SECONDS if ended else 0)
            return tests, solving.result() if solving.done() else None
        finally:
            solving.cancel()
            await asyncio.wait([solving])

    async def start(self, side: str, pipes: tuple[int, int], files: dict[str, str]) -> Outcome:
        """Run one side."""
        begin = f"import sys; sys.path.insert(0, '{{folder}}'); from trial.{side} import main; main{pipes}"
        program = [sys.executable, "-I", "-B", "-c", begin]
        return await run(program, files=files, limits=self.limits, pipes=pipes)

    def judge(self, tests: Outcome, code: Outcome | None) -> Verdict:
        """Read the tests' report."""
        said = [json.loads(line) for line in tests.stdout.splitlines(keepends=True) if line.endswith(b"\n")]
        checks = [line for line in said if "check" in line]
        failures = [f"{line['check']}: {line['failed']}" for line in checks if "failed" in line]
        last = said[-1] if said else {}
        calls, behaviour = last.get("calls"), str(last.get("behaviour", ""))
        if calls == 0 and not failures:
            failures.append("the tests called nothing of the code: use its names, or import them from `solution`")
        if calls is None and not failures:
            begun = [line["begun"] for line in said if "begun" in line]
            failures.append(f"{begun[-1] if begun else 'the code'}: the tests' process {tests.how}")
        outcomes = ["failed" not in line for line in checks]
        if not failures:
            return Verdict(score=1, passed=True, outcomes=tuple(outcomes), behaviour=behaviour)
        whole = max(len(checks), self.count())
        outcomes += [False] * (whole - len(checks))
        feedback = "\n".join(failures[:SHOWN_FAILURES])
        if len(failures) > SHOWN_FAILURES:
            feedback += f"\nand {len(failures) - SHOWN_FAILURES} more"
        if code is not None and any("ended its process" in failure for failure in failures):
            feedback += f"\nthe code's process {code.how}; {code.stderr.decode(errors='replace')[-300:]}"
        passed = sum(outcomes)
        score, told = min(passed, whole - 1) / whole, f"{passed} of {whole}: {feedback}"
        return Verdict(score=score, passed=False, feedback=told, outcomes=tuple(outcomes), behaviour=behaviour)

    def count(self) -> int:
        """Return how many checks there are at least."""
        return len(self.cases) or max(1, len(checks_in(self.tests)))


@cache
def runner() -> dict[str, str]:
    """Read what runs inside."""
    package = resources.files(trial)
    return {f"trial/{name}": package.joinpath(name).read_text() for name in INSIDE}


def checks_in(code: str) -> list[ast.stmt]:
    """Return the statements at the top of tests that are checks."""
    found: list[ast.stmt] = []
    for node in ast.parse(code).body:
        if isinstance(node, ast.FunctionDef):
            found += [node] if node.name.startswith("test") else []
        elif not isinstance(node, ast.ClassDef):
            found += [node] if any(isinstance(each, ast.Assert) for each in ast.walk(node)) else []
    return found


def holds_checks(code: str, function: str) -> bool:
    """Say whether tests check anything.

    Raises:
        UsageError: they are no Python.

    """
    try:
        found = checks_in(code)
        names = {node.name for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)}
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UsageError(f"the tests are no Python ({error}): correct them") from error
    return bool(found) or bool(function and "check" in names)
