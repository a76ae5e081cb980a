"""An answer passes where it has the properties that a solution has: it is put in, and the arithmetic is done.

Conditions are joined by `and`:
- a relation, such as `x**2 - 5*x + 6 = 0` or `3*a + b <= 10`: the answer gives the unknowns, as `x = 2` or, where there
  is one unknown, as the number alone; of several (`2, 3`) each has to hold, and that none is missing is not seen;
- `uses 4, 7, 8, 8 once each`: the answer is made of these numbers, each as often as given, with + - * /;
- `equals 24`: the answer is an expression of this value.
"""

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import isclose
from typing import ClassVar

from ...state.errors import UsageError
from ...state.run import Candidate, Problem, Verdict
from ..answers import extract
from .arithmetic import Number, Wrong, evaluate, is_plain, names_in, numbers_in, parsed, plain_text

RELATION = re.compile(r"<=|>=|!=|==|=|<|>|≤|≥|≠")
USES = re.compile(r"uses?\s+(.+?)(?:\s+(?:exactly\s+)?once(?:\s+each)?)?", re.IGNORECASE)
EQUALS = re.compile(r"equals?\s+(.+)", re.IGNORECASE)
AND = re.compile(r"\s+and\s+", re.IGNORECASE)
NAMED = re.compile(r"(?:^|(?<=[^-+*/^()\d\s])|(?<=[^-+*/^()\d\s]\s))([a-zA-Z]\w*)\s*=")
APART = re.compile(r"(?:(?<!\d),|,(?!\d{3}(?!\d))|[;\n]|\band\b|\bor\b)\s*")
BRACES = str.maketrans("", "", "{}")
EXPRESSION = re.compile(r"[\d(\-][\d\s()+\-*/^.]*")
TOLERANCE = 1e-9
SAME = {"==": "=", "≤": "<=", "≥": ">=", "≠": "!="}


def close(a: Number, b: Number) -> bool:
    """Compare exactly, or where a float is among them to nine digits."""
    if isinstance(a, float) or isinstance(b, float):
        return isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return a == b


COMPARE: dict[str, Callable[[Number, Number], bool]] = {
    "=": close,
    "!=": lambda a, b: not close(a, b),
    "<": lambda a, b: a < b and not close(a, b),
    ">": lambda a, b: a > b and not close(a, b),
    "<=": lambda a, b: a <= b or close(a, b),
    ">=": lambda a, b: a >= b or close(a, b),
}


@dataclass(frozen=True)
class Relation:
    """Two sides and what is to hold between them."""

    left: ast.expr
    sign: str
    right: ast.expr

    @property
    def unknowns(self) -> set[str]:
        """What the answer has to give."""
        return names_in(self.left) | names_in(self.right)

    def broken_by(self, values: dict[str, Number]) -> str:
        """Say what is wrong; empty where the relation holds."""
        left, right = evaluate(self.left, values), evaluate(self.right, values)
        try:
            holds = COMPARE[self.sign](left, right)
        except ArithmeticError as error:
            raise Wrong(f"{left} and {right} cannot be compared: {error}") from error
        if holds:
            return ""
        put = ", ".join(f"{name} = {value}" for name, value in values.items() if name in self.unknowns)
        said = f"{ast.unparse(self.left)} {self.sign} {ast.unparse(self.right)}"
        return f"{said} does not hold at {put}: {left} against {right}"


@dataclass(frozen=True)
class Math:
    """Check a claimed solution."""

    conditions: str
    bounded: ClassVar[bool] = True

    def __post_init__(self) -> None:
        try:
            empty = not (self.relations or self.numbers or self.value is not None)
        except Wrong as error:
            raise UsageError(f"{self.conditions!r} cannot be checked: {error}") from error
        if empty or any(not relation.unknowns for relation in self.relations):
            raise UsageError(f"{self.conditions!r} asks nothing of an answer: write a relation with an unknown")
        if self.relations and (self.numbers or self.value is not None):
            raise UsageError(f"{self.conditions!r} asks for both unknowns and an expression: give one kind")

    @cached_property
    def parts(self) -> list[str]:
        """The conditions, one by one."""
        return AND.split(self.conditions.strip())

    @cached_property
    def relations(self) -> list[Relation]:
        """Those between two sides."""
        return [relation(part) for part in self.parts if not (USES.fullmatch(part) or EQUALS.fullmatch(part))]

    @cached_property
    def numbers(self) -> Counter[Number]:
        """The numbers to be used."""
        given = [found[1] for part in self.parts if (found := USES.fullmatch(part))]
        return Counter(evaluate(parsed(number), {}) for text in given for number in re.split(r"[,\s]+", text.strip()))

    @cached_property
    def value(self) -> Number | None:
        """The value to be reached."""
        given = [found[1] for part in self.parts if (found := EQUALS.fullmatch(part))]
        return evaluate(parsed(given[0]), {}) if given else None

    async def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        found, wrong = extract(candidate.text, "text"), ""
        for said in [*([found.raw] if found else []), *([candidate.raw] if candidate.raw else [])]:
            try:
                wrong = self.wrong_with(said)
                break
            except Wrong as error:
                wrong = wrong or str(error)
        else:
            wrong = wrong or "there is no answer"
        return Verdict(score=float(not wrong), passed=not wrong, feedback=wrong)

    def wrong_with(self, answer: str) -> str:
        """Say what is wrong with an answer; empty where nothing is."""
        if not self.relations:
            return self.wrong_expression(answer)
        unknowns = sorted(set().union(*(relation.unknowns for relation in self.relations)))
        claims = list(claimed(answer, unknowns))
        if not claims:
            raise Wrong(f"the answer {answer[:100]!r} does not give {' and '.join(unknowns)}")
        told = (relation.broken_by(values) for values in claims for relation in self.relations)
        return next((wrong for wrong in told if wrong), "")

    def wrong_expression(self, answer: str) -> str:
        """Say what is wrong with an expression."""
        node = expression(answer)
        used = Counter[Number](numbers_in(node))
        if self.numbers and not is_plain(node):
            return f"{ast.unparse(node)[:100]} is not made of numbers with +, -, *, / and parentheses alone"
        if self.numbers and used != self.numbers:
            return f"it uses {listed(used)}, and is to use {listed(self.numbers)}"
        value = evaluate(node, {})
        return "" if self.value is None or close(value, self.value) else f"it is {value}, and is to be {self.value}"


def relation(text: str) -> Relation:
    """Read a relation."""
    sides, signs = RELATION.split(text), RELATION.findall(text)
    if len(signs) != 1:
        raise Wrong(f"{text!r} is no relation: write LEFT = RIGHT, `uses NUMBERS once each` or `equals VALUE`")
    left, right = parsed(sides[0]), parsed(sides[1])
    sign = str(signs[0])
    return Relation(left, SAME.get(sign, sign), right)


def claimed(answer: str, unknowns: list[str]) -> Iterator[dict[str, Number]]:
    """Return what an answer says the unknowns are, each time that it says all of them.

    A number without a name is one more value of the unknown before it, or of the only one.
    """
    name = unknowns[0] if len(unknowns) == 1 else ""
    values: dict[str, Number] = {}
    told: dict[str, Number] = {}
    pieces = APART.split(bare(plain_text(answer.replace("\n", ";")).translate(BRACES)))
    for piece in pieces:
        _, equals, right = piece.rpartition("=")
        named = [word for word in NAMED.findall(piece) if word in unknowns]
        # `so 4 = 4` and `which is a root` give nothing.
        if not right.strip(" .") or (not named and (equals or (len(pieces) > 1 and not re.search(r"\d|π", right)))):
            continue
        name = named[-1] if named else name
        if name in values:
            raise Wrong(f"the answer gives {name} twice, and not the other unknowns each time")
        values |= dict.fromkeys(named or [name], evaluate(parsed(bare(right)), {}))
        if values.keys() == set(unknowns):
            yield values
            told, values = values, {}
    if told and values:
        yield told | values


def bare(answer: str) -> str:
    """Take off the brackets of a list."""
    text = answer.strip(" .")
    return text[1:-1] if text[:1] + text[-1:] in {"()", "[]", "{}"} and APART.search(text) else text


def expression(answer: str) -> ast.expr:
    """Return the expression in an answer, which may say what it equals, before or behind it."""
    side = max(plain_text(answer).split("="), key=len)
    try:
        return parsed(side)
    except Wrong:
        runs = [run.strip(" .") for run in EXPRESSION.findall(side)]
        if not runs:
            raise
        return parsed(max(runs, key=len))


def listed(numbers: Counter[Number]) -> str:
    """List numbers."""
    return ", ".join(str(number) for number in sorted(numbers.elements()))
