"""Quantities: a number with its sign, percent, currency, unit or the noun that is counted."""

import re
from fractions import Fraction

from .arithmetic import TooLargeError, evaluate
from .meaning import Meaning
from .numerals import MAGNITUDE, read_magnitude
from .units import CURRENCIES, TEMPERATURES, read_unit
from .words import ROUND, read_words

SIGN = re.compile(r"((?:[-+]|(?:minus|negative)\b)?)\s?(US\$|[$€£¥₹])?\s?([-+]?)\s?", re.IGNORECASE)
PERCENT = re.compile(r"\s?(?:%|per\s?cent\b|percent\b)(?:age points?)?(.*)", re.DOTALL)
SCALE = re.compile(rf"\s?({'|'.join(ROUND)})\b", re.IGNORECASE)
SHORT_SCALE = re.compile(r"\s?(k|K|m|M|mn|bn|B|b)\b\.?$")
SHORT_SCALES = {"k": 10**3, "m": 10**6, "mn": 10**6, "b": 10**9, "bn": 10**9}
NOUN = re.compile(r"[A-Za-z][a-z'-]{2,}(?: [A-Za-z][a-z'-]*){0,2}")
NO_NOUN = re.compile(
    r"\b(?:or|and|to|of|plus|minus|times|over|by|if|is|are|was|the|out|in|on|at|for|with|mod|not|than|am|pm|st|nd|rd|th"
    r"|a?(?:sin|cos|tan)h?|arc\w+|cot|sec|csc|log|ln|exp|sqrt|pi|theta|alpha|beta|gamma|lambda|phi|omega|max|min|[a-z])\b",
    re.IGNORECASE,
)
"""Words that are no noun behind a number."""
NEXT = re.compile(r"\s*(?:,\s*)?(?:and\s+)?(?=\d)")
PART = re.compile(r"[A-Za-z]+")
AMOUNT = re.compile(r"(.*[\d)])(\s*)([A-Za-z°μΩ¢][^,=<>]{0,40})", re.DOTALL)


def quantity(text: str, *, algebra: bool = False, nouns: bool = True) -> Meaning | None:
    """Read a text that is a number, with or without what it counts; None for other text.

    `algebra`: a letter that touches the number is a variable, not a unit. `nouns`: what is counted is part of it.
    """
    begun = SIGN.match(text)
    assert begun is not None  # noqa: S101 - every part is optional
    number = None if begun[1] and begun[3] else magnitude(text[begun.end() :])
    if number is None:
        return None if begun[2] else computed(text, algebra=algebra, nouns=nouns)
    value, rest = number
    if begun[1] not in {"", "+"} or begun[3] == "-":
        value = -value
    currency = CURRENCIES[begun[2][-1]] if begun[2] else ""
    if scale := SCALE.match(rest):
        value, rest = value * ROUND[scale[1].lower()], rest[scale.end() :]
    elif (currency or (not nouns and rest in {"k", "K"})) and (short := SHORT_SCALE.fullmatch(rest)):
        value, rest = value * SHORT_SCALES[short[1].lower()], ""
    if percent := PERCENT.fullmatch(rest):
        noun = percent[1].strip(" .")
        return Meaning(str(value / 100)) if not noun or noun.startswith("of ") else None
    if currency:
        named = read_unit(rest.strip(" .")) if rest.strip(" .") else (currency, Fraction(1))
        return measured(value, *named, value) if named and named[0] == currency else None
    if algebra and rest[:1].isalpha():
        return None
    return counted(value, rest, nouns=nouns)


def magnitude(text: str) -> tuple[Fraction, str] | None:
    """Return the number that a text begins with, and the rest."""
    if found := MAGNITUDE.match(text):
        value = read_magnitude(found)
        rest = text[found.end() :]
        # 2x3, 1.2.3, 3/4/5, 5-6 and 1,5 are no numbers with a unit.
        if value is None or re.match(r"[\d.,/:^*+(\[{!=<>-]|\s*[-+*/^=<>:]|\s*[([{]", rest):
            return None
        return value, rest
    return read_words(text)


def counted(value: Fraction, rest: str, *, nouns: bool) -> Meaning | None:
    """Return the meaning of a number and what follows it: nothing, a unit, or a noun."""
    name = rest.strip(" .")
    if not name:
        return Meaning(str(value))
    if name.lower() in TEMPERATURES:
        factor, zero = TEMPERATURES[name.lower()]
        return measured(value * factor + zero, "K", Fraction(1), value)
    if known := read_unit(name):
        return measured(value * known[1], known[0], Fraction(1), value)
    total = compound(value, rest)
    if total or not NOUN.fullmatch(name) or rest[:1] not in {" ", "-"} or NO_NOUN.search(name):
        return total
    if not nouns:
        first, _, more = name.partition(" ")
        return counted(value, f" {first}", nouns=False) if more else Meaning(str(value))  # 5 days ago
    return Meaning(f"{value} {singular(name.lower())}", frozenset({str(value)}))


def measured(value: Fraction, base: str, worth: Fraction, said: Fraction) -> Meaning:
    """Return the meaning of a measure, which may stand without its unit as it was written."""
    return Meaning(f"{value * worth} {base}".strip(), frozenset({str(said)}))


def compound(value: Fraction, rest: str) -> Meaning | None:
    """Return the meaning of a measure in several units: 1 hour 30 minutes."""
    total, base = Fraction(0), ""
    for _ in range(4):
        name = PART.match(rest.lstrip())
        # 2h 30m: metres are no part of an hour.
        known = read_unit("min" if base == "s" and name[0] == "m" else name[0]) if name else None
        if name is None or known is None or base not in {"", known[0]}:
            return None
        base, total = known[0], total + value * known[1]
        rest = rest.lstrip()[name.end() :]
        if not rest.strip():
            return Meaning(f"{total} {base}")
        gap = NEXT.match(rest)
        more = magnitude(rest[gap.end() :]) if gap else None
        if more is None:
            return None
        value, rest = more
    return None


def computed(text: str, *, algebra: bool, nouns: bool) -> Meaning | None:
    """Return the meaning of a computation with a unit or noun: 2^(10) bytes."""
    found = AMOUNT.fullmatch(text)
    if found is None or (algebra and not found[2]):
        return None
    try:
        value = evaluate(found[1])
    except TooLargeError:
        return None
    return None if value is None else counted(value, (found[2] or " ") + found[3], nouns=nouns)


def singular(noun: str) -> str:
    """Return a noun without its plural, roughly: the same for both is enough."""
    for end, short in (("ies", "y"), ("ches", "ch"), ("shes", "sh"), ("xes", "x"), ("sses", "ss"), ("oes", "o")):
        if noun.endswith(end) and len(noun) > len(end) + 1:
            return noun.removesuffix(end) + short
    return noun[:-1] if noun.endswith("s") and not noun.endswith("ss") and len(noun) > 3 else noun
