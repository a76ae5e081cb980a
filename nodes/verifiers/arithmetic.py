"""Evaluate an arithmetic expression of somebody else's: exactly where it can be, and never for long."""

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from ..answers.arithmetic import bits, root
from ..answers.tidy import TooDeepError, plain, tidy

Number = Fraction | float
LONGEST = 1000
"""Characters of an expression."""
MOST_BITS = 4096
"""Of a numerator or a denominator."""
MOST_FACTORIAL = 500
INDEX = re.compile(r"_\{(\w*)\}")
WRITTEN = (
    (re.compile(r"\^"), "**"),
    (re.compile("π"), "pi"),
    (re.compile(r"(?<=\d),(?=\d{3}(?!\d))"), ""),
    (re.compile(r"(?<![\w.)])(\d+) (\d+/\d+)"), r"(\1+\2)"),
    (re.compile(r"[\[{]"), "("),
    (re.compile(r"[\]}]"), ")"),
    (re.compile(r"(\d|\))\s*(?=\()"), r"\1*"),
    (re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)\s?(?=[a-zA-Z])(?![eE][-+]?\d)"), r"\1*"),
)
"""How mathematics is written in plain signs -> how Python writes it."""


class Wrong(Exception):  # noqa: N818 - control flow between evaluator and verifier
    """It cannot be evaluated."""


def plain_text(text: str) -> str:
    """Return what is written in LaTeX or Unicode in plain signs.

    Raises:
        Wrong: it is too long or nests too deep.

    """
    if len(text) > LONGEST:
        raise Wrong("the expression is too long")
    try:
        return INDEX.sub(r"_\1", plain(tidy(text)))
    except TooDeepError as error:
        raise Wrong(f"{text[:100]!r} is no expression") from error


def parsed(text: str) -> ast.expr:
    """Read an expression as it is written in plain text or in simple LaTeX.

    Raises:
        Wrong: it is none, or too long.

    """
    text = plain_text(text)
    for written, meant in WRITTEN:
        text = written.sub(meant, text)
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Wrong(f"{text.strip()[:100]!r} is no expression") from error


def numbers_in(node: ast.expr) -> list[Fraction]:
    """Return the numbers that an expression is made of."""
    return [exact(each) for each in ast.walk(node) if isinstance(each, ast.Constant)]


def names_in(node: ast.expr) -> set[str]:
    """Return the unknowns of an expression."""
    called = {id(each.func) for each in ast.walk(node) if isinstance(each, ast.Call)}
    found = {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and id(each) not in called}
    return found - CONSTANTS.keys()


def is_plain(node: ast.expr) -> bool:
    """Say whether an expression is made of numbers, the four operations and parentheses."""
    plain = (ast.Constant, ast.BinOp, ast.UnaryOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.USub, ast.UAdd)
    return all(isinstance(each, plain) for each in ast.walk(node))


def evaluate(node: ast.expr, values: Mapping[str, Number]) -> Number:
    """Return the value of an expression, where its unknowns have these.

    Raises:
        Wrong: it has none, or it is too large.

    """
    try:
        return bounded(value_of(node, values))
    except (ArithmeticError, ValueError, RecursionError) as error:
        raise Wrong(f"{ast.unparse(node)[:100]} has no value: {error}") from error


def value_of(node: ast.expr, values: Mapping[str, Number]) -> Number:
    """Evaluate, each step within bounds."""
    match node:
        case ast.Constant():
            return exact(node)
        case ast.Name(id=name) if name in values or name in CONSTANTS:
            return values[name] if name in values else CONSTANTS[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -value_of(operand, values)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return value_of(operand, values)
        case ast.BinOp(op=op, left=left, right=right) if type(op) in OPERATORS:
            return bounded(OPERATORS[type(op)](value_of(left, values), value_of(right, values)))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
            try:
                return bounded(FUNCTIONS[name](*(value_of(each, values) for each in arguments)))
            except TypeError as error:
                raise Wrong(f"{ast.unparse(node)[:100]} has no value: {error}") from error
    raise Wrong(f"{ast.unparse(node)[:100]} is not arithmetic")


def exact(node: ast.Constant) -> Fraction:
    """Return a number as it is written, not as a float holds it."""
    if isinstance(node.value, bool) or not isinstance(node.value, int | float):
        raise Wrong(f"{node.value!r} is no number")
    if isinstance(node.value, float) and not math.isfinite(node.value):
        raise Wrong("a number is too large")
    return Fraction(node.value) if isinstance(node.value, int) else Fraction(repr(node.value))


def bounded(value: Number) -> Number:
    """Refuse a value that grows beyond what is needed."""
    if isinstance(value, complex):
        raise Wrong("a value is not real")
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Wrong("a value is too large")
        return value
    value = Fraction(value)
    if bits(value) > MOST_BITS:
        raise Wrong("a value is too large")
    return value


def power(base: Number, exponent: Number) -> Number:
    """Raise to a power, exactly for whole ones."""
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1:
        if bits(base) * abs(exponent) > MOST_BITS:
            raise Wrong("a value is too large")
        return base ** int(exponent)
    return square_root(base) if exponent == Fraction(1, 2) else float(base) ** float(exponent)


def square_root(value: Number) -> Number:
    """Return the square root, exactly where it is rational."""
    exact = root(value, 2) if isinstance(value, Fraction) else None
    return math.sqrt(value) if exact is None else exact


def whole(value: Number) -> int:
    """Return a whole number as one."""
    if value != int(value):
        raise Wrong(f"{value} is not whole")
    return int(value)


def factorial(value: Number) -> Fraction:
    """Return the factorial of a small number."""
    if not 0 <= whole(value) <= MOST_FACTORIAL:
        raise Wrong("a factorial is too large")
    return Fraction(math.factorial(whole(value)))


CONSTANTS: dict[str, Number] = {"pi": math.pi, "e": math.e}
OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: lambda a, b: Fraction(a // b),
    ast.Mod: operator.mod,
    ast.Pow: power,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "sqrt": square_root,
    "min": min,
    "max": max,
    "factorial": factorial,
    "floor": lambda value: Fraction(math.floor(value)),
    "ceil": lambda value: Fraction(math.ceil(value)),
    "gcd": lambda *values: Fraction(math.gcd(*map(whole, values))),
    "lcm": lambda *values: Fraction(math.lcm(*map(whole, values))),
    **{
        name: getattr(math, name)
        for name in ("exp", "log", "log2", "log10", "sin", "cos", "tan", "asin", "acos", "atan")
    },
}
