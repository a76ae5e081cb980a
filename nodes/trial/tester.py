"""The tests' end: run every check, and report each as a line of JSON on what was standard output."""

import ast
import builtins
import json
import os
import sys
import traceback
import types
from collections.abc import Callable, Iterator, Mapping
from math import isclose, isnan
from pathlib import Path
from typing import Any

from .behaviour import Behaviour
from .side import SHOWN, Gone, Remote, Side

Check = tuple[str, Callable[[], object]]
"""What is checked, in a word, and how; it raises where it fails."""
FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, type)
TOLERANCE = 1e-9


class Tester(Side):
    """Knows the code's functions; counts and remembers what they were asked."""

    def __init__(self, reading: int, writing: int) -> None:
        super().__init__(reading, writing)
        self.calls = 0
        self.behaviour = Behaviour()

    def call(self, number: int, given: Any, named: Any) -> object:
        """Call, and remember what came back."""
        self.calls += 1
        shown = ", ".join([*map(repr, given), *(f"{name}={value!r}" for name, value in named.items())])
        self.last = f"the call with ({shown[:SHOWN]}) did not return"
        self.behaviour.note(given, named)
        try:
            value = super().call(number, given, named)
        except Exception as error:
            self.behaviour.note(type(error).__name__)
            raise
        self.behaviour.note(value, given)
        self.behaviour.returned = True
        self.last = f"the call with ({shown[:SHOWN]}) returned {repr(value)[:SHOWN]}"
        return value

    def answer(self, request: Mapping[str, Any]) -> Mapping[str, object]:
        """Call back a function that the tests have passed; nothing else of theirs can be reached."""
        function = self.objects[request["of"]]
        if request["do"] != "call" or not callable(function):
            raise TypeError("functions of the tests can be called, and nothing else")
        return {"value": self.pack(function(*map(self.unpack, request["given"])))}

    def named(self, value: object) -> object:
        """Name a function for the code; other objects of the tests stay here."""
        if not isinstance(value, FUNCTIONS) and not isinstance(value, Remote):
            raise TypeError(f"a {type(value).__name__} of the tests cannot be passed to the code: pass plain values")
        return super().named(value)

    def meet(self, wanted: str) -> dict[str, Any]:
        """Return the code's names, the one wanted among them, as the tests see them."""
        hello = self.receive()
        if "broken" in hello:
            raise ImportError(f"the code cannot be loaded: {hello['broken']}")
        if wanted and wanted not in hello["names"]:
            raise ImportError(f"the code defines no {wanted!r}")
        for name, mro in hello["exceptions"].items():
            known = type(self.exception(mro[1:], ""))
            self.exceptions[name] = type(name, (known,), {})
        return {name: self.unpack(value) for name, value in hello["names"].items()} | self.exceptions


def of_cases(function: Remote, cases: list[dict[str, Any]]) -> Iterator[Check]:
    """Make a check of each case: what goes in (a list is the arguments), and what is to come out."""
    for case in cases:
        given = case["input"] if isinstance(case["input"], list) else [case["input"]]

        def check(given: list[Any] = given, expected: object = case["expected"]) -> None:
            shown = repr(given)[1:-1]
            found = function(*given)
            function.ponder_side.last = ""  # the next line says it
            if not same(found, expected):
                raise AssertionError(f"({shown}) gives {found!r}, not {expected!r}")

        yield "case", check


def same(found: object, expected: object) -> bool:
    """Compare as JSON would: a tuple is a list; floats may differ in the last digits."""
    if isinstance(found, list | tuple) and isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(found, dict) and isinstance(expected, dict):
        keys = {str(key): value for key, value in found.items()}
        return keys.keys() == {str(key) for key in expected} and all(
            same(keys[str(key)], value) for key, value in expected.items()
        )
    if isinstance(found, float) and isinstance(expected, int | float):
        return isclose(found, expected, rel_tol=TOLERANCE, abs_tol=TOLERANCE) or (isnan(found) and isnan(expected))
    return bool(found == expected)


def of_code(code: str, names: dict[str, Any], function: str) -> Iterator[Check]:
    """Make a check of each statement at the top that asserts, of each function `test…`, and of `check(candidate)`."""
    module = types.ModuleType("tests")
    known = {name: value for name, value in names.items() if name == function or not hasattr(builtins, name)}
    vars(module).update(known)
    for node in ast.parse(code, "tests.py").body:
        defines = isinstance(node, ast.FunctionDef | ast.ClassDef)
        body = compile(ast.Module([node], []), "tests.py", "exec")
        yield (
            ast.unparse(node)[:SHOWN] if not defines and asserts(node) else "",
            lambda body=body: exec(body, vars(module)),  # type: ignore[misc]  # noqa: S102 - the user's own tests
        )
    for name, value in list(vars(module).items()):
        if name.startswith("test") and isinstance(value, types.FunctionType):
            yield name, value
    whole = vars(module).get("check")
    if function and isinstance(whole, types.FunctionType):
        yield "check", lambda: whole(names[function])


def asserts(node: ast.AST) -> bool:
    """Say whether a statement asserts something."""
    return any(isinstance(each, ast.Assert) for each in ast.walk(node))


def why(error: BaseException, side: Tester) -> str:
    """Tell what is wrong, for whoever is to correct the code."""
    if isinstance(error, Gone):
        return "the code ended its process"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "tests.py"]
    line = f" (line {lines[-1]} of the tests)" if lines else ""
    kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
    return f"{kind}{str(error)[:SHOWN]}{line}{'; ' if side.last else ''}{side.last}"


def main(reading: int, writing: int) -> None:
    """Run all checks."""
    report = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the tests print is no report
    side, given = Tester(reading, writing), json.loads(Path("tests.json").read_text())

    def tell(**said: object) -> None:
        report.write(json.dumps(said) + "\n")
        report.flush()

    try:
        names = side.meet(given["function"])
    except Exception as error:  # noqa: BLE001 - told, like every failure
        tell(check="the code", failed=why(error, side))
        return
    solution = types.ModuleType("solution")
    vars(solution).update(names)
    sys.modules["solution"] = solution
    code, function = given["tests"], given["function"]
    for name, check in of_code(code, names, function) if code else of_cases(names[function], given["cases"]):
        side.last = ""
        tell(begun=name or "the tests")
        try:
            check()
        except BaseException as error:  # noqa: BLE001
            tell(check=name or "the tests", failed=why(error, side))
            if not name:  # what follows stands on it
                return
        else:
            if name:
                tell(check=name)
    tell(calls=side.calls, behaviour=side.behaviour.name)
