"""Numbers in English words."""

import re
from fractions import Fraction

SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
ONES = {word: number for number, word in enumerate(SMALL.split())}
TENS = {
    word: 10 * number
    for number, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2)
}
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
ROUND = {"dozen": 12, "hundred": 100, **SCALES}
"""Words that multiply the number before them."""
PART = {"third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "tenth": 10}
PARTS = {"half": 2, "halves": 2, **PART, **{f"{name}s": number for name, number in PART.items()}}
GAP = re.compile(r"\s*-\s*|,?\s+")
LONE = re.compile(rf"(?:a\s+)?(half|quarter|third|{'|'.join(ROUND)})\b")
WORD = re.compile(r"[a-z]+")


def read_words(text: str) -> tuple[Fraction, str] | None:
    """Return the number that a text begins with, in words, and what follows it."""
    low = text.lower()
    found = whole(low)
    if found is None:
        return None
    value, end = found
    rest = low[end:]
    if (part := re.match(r"[\s-]+([a-z]+)\b", rest)) and part[1] in PARTS and value:
        return value / PARTS[part[1]], text[end + part.end() :]
    if plus := re.match(r"\s+and\s+", rest):
        extra = fraction(rest[plus.end() :])
        if extra:
            return value + extra[0], text[end + plus.end() + extra[1] :]
    return value, text[end:]


def fraction(low: str) -> tuple[Fraction, int] | None:
    """Return a part such as 'a half' or 'three quarters', and where it ends."""
    found = re.match(r"([a-z]+)[\s-]+([a-z]+)\b", low)
    if not found or found[2] not in PARTS or found[1] not in {"a", *ONES}:
        return None
    return Fraction(ONES.get(found[1], 1), PARTS[found[2]]), found.end()


def whole(low: str) -> tuple[Fraction, int] | None:
    """Return the whole number that a text begins with, or a word for one such as 'half', and where it ends."""
    if begun := LONE.match(low):
        word = begun[1]
        if word in PARTS:
            return None if re.match(r"\s+of\b", low[begun.end() :]) else (Fraction(1, PARTS[word]), begun.end())
        alone = word != "dozen" and begun[0] == word
        return None if alone else (Fraction(ROUND[word]), begun.end())
    total = group = end = at = 0
    last = ""
    while word_found := WORD.match(low, at):
        name = word_found[0]
        counted = added(name, last, group, total)
        if counted is None:
            break
        group, total = counted
        last = name
        if name != "and":
            end = word_found.end()
        gap = GAP.match(low, word_found.end())
        if not gap:
            break
        at = gap.end()
    return (Fraction(total + group), end) if end else None


def added(name: str, last: str, group: int, total: int) -> tuple[int, int] | None:
    """Return the hundreds being counted and the thousands done after one more word; None where it does not go on."""
    opens = last in {"", "hundred", "and", *SCALES}
    if name in ONES and (opens or (last in TENS and 0 < ONES[name] < 10)):
        return group + ONES[name], total
    if name in TENS and opens:
        return group + TENS[name], total
    if name == "hundred" and 0 < group < 100 and last in {*ONES, *TENS}:
        return group * 100, total
    if name in SCALES and group and (not total or (total % SCALES[name] == 0 and total > SCALES[name])):
        return 0, total + group * SCALES[name]
    return (group, total) if name == "and" and last in {"hundred", *SCALES} else None
