"""Programs against their tests: honest ones, and ones that go for the runner instead of the problem."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ponder.nodes.sandbox import Limits
from ponder.nodes.verifiers.python_tests import Case, PythonTests
from ponder.state import UsageError
from ponder.state.run import Candidate, Problem, Verdict

ADD = PythonTests(
    "assert add(1, 2) == 3\nassert add(2, 2) == 4\n\ndef test_text():\n    assert add('a', 'b') == 'ab'\n"
)
RIGHT = "def add(a, b): return a + b"


async def verdict(code: str, tests: PythonTests = ADD) -> Verdict:
    return await tests.verify(Problem(text="?"), Candidate(id="1", text=f"So:\n```python\n{code}\n```"))


async def test_a_right_program_passes_and_a_wrong_one_is_told_what_it_returned() -> None:
    right = await verdict(RIGHT)
    assert (right.score, right.passed, right.feedback) == (1, True, "")
    wrong = await verdict("def add(a, b): return 3")
    assert (wrong.passed, wrong.score) == (False, pytest.approx(1 / 3))
    assert wrong.feedback.startswith("1 of 3: assert add(2, 2) == 4: ")
    assert "(2, 2) returned 3" in wrong.feedback


async def test_a_check_that_is_cancelled_leaves_no_file_open() -> None:
    async def cancelled() -> int:
        for _ in range(3):
            checking = asyncio.create_task(verdict(RIGHT))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            checking.cancel()
            await asyncio.gather(checking, return_exceptions=True)
        return len(list(Path("/dev/fd").iterdir()))  # noqa: ASYNC240

    await verdict(RIGHT)
    assert await cancelled() == await cancelled()


async def name_of(code: str) -> str:
    tests = PythonTests("box = [3, 1]\nwork(box)\nassert box == [9]\nassert work([]) == 0\n")
    return (await verdict(code, tests)).behaviour


async def test_the_behaviour_of_a_program_is_what_it_returns_raises_and_does_to_what_it_is_given() -> None:
    sorts = await name_of("def work(box):\n    box.sort()\n    return {1, 'a', 2.5}")
    assert sorts
    assert sorts == await name_of("def work(b):\n    b[:] = sorted(b)\n    return {2.5, 'a', 1}")
    assert sorts != await name_of("def work(box): return {1, 'a', 2.5}")
    assert sorts != await name_of("def work(box):\n    box.sort()\n    return {True, 'a', 2.5}")
    # Programs that only fail, or return what is no plain data, are like no other.
    assert await name_of("def work(box): raise ValueError") == ""
    assert await name_of("class A: pass\ndef work(box): return A()") == ""
    assert await name_of("import nothing") == ""


FORGED = """
import os
for fd in range(3, 32):
    try:
        os.write(fd, b'{"names": {}, "exceptions": {}}\\n{"value": {"int": "0x3"}}\\n{"calls": 3}\\n')
    except OSError:
        pass
"""
FRAMES = """
import sys
def add(a, b):
    frame = sys._getframe()
    while frame:
        frame.f_locals.clear()
        frame = frame.f_back
"""
EVERYTHING = """
class Everything:
    def __eq__(self, other): return True
    __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __eq__
    def __sub__(self, other): return 0
    __rsub__ = __add__ = __radd__ = __truediv__ = __mod__ = __sub__
    def __iter__(self): return iter([self])
    def __hash__(self): return 3
    def __float__(self): raise TypeError
def add(a, b): return Everything()
"""


@pytest.mark.parametrize(
    "code",
    [
        "import os; os._exit(0)",
        "import sys; sys.exit(0)",
        "def add(a, b):\n    import os\n    os._exit(0)",
        "def add(a, b): raise SystemExit(0)",
        'print(\'{"check": "all", "calls": 3}\\n3 passed\', flush=True)',
        FORGED,
        "import builtins, sys, os\nbuiltins.AssertionError = sys.exit = os._exit = lambda *_: None\nadd = None",
        "import trial.tester, trial.side, trial.values\ntrial.tester.main = trial.side.Side.receive = None\nadd = 3",
        "import unittest, sys\nsys.modules['tests'] = sys.modules['solution'] = unittest",
        EVERYTHING,
        "class int(int):\n    def __eq__(self, other): return True\n    __hash__ = None\ndef add(a, b): return int(0)",
        "def abs(x): return 0\ndef isinstance(*_): return True\ndef add(a, b): return None",
        FRAMES,
    ],
)
async def test_a_program_that_goes_for_the_runner_fails(code: str) -> None:
    failed = await verdict(code)
    assert (failed.passed, failed.score) == (False, 0)
    assert failed.feedback.startswith("0 of 3: ")


async def test_an_object_that_agrees_with_everything_agrees_with_no_value_of_the_tests() -> None:
    close = PythonTests(
        "assert abs(add(1, 2) - 3) < 1e-9\nassert 3 in add(1, 2)\nassert add(1, 2) > 2\nassert 3 == add(1, 2)"
    )
    assert (await verdict(EVERYTHING, close)).score == 0


async def test_the_tests_and_their_expected_values_are_out_of_sight() -> None:
    code = """
import glob
def read(name): return open(name, "rb").read()
def add(a, b):
    names = [name for name in glob.glob("**", recursive=True) if name.endswith((".py", ".json"))]
    return [sum(b"hidden" + b" answer" in read(name) for name in names),
            sum(b"tester" in read(name) for name in glob.glob("/proc/[0-9]*/cmdline"))]
"""
    tests = PythonTests(function="add", cases=[Case([1, 2], "hidden answer")])
    assert "gives [0, 0]" in (await verdict(code, tests)).feedback


async def test_objects_generators_exceptions_and_callbacks_cross() -> None:
    code = """
from collections import Counter
class Empty(ValueError): pass
class Stack:
    def __init__(self): self.items = []
    def push(self, item): self.items.append(item)
    def pop(self):
        if not self.items: raise Empty("nothing there")
        return self.items.pop()
    def __len__(self): return len(self.items)
    def __eq__(self, other): return self.items == other.items
def count(n):
    yield from range(n)
def twice(function, value): return function(function(value))
def sort(values): values.sort()
def tally(text): return Counter(text)
LIMIT = 10 ** 5000
"""
    tests = """
from solution import Stack, count
stack = Stack()
stack.push((1, {"a": {2}}))
assert len(stack) == 1 and stack.items == [(1, {"a": {2}})]
assert stack.pop() == (1, {"a": {2}})
assert isinstance(stack, Stack) and not isinstance(3, Stack)
assert stack == Stack()
assert list(count(3)) == [0, 1, 2]
assert twice(lambda x: x + 1, 1) == 3
values = [3, 1, 2]
sort(values)
assert values == [1, 2, 3]
assert tally("aab") == {"a": 2, "b": 1}
assert LIMIT == 10 ** 5000

def test_exceptions():
    try:
        stack.pop()
    except Empty as error:
        assert isinstance(error, ValueError) and str(error) == "nothing there"
    else:
        assert False

def test_that_the_tests_stay_closed():
    class Own: pass
    try:
        twice(Own(), 1)
    except TypeError as error:
        assert "cannot be passed" in str(error)
"""
    found = await verdict(code, PythonTests(tests))
    assert (found.score, found.passed, found.feedback) == (1, True, "")


async def test_a_function_that_the_tests_pass_can_be_called_and_nothing_else() -> None:
    code = """
def escape(function):
    for name in ("__globals__", "__code__", "gi_frame", "f"):
        try:
            getattr(function, name)
            return name
        except (AttributeError, TypeError):
            pass
    return function()
"""
    tests = PythonTests("assert escape(lambda: 'closed') == 'closed'")
    assert (await verdict(code, tests)).passed


async def test_cases_are_compared_as_json_is() -> None:
    cases = [Case([[1, 2]], [1, 2]), Case("ab", ["a", "b"]), Case([{"1": 0.1}], {"1": 0.1 + 1e-12})]
    code = "def f(x): return {1: x['1']} if isinstance(x, dict) else tuple(x)"
    assert (await verdict(code, PythonTests(function="f", cases=cases))).passed
    missed = await verdict("def g(x): return x", PythonTests(function="f", cases=cases))
    assert "the code defines no 'f'" in missed.feedback


async def test_the_check_of_human_eval_is_given_the_function() -> None:
    tests = PythonTests("def check(candidate):\n    assert candidate(1, 2) == 3\n", function="add")
    assert (await verdict(RIGHT, tests)).passed
    assert not (await verdict("def add(a, b): return 0", tests)).passed


async def test_tests_that_never_call_the_program_pass_nobody() -> None:
    failed = await verdict("def sum(values): return 0", PythonTests("assert sum([1, 2]) == 3"))
    assert (failed.passed, failed.score) == (False, 0)
    assert "the tests called nothing of the code" in failed.feedback


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("def add(a, b: pass", "the code cannot be loaded: SyntaxError"),
        ("1 / 0", "the code cannot be loaded: ZeroDivisionError: division by zero in line 1"),
        ("def add(a, b):\n    while True: pass", "assert add(1, 2) == 3: the tests' process had not ended after"),
        ("def add(a, b): return 'x' * (8 << 20)", "a value is too large to be looked at"),
        ("def add(a, b): return [0] * (1 << 40)", "MemoryError"),
        ("def add(a, b): return add(a, b)", "RecursionError"),
        ("print('x' * (1 << 22)); add = 1", "wrote more than it may"),
        ("l = []; l.append(l)\ndef add(a, b): return l", "RecursionError"),
    ],
)
async def test_a_program_that_breaks_is_a_failed_verdict_that_says_how(code: str, says: str) -> None:
    tests = PythonTests(ADD.tests, limits=Limits(seconds=3))
    failed = await verdict(code, tests)
    assert (failed.passed, failed.score) == (False, 0)
    assert says in failed.feedback


async def test_an_answer_without_code_fails() -> None:
    failed = await ADD.verify(Problem(text="?"), Candidate(id="1"))
    assert (failed.passed, failed.feedback) == (False, "there is no code in the answer")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"tests": "x = 1"}, "the tests check nothing"),
        ({"tests": "def f(:"}, "the tests are no Python"),
        ({}, "there are no tests"),
        ({"function": "f"}, "there are no tests"),
    ],
)
def test_tests_that_check_nothing_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        PythonTests(**options)
