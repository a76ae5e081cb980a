"""The key of a symbolic expression, from a bounded process in which SymPy runs."""

import re
from collections.abc import Callable
from functools import lru_cache

from .allowance import time_left, untouched, use
from .process import evaluator

Symbolic = Callable[[str], str | None]
LONGEST = 400
"""Characters of an expression; longer ones are compared as they are written."""
MOST_OPERATIONS = 120
HUGE = re.compile(r"\d{5,}\s*!|\^\(?-?\d{5,}|\^\([^()a-z]*[\^!]|\d{60,}|!!!|!\s*\)+\s*!|\^\(\(*[^()]*\^\([^()]*\^")
"""What takes more than it is worth: huge factorials, exponents and towers of powers."""
NAMES = ("sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln exp min max gcd lcm det").split()
GREEK = dict(
    zip(
        "αβγδεζηθικλμνξπρστυφχψω",
        (
            "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau "
            "upsilon phi chi psi omega"
        ).split(),
        strict=True,
    )
)
CALLED = re.compile(rf"(?<![\\A-Za-z])({'|'.join(sorted(NAMES, key=len, reverse=True))})(?![A-Za-z])")
LETTERS = re.compile(rf"(?<![\\A-Za-z])({'|'.join(GREEK.values())})(?![A-Za-z])")
SIGNS = {"*": r" \cdot ", "∞": r"\infty ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "·": r" \cdot "}
QUOTIENT = re.compile(r"(?<![\w.^(])(\d+)/(\d+)(?![\d.^!])")
"""A fraction of numbers, which the parser would divide by all that follows."""
DEGREES = re.compile(r"(\d+(?:\.\d+)?)\s*°")


class LateError(Exception):
    """What the answer's other formulas have left is too little time for this one."""


def symbolic(text: str) -> str | None:
    """Return the key of an expression in plain notation; None where it is none, or takes too long or too much."""
    try:
        return named(text)
    except LateError:
        return None


@lru_cache(maxsize=4096)
def named(text: str) -> str | None:
    """Ask the process, and remember what it says unless it lacked the time."""
    if len(text) > LONGEST or HUGE.search(text) or sum(map(text.count, "+-*/^(")) > MOST_OPERATIONS:
        return None
    seconds, whole = time_left(), untouched()
    if seconds <= 0:
        raise LateError
    said = evaluator.key(latex(text), seconds)
    use(said.seconds)
    if said.late and not whole:
        raise LateError
    return said.key


def latex(text: str) -> str:
    """Write plain notation as the LaTeX that the parser reads."""
    text = DEGREES.sub(r"(\1*\\pi/180)", text)
    text = QUOTIENT.sub(r"\\frac{\1}{\2}", text)
    text = CALLED.sub(r"\\\1 ", text)
    text = LETTERS.sub(r"\\\1 ", text)
    for sign, command in {**SIGNS, **{sign: f"\\{name} " for sign, name in GREEK.items()}}.items():
        text = text.replace(sign, command)
    return braced(braced(text, "sqrt(", r"\sqrt{"), "^(", "^{")


def braced(text: str, opening: str, command: str) -> str:
    """Turn the brackets behind a word or sign into braces."""
    at = text.find(opening)
    while at >= 0:
        start = at + len(opening)
        depth, end = 1, start
        while end < len(text) and depth:
            depth += (text[end] == "(") - (text[end] == ")")
            end += 1
        text = text[:at] + command + text[start : end - 1] + "}" + text[end:]
        at = text.find(opening, at + len(command))
    return text
