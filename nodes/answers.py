"""Find the answer in a text, and bring it into a form in which equal answers are equal strings."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from json import JSONDecodeError, dumps, loads

from ..state.run import AnswerType

NUMBER = re.compile(r"[-−+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d{1,3})?(?:\s?/\s?\d+)?|[-−+]?\.\d+")
MARKER = re.compile(r"####|\b(?:final\s+)?answer(?:\s+is\b\s*:?|\s*:)[ \t]*", re.IGNORECASE)
QUOTED = re.compile(r"\bis:?\s+[\"“'‘*]+([^\"“”'‘’*\n]{1,80})[\"”'’*]")
FENCE = re.compile(r"```[\w+-]*\n(.*?)```", re.DOTALL)
LETTER = re.compile(r"\b([A-J])\b")
ASKS_NUMBER = re.compile(
    r"how (?:many|much|old|far|long)|calculate|compute|evaluate|\bsum\b|which number|\d\s*[-+*/×^]\s*\d"
    r"|\d\s+(?:times|plus|minus|divided by)\s+\d",
    re.IGNORECASE,
)
ASKS_CHOICE = re.compile(r"(?:^|\n)\s*\(?A[).:]\s.*\n\s*\(?B[).:]\s", re.DOTALL)
ASKS_CODE = re.compile(r"\b(?:write|implement|complete)\b.{0,40}\b(?:function|program|class)\b", re.IGNORECASE)
LONGEST_NUMBER = 400
"""Characters; longer runs of digits are text."""


@dataclass(frozen=True)
class Extracted:
    """An answer found in a text."""

    raw: str
    canonical: str
    type: AnswerType


def infer_type(question: str) -> AnswerType | None:
    """Read off a problem what its answer looks like; None where that is open."""
    if ASKS_CHOICE.search(question):
        return "choice"
    if ASKS_CODE.search(question):
        return "code"
    return "number" if ASKS_NUMBER.search(question) else None


def extract(text: str, answer_type: AnswerType | None = None) -> Extracted | None:
    """Return the answer that a text ends with, or None where it holds none of that type."""
    raw = FINDERS[answer_type](text)
    if raw is None:
        return None
    raw = raw.strip().strip("\"'“”*`$").strip()
    found = canonical(raw, answer_type)
    return None if found is None else Extracted(raw, found, answer_type or "text")


def equal(a: str, b: str, answer_type: AnswerType | None = None) -> bool:
    """Compare two raw answers by meaning."""
    first = canonical(a, answer_type)
    return first is not None and first == canonical(b, answer_type)


def cluster(answers: Sequence[str], answer_type: AnswerType | None = None) -> list[list[int]]:
    """Group the indices of equal answers, in order of first appearance; what has no form stands alone."""
    groups: dict[object, list[int]] = {}
    for index, answer in enumerate(answers):
        groups.setdefault(canonical(answer, answer_type) or (index,), []).append(index)
    return list(groups.values())


def canonical(raw: str, answer_type: AnswerType | None = None) -> str | None:
    """Return the normal form of an answer; None where it is not of that type."""
    if answer_type == "number":
        match = NUMBER.search(raw)
        return number(match[0]) if match else None
    if answer_type == "choice":
        match = LETTER.search(raw.upper())
        return match[1] if match else None
    if answer_type == "json":
        return json_form(raw)
    if answer_type == "code":
        return raw.strip() or None
    plain = " ".join(raw.split()).strip(" .,:;!?\"'“”*`$").casefold()
    return number(plain) or plain or None


def number(raw: str) -> str | None:
    """Return a number as a reduced fraction, so that 1/2, 0.5 and .50 are one answer; None for other text."""
    plain = raw.replace(",", "").replace("−", "-").replace(" ", "").lstrip("+")
    percent = plain.endswith("%")
    plain = plain.removesuffix("%").lstrip("$€£")
    if len(plain) > LONGEST_NUMBER or not re.fullmatch(
        r"-?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d{1,3})?(?:/\d+)?", plain.lower()
    ):
        return None
    top, _, bottom = plain.partition("/")
    if bottom and not int(bottom):
        return None
    value = Fraction(top) / int(bottom or 1)
    return str(value / 100 if percent else value)


def json_form(raw: str) -> str | None:
    """Return JSON with sorted keys; None where it does not parse."""
    try:
        return dumps(loads(raw), sort_keys=True)
    except (JSONDecodeError, RecursionError):
        return None


def find_marked(text: str) -> str | None:
    r"""Find what stands in the last \boxed{} or behind the last 'Answer:', '####' or 'the answer is'."""
    boxed = find_boxed(text)
    if boxed is not None:
        return boxed
    lines = (text[found.end() :].partition("\n")[0].strip() for found in MARKER.finditer(text))
    marked = [line for line in lines if line.strip(" .*\"'“”")]
    return marked[-1] if marked else None


def find_boxed(text: str) -> str | None:
    r"""Return the content of the last \boxed{…}, braces balanced."""
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    depth = 0
    for position in range(start + 6, len(text)):
        depth += (text[position] == "{") - (text[position] == "}")
        if depth == 0:
            return text[start + 7 : position]
    return None


def find_number(text: str) -> str | None:
    """Return the marked number (of an equation its right side), else the last one."""
    marked = NUMBER.findall((find_marked(text) or "").rpartition("=")[2])
    numbers = marked[:1] or NUMBER.findall(text)[-1:]
    return numbers[0] if numbers else None


def find_choice(text: str) -> str | None:
    """Return the marked letter, else the last capital that stands alone."""
    letters = LETTER.findall(find_marked(text) or "")[:1] or LETTER.findall(text)[-1:]
    return letters[0] if letters else None


def find_code(text: str) -> str | None:
    """Return the last fenced block, else the whole text."""
    blocks = FENCE.findall(text)
    return str(blocks[-1]) if blocks else text or None


def find_text(text: str) -> str | None:
    """Return the marked answer, else what the text quotes behind its last 'is', else the whole text."""
    quoted = QUOTED.findall(text)
    return find_marked(text) or (quoted[-1] if quoted else text.strip()) or None


FINDERS = {
    None: find_text,
    "number": find_number,
    "choice": find_choice,
    "code": find_code,
    "json": find_code,
    "text": find_text,
}
