"""Find where in a text the answer stands."""

import re
from fractions import Fraction

from ...state.run import AnswerType
from .allowance import allowance
from .canon import meaning_of, right_side
from .choices import options_of
from .data import find_json
from .infer import infer_type
from .meaning import Extracted
from .numerals import MAGNITUDE
from .quantities import SHORT_SCALE
from .tidy import TooDeepError, closing
from .units import CURRENCIES, read_unit
from .words import ROUND

LONGEST_TAIL = 20_000
"""Characters of a text in which an answer is looked for, from its end."""
WHOLE: set[AnswerType | None] = {"code", "json"}
"""Types whose answer may be longer, and is not marked."""
MARKER = re.compile(
    r"####[ \t]*"
    r"|<answer>"
    r"|(?:^|\n)[#*_ ]{0,9}(?:final\s+)?(?:answer|result)[*_]*[ \t]*\n"
    r"|\b(?:answer|ans)(?:\s*\([^()\n]{0,40}\))?[*_]*"
    r"(?:(?:\s+(?:to|for)\s[^\n.:?\"“]{1,80}?)?\s+(?:is|are|(?:would|should|must)\s+be)\b[*_]*(?:\s*:[*_]*)?"
    r"|[ \t]*[:=][*_]*)[ \t]*(?:\([^()\n]{0,40}\):)?",
    re.IGNORECASE,
)
EMPTY = " \t\r\n.*\"'“”‘’_:"
"""What stands behind a mark and is no answer."""
BULLET = re.compile(r"[-*•]\s+")
QUOTED_MARK = re.compile(r"[\"'”’]\s")
PLACEHOLDER = re.compile(r"\W*(?:<[\w ]+>|answer)\W*", re.IGNORECASE)
"""What a model repeats of the prompt's form."""
LEFT_OPEN = re.compile(r"\b(?:answer|is)\W{0,9}<[\w ]{1,40}>\W*$", re.IGNORECASE)
QUOTE = r"[\"“'‘*]+([^\"“”'‘’*\n]{1,80})[\"”'’*]+[.!]?"
QUOTED = re.compile(rf"[^\n]*\bis:?\s+{QUOTE}\s*")
QUOTED_FIRST = re.compile(rf"[^\n]*\bis:?\s+{QUOTE}(?:,[^\n.!?]*[.!]?)?\s*")
FENCE = re.compile(r"```([\w+-]*)[^\S\n]*\n(.*?)(?:```|\Z)", re.DOTALL)
DEFINES = re.compile(r"^\s*(?:async def|def|class|function|fn|func)\b", re.MULTILINE)
THOUGHT = re.compile(r"\A.*</think(?:ing)?>", re.DOTALL)
THINKING = re.compile(r"<think(?:ing)?>(?!.*</think)", re.DOTALL)
TITLES = "[A-Z] Mr Ms Mrs Dr St Mt Ft Lt Sgt Capt Col Gen Prof Rev Sen Gov vs"
SENTENCE = re.compile(
    "".join(rf"(?<!\b{title})" for title in TITLES.split()) + r"[.!?][*_\"')\]]*\s+(?=[A-Z$(\[\\\"'*])"
)
ASKS_PERCENT = re.compile(r"\bwhat percent|\bpercentage\b|how many percent", re.IGNORECASE)
SIGNED = re.compile(
    r"(?:(?:^|[^\w\s)\]]\s?|[A-Za-z]\s)([-−+])|(?:^|[=:(]\s?)([-−+])\s)?((?:US\\?\$|\\?[$€£¥₹])?(?:(?<![\w\s)])[-−+])?)$"
)
ANY = rf"(?:{MAGNITUDE.pattern})"
BEGINS = re.compile(rf"[\s$€£¥₹*(\"'“+−-]*(?:(?:about|approximately|exactly|just|only)\s+)?{ANY}")
COMPUTES = re.compile(r"[^.\n]{0,60}?(?:=|\bis\b|\bequals\b)\s*[$(]*[-−]?\d|\s*(?:[-+*/×÷^]|x\s*\d)")
NUMBER = re.compile(rf"{ANY}(?:\s?(?:[×x*]|\\times|\\cdot)\s?10(?=\s?\^))?(?:\s?\^\s?(?:\{{[-−]?\d+\}}|[-−]?\d+))?")
SEVERAL = re.compile(rf"\W*{ANY}(?:\s?[,:–]\s?|-|\s(?:and|&)\s|(?:\s?[^\W\d]+)?\s(?:or|to)\s)[$€£¥₹]?\d")
"""A list or a range, of which no number is the answer."""
BETWEEN = re.compile(r"\bbetween\s[$€£¥₹]?\d")
AROUND = 24
"""Characters before and behind a number that may belong to it."""
UNIT = re.compile(r"\s?(%|°\s?[CF]\b|[A-Za-zμΩ°]+(?:\s?/\s?[A-Za-z]+)?(?:\s?\^\s?\{?[23]\}?)?)")
CHOSEN = re.compile(
    r"\b(?:option|choice|answer)\s+\(?([A-J])\b|\(([A-Ja-j])\)|\b([B-HJ]|A(?!\s+[a-z])|I(?!\s|['’]))\b(?![’'])",
)


def extract(text: str, answer_type: AnswerType | None = None, *, question: str = "") -> Extracted | None:
    r"""Return the answer that a text ends with, or None where it holds none of that type.

    A text that breaks off, in its thoughts or inside `\boxed{`, holds none. `question`: lists the options of a choice,
    and says where no type is given what is asked for. That is a guess: an answer that is marked, and is no number where
    one was guessed, is read as what it is.
    """
    kind: AnswerType | None = answer_type or infer_type(question)
    percent = kind in {None, "number"} and ASKS_PERCENT.search(question)
    said = THOUGHT.sub("", text, count=1)
    if THINKING.search(said):
        return None
    said = said if kind in WHOLE else said[-LONGEST_TAIL:]
    marked = None if kind in WHOLE else find_marked(said)
    if marked == "":
        return None
    found: list[tuple[str, AnswerType | None]]
    if answer_type is not None or kind != "number" or marked is None:
        found = [(raw, kind) for raw in candidates(said, marked, kind, question)]
    else:
        found = [(raw, kind) for raw in find_number("", marked)]
        elsewhere = [] if stated(said, marked) or numbers(sentence(marked)) else numbers(said)[-1:]
        found += [*((raw, kind) for raw in elsewhere), *((raw, None) for raw in find_text("", marked, None))]
    with allowance():
        for raw, read_as in found:
            meaning = meaning_of(raw, read_as, question=question if read_as == "choice" else "")
            if meaning is not None:
                aliases = meaning.aliases | (percentage(meaning.key) if percent and "%" in raw else set())
                return Extracted(shown(raw, read_as), meaning.key, read_as or "text", tuple(sorted(aliases)))
    return None


def stated(text: str, marked: str) -> bool:
    """Say whether a sign marks an answer, not words alone: 'the answer is not given' gives none."""
    before = text[: text.rfind(marked)].rstrip(" \t\n*_$")
    return before[-1:] in {":", "=", "#", "{"} or f"{marked}</answer>" in text


def percentage(key: str) -> set[str]:
    """Return what 50% may also be written as where a percentage is asked for: 50."""
    return {str(100 * Fraction(key))} if re.fullmatch(r"-?\d+(?:/\d+)?", key) else set()


def shown(raw: str, kind: AnswerType | None) -> str:
    """Return an answer without what decorates it."""
    raw = raw.strip()
    if block := FENCE.fullmatch(raw):
        return block[2].strip("\n").rstrip()
    if kind in WHOLE:
        return raw
    while len(raw) > 1 and raw[0] == raw[-1] and raw[0] in "\"'*`$_" and raw[0] not in raw[1:-1].strip(raw[0]):
        raw = raw[1:-1].strip()
    return raw.strip("*`“”").strip() or raw


def candidates(text: str, marked: str | None, answer_type: AnswerType | None, question: str) -> list[str]:
    """Return what may be the answer, the likeliest first."""
    if answer_type == "code":
        return [find_code(text)]
    if answer_type == "json":
        found = find_json(text)
        return [*([find_code(text)] if "```" in text else []), *([found] if found else []), text]
    if answer_type == "number":
        return find_number(text, marked)
    if answer_type == "choice":
        return find_choice(text, marked, question)
    if answer_type == "math" and marked is None:
        return [*find_maths(text), *find_number(text, marked)]
    return find_text(text, marked, answer_type)


def find_marked(text: str) -> str | None:
    r"""Find what stands in the last \boxed{} or behind the last 'Answer:', '####' or 'the answer is'.

    None: nothing is marked. Empty: the text breaks off in the one mark that is there, or behind it.
    """
    boxed = find_boxed(text)
    if boxed is not None:
        return boxed
    nothing = None
    for found in reversed(list(MARKER.finditer(text))):
        rest = text[found.end() :]
        if found[0].lower() == "<answer>":
            if (inner := rest.partition("</answer>")[0].strip()).strip(EMPTY):
                return inner
            continue
        lines = [line.strip() for line in rest.split("\n", 4)[:4] if line.strip(EMPTY)]
        nothing = "" if not rest.strip(EMPTY) else nothing
        if not lines or PLACEHOLDER.fullmatch(lines[0]) or QUOTED_MARK.match(rest):
            continue
        if lines[0].startswith(("```", "\\[", "$$")):
            return rest.strip() if lines[0][0] == "`" else "\n".join(lines)
        return lines[0] if rest.partition("\n")[0].strip(EMPTY) else BULLET.sub("", lines[0])
    return nothing


def find_boxed(text: str) -> str | None:
    r"""Return the content of the last \boxed{…}, braces balanced; empty where it is not closed."""
    at = max(text.rfind("\\boxed"), text.rfind("\\fbox"))
    if at < 0:
        return None
    opening = text.find("{", at)
    if opening < 0 or text[at:opening].strip() not in {"\\boxed", "\\fbox"}:
        return re.split(r"[\s$]", text[at:].partition(" ")[2], maxsplit=1)[0]
    try:
        return text[opening + 1 : closing(text, opening)].strip()
    except TooDeepError:
        return ""


def sentence(marked: str) -> str:
    """Return the first sentence of a line."""
    return SENTENCE.split(marked, maxsplit=1)[0].strip()


def find_number(text: str, marked: str | None) -> list[str]:
    """Return what is marked where it is a number, else the number in it, else the last one of the text."""
    last = numbers(text)[-1:]
    if marked is None:
        return last
    first = sentence(marked).rstrip(" .!*")
    right = right_side(first)
    if meaning := meaning_of(first, "number"):
        shorter = [*numbers(right)[:1], right]
        same = (said for said in shorter if (other := meaning_of(said, "number")) and other.key == meaning.key)
        return [next(same, first)]
    for said in (first, right):
        if SEVERAL.match(said) or BETWEEN.search(said):
            return []
        if begins_with_number(said):
            return numbers(said)[:1]
    return numbers(first)[-1:] or last


def begins_with_number(said: str) -> bool:
    """Say whether a number stands at the start, and no computation whose result comes behind it."""
    begun = BEGINS.match(said)
    return begun is not None and COMPUTES.match(said, begun.end()) is None


def numbers(text: str) -> list[str]:
    """Return the numbers of a text, each with its sign, currency and unit."""
    found = []
    for number in NUMBER.finditer(text):
        before = text[max(0, number.start() - AROUND) : number.start()]
        after = text[number.end() : number.end() + AROUND]
        signs = SIGNED.search(before)
        sign = "".join(filter(None, signs.groups())) if signs else ""
        unit = UNIT.match(after)
        known = unit and (unit[1] in PLAIN_UNITS or (unit[1] not in AMBIGUOUS and read_unit(unit[1])))
        short = "$" in sign and unit and SHORT_SCALE.fullmatch(unit[0])
        found.append((sign + number[0] + (unit[0] if unit and (known or short) else "")).strip().removesuffix("."))
    return found


PLAIN_UNITS = {"%", "percent", *ROUND}
AMBIGUOUS = {*"in A s m h a d g K N V W J L B l min cal bar mi mole bit".split(), *CURRENCIES}
"""Units that in running text are often words or names."""


def find_choice(text: str, marked: str | None, question: str) -> list[str]:
    """Return the marked choice, else the last letter that stands for one, else the text itself."""
    found = [] if marked is None else [sentence(marked), marked, *letters(marked)[:1]]
    options = options_of(question)
    said = [letter for letter in letters(text) if not options or letter in options]
    lines = [line for line in text.splitlines() if line.strip()]
    return [*found, *said[-1:], *(lines[-1:] if options else []), *([text] if len(text) < 200 else [])]


def letters(text: str) -> list[str]:
    """Return the letters that stand for a choice."""
    return [next(filter(None, found.groups())).upper() for found in CHOSEN.finditer(text)]


def find_code(text: str) -> str:
    """Return the last fenced block that defines something, else the last one, else the whole text.

    Behind a program often stands how to call it.
    """
    head, fence, rest = text.partition("```")
    if fence and text.count(fence) % 2 and DEFINES.search(head) and not DEFINES.search(rest):
        return f"```\n{head}```"  # closed, but not opened: small models take the prompt for the opening
    blocks = list(FENCE.finditer(text))
    blocks = [block for block in blocks if DEFINES.search(block[2])] or blocks
    return f"```{blocks[-1][1]}\n{blocks[-1][2]}```" if blocks else text


def find_maths(text: str) -> list[str]:
    """Return the last formula that is set apart."""
    found = re.findall(r"\$\$?([^$\n]+)\$\$?|\\\[(.+?)\\\]|\\\((.+?)\\\)", text, re.DOTALL)
    return ["".join(found[-1])] if found else []


def find_text(text: str, marked: str | None, answer_type: AnswerType | None) -> list[str]:
    """Return the marked answer, else what a lone sentence says that something is in quotes, else the whole text."""
    if marked is not None:
        quoted = QUOTED.fullmatch("is " + marked)
        return [*([quoted[1]] if quoted else []), sentence(marked), marked]
    if LEFT_OPEN.search(text):
        return []
    quoted = QUOTED_FIRST.fullmatch(text) if answer_type is None else None
    return [quoted[1] if quoted else text.strip()]
