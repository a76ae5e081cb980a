"""Numbers in digits, as people write them: separators, fractions, mixed numbers, powers of ten."""

import re
from fractions import Fraction

LONGEST_NUMBER = 400
"""Characters; longer runs of digits are text."""
LARGEST_POWER = 400
"""Decimal exponent; beyond, a number stays as it is written."""

COMMA = r"\d{1,3}(?:(?:,\d{3})+|(?:['_]\d{3})+)(?:\.\d+)?"
SPACE = r"\d{1,3}(?: \d{3})+(?:[.,]\d+)?"
DOT = r"\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,}"
GROUPED = re.compile(rf"{COMMA}|(?P<space>{SPACE})|(?P<dot>{DOT})")
"""Thousands set apart. A single comma or dot before other than three digits is not one of these: 1,5 is a list."""
PLAIN = rf"(?:{DOT}|{COMMA}|{SPACE}(?!\d|\s?/)|\d+(?:\.\d+)?\.?(?!\d)|\.\d+)"
POWER = r"(?:[eE](?P<power>[-+]?\d{1,3})|\s?[*x]\s?10\s?\^\s?\(\s?(?P<ten>[-+]?\d{1,3})\s?\))"
MAGNITUDE = re.compile(
    rf"(?P<whole>\d+)(?:\s|\s?-\s?|\s?(?:and|&)\s)(?P<top>\d+)\s?/\s?(?P<bottom>\d+)(?![\d/])"
    rf"|(?P<number>{PLAIN}){POWER}?(?:\s?/\s?(?P<under>{PLAIN})(?![\d/]))?"
)
SURE_DIGITS = 10
"""Digits behind the point from which a decimal is taken for a fraction cut off: 0.3333333333 is 1/3, 0.333 is not."""
FLOAT_DIGITS = 15
"""Significant digits from which a decimal is taken for a float, whose last digits are noise."""
LARGEST_DENOMINATOR = 1000


def read_magnitude(found: re.Match[str]) -> Fraction | None:
    """Return the value of a match of MAGNITUDE; None where it divides by zero or is too large."""
    if len(found[0]) > LONGEST_NUMBER:
        return None
    if found["whole"]:
        bottom = int(found["bottom"])
        return int(found["whole"]) + Fraction(int(found["top"]), bottom) if bottom else None
    value = decimal(found["number"])
    if power := found["power"] or found["ten"]:
        exponent = int(power)
        if abs(exponent) > LARGEST_POWER:
            return None
        value *= Fraction(10) ** exponent
    if found["under"]:
        bottom_value = decimal(found["under"])
        return value / bottom_value if bottom_value else None
    return value


def decimal(digits: str) -> Fraction:
    """Return the value of digits with or without separators."""
    if grouped := GROUPED.fullmatch(digits):
        if grouped["dot"]:
            digits = digits.replace(".", "").replace(",", ".")
        elif grouped["space"]:
            digits = digits.replace(" ", "").replace(",", ".")
        else:
            digits = re.sub("[,'_]", "", digits)
    whole, _, part = digits.rstrip(".").partition(".")
    exact = Fraction(int((whole or "0") + part), 10 ** len(part))
    return meant(exact, len(part), len((whole + part).lstrip("0")))


def meant(value: Fraction, places: int, significant: int) -> Fraction:
    """Return the simple fraction that a long decimal stands for, else the decimal."""
    if places < SURE_DIGITS:
        return value
    near = value.limit_denominator(LARGEST_DENOMINATOR)
    if significant >= FLOAT_DIGITS and abs(near - value) <= abs(value) / 10**FLOAT_DIGITS:
        return near
    shifted = near * 10**places
    return near if value * 10**places in {int(shifted), round(shifted)} else value
