"""The meaning of an answer of each type."""

import re
from fractions import Fraction
from functools import lru_cache

from ...state.run import AnswerType
from .allowance import allowance, untouched
from .choices import choice, lettered, options_of
from .data import json_value
from .dates import moment
from .maths import EITHER, LABELLED, NUMBERED, Maths, mathematical, split, words_in
from .meaning import LONGEST, Meaning
from .programs import parsed, program
from .prose import prose
from .quantities import quantity
from .symbolic import symbolic
from .tidy import TooDeepError, plain, tidy

SIMPLE = re.compile(r"\s*(-?[0-9]{1,18}(?:\.[0-9]{1,9}|/0*[1-9][0-9]{0,17})?)\s*")
"""Most numbers, read without ado."""
FENCED = re.compile(r"\s*```([\w+-]*)\n(.*?)\n?\s*(?:```)?\s*", re.DOTALL)
CODE = re.compile(r"^(?:def|class|import|from|async def|@\w+) ?\w*", re.MULTILINE)
EQUALS = re.compile(r"=|\bis\b|\bequals\b|\bare\b")
ORDINAL = re.compile(r"\d(?:st|nd|rd|th)s?\b")
TIMES = re.compile(r"(?<=\d)\s?x\s?(?=\d)")
ASIDE = re.compile(r"\s+\([^()]*\)$")
"""What is said in brackets behind a number."""
SYMBOLIC = Maths(symbolic)
SOLUTIONS = Maths(symbolic, loose=True)


def canonical(raw: str, answer_type: AnswerType | None = None, *, question: str = "") -> str | None:
    """Return the key that equal answers share; None where the answer is not of that type."""
    found = meaning_of(raw, answer_type, question=question)
    return None if found is None else found.key


def meaning_of(raw: str, answer_type: AnswerType | None = None, *, question: str = "") -> Meaning | None:
    """Return the meaning of an answer, for choices with the options that the question lists."""
    # Long ones are not worth their memory, and what was read in less than the whole time may be worth another try.
    kept = len(raw) <= LONGEST and untouched()
    return (remembered if kept else read)(raw, answer_type, question)


def read(raw: str, answer_type: AnswerType | None, question: str) -> Meaning | None:
    """Read an answer."""
    if answer_type in {None, "number", "math", "text"} and (simple := SIMPLE.fullmatch(raw)):
        return Meaning(str(Fraction(simple[1])))
    if answer_type in {"code", "json"}:
        fenced = FENCED.fullmatch(raw)
        language, block = fenced.groups() if fenced else ("", raw)
        return keyed(program(block, language) if answer_type == "code" else json_value(block))
    try:
        with allowance():
            return typed(raw, answer_type, question)
    except TooDeepError:
        return None if answer_type in {"number", "choice"} else keyed(prose(raw))


remembered = lru_cache(maxsize=8192)(read)


def keyed(key: str | None) -> Meaning | None:
    """Return what has this key, if there is one."""
    return None if key is None else Meaning(key)


def typed(raw: str, answer_type: AnswerType | None, question: str) -> Meaning | None:
    """Return the meaning of an answer that is not code or JSON."""
    if answer_type == "choice":
        return choice(raw[:LONGEST], options_of(question))
    if len(raw) > LONGEST:
        return None if answer_type == "number" else keyed(prose(raw))
    clean = tidy(raw)
    line = plain(clean)
    if answer_type == "number":
        return numeric(line)
    if answer_type == "math":
        return SOLUTIONS.meaning(line) or unread(line) or words(line, clean)
    return inferred(raw, clean, line) if answer_type is None else words(line, clean)


def numeric(line: str) -> Meaning | None:
    """Return the meaning of a line that is a number, or of an equation's right side that is one."""
    sides = (line, right_side(line))
    return next((found for side in sides if (found := value(side.strip(" !?'\"*").rstrip(" .,")))), None)


def right_side(line: str) -> str:
    """Return the last side of an equation on which a digit stands, else the last one; of another line all."""
    first, *sides = EQUALS.split(line)
    return next((side for side in reversed(sides) if re.search(r"\d", side)), sides[-1] if sides else first).strip()


def value(line: str) -> Meaning | None:
    """Return the meaning of a line that is one number, with a unit or none, or a list of them; None for other text."""
    if NUMBERED.fullmatch(line) or ORDINAL.search(line):
        return None
    if line[:1] + line[-1:] in {"[]", "{}"} and "," not in line:
        line = line[1:-1]
    line = TIMES.sub("*", line)
    if found := quantity(ASIDE.sub("", line), nouns=False) or SYMBOLIC.simple(line, 0) or SYMBOLIC.measured(line, 0):
        return found
    pieces = split(EITHER.sub(",", line))
    stated = "=" not in line or (len(pieces) > 1 and all(LABELLED.fullmatch(piece.strip()) for piece in pieces))
    return SYMBOLIC.meaning(line) if stated and mathematical(line) and not words_in(line) else None


def words(line: str, clean: str) -> Meaning | None:
    """Return the meaning of a number, a date, or words."""
    return moment(clean) or quantity(line) or keyed(prose(line if "\\" in clean else clean))


def inferred(raw: str, clean: str, line: str) -> Meaning | None:
    """Return the meaning of an answer whose shape says what it is."""
    if raw.lstrip()[:1] in {"{", "["} and '"' in raw and (value := json_value(raw.strip())):
        return Meaning(value)
    if fenced := FENCED.fullmatch(raw):
        return keyed(program(fenced[2], fenced[1]))
    if "\n" in raw and CODE.search(raw) and parsed(raw):
        return keyed(program(raw))
    if found := moment(clean) or quantity(line) or lettered(clean):
        return found
    if mathematical(line) and (found := SYMBOLIC.meaning(line) or unread(line)):
        return found
    return keyed(prose(line if "\\" in clean else clean))


def unread(line: str) -> Meaning | None:
    """Return the meaning of mathematics that has no value: as it is written, without spaces."""
    return Meaning("".join(line.split())) if mathematical(line) and len(line) > 1 else None
