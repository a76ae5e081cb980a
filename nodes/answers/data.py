"""JSON by value: the order of keys and the way a number is written do not count; true is not 1."""

import re
from fractions import Fraction
from json import JSONDecoder, dumps, loads

REFERENCE = re.compile(r"\[\d{1,3}\]")
MOST_TRIES = 64
"""Places of a text at which JSON is looked for."""
LARGEST_POWER = 400


def refused(constant: str) -> object:
    """Refuse NaN and the infinities, which are not JSON."""
    raise ValueError(constant)


def number(digits: str) -> object:
    """Return a number that equals others of its value: whole where it can be, else a reduced fraction.

    Raises:
        ValueError: it is beyond what is compared.

    """
    _, _, power = digits.lower().partition("e")
    if power and abs(int(power)) > LARGEST_POWER:
        raise ValueError(digits)
    value = Fraction(digits)
    if value.denominator == 1:
        return int(value)
    short = float(value)
    return short if Fraction(repr(short)) == value else {"": str(value)}


def json_value(raw: str) -> str | None:
    """Return JSON in one way of writing it; None where it does not parse."""
    try:
        value = loads(raw, parse_float=number, parse_constant=refused)
        return dumps(value, sort_keys=True, ensure_ascii=False)
    except (ValueError, RecursionError, OverflowError):  # also: more digits than Python reads
        return None


def find_json(text: str) -> str | None:
    """Return the last object or array that stands in a text; None where there is none.

    Behind another one `[2]` is a reference.
    """
    decoder = JSONDecoder(parse_constant=refused)
    found, at = None, 0
    for _ in range(MOST_TRIES):
        starts = [place for place in (text.find("{", at), text.find("[", at)) if place >= 0]
        if not starts:
            break
        start = min(starts)
        try:
            _, end = decoder.raw_decode(text, start)
            found = found if found and REFERENCE.fullmatch(text, start, end) else text[start:end]
        except (ValueError, RecursionError):
            end = start + 1
        at = end
    return found
