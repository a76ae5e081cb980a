"""Dates and times of day."""

import re
from datetime import date

from .meaning import Meaning

MONTHS = ("january february march april may june july august september october november december").split()
MONTH = rf"(?P<month>{'|'.join(f'{name[:3]}(?:{name[3:]})?' if len(name) > 3 else name for name in MONTHS)}|sept)\.?"
DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
YEAR = r"(?P<year>\d{4})"
WEEKDAY = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\s+)?"
CLOCK = r"(?P<hour>\d{1,2})(?::(?P<minute>\d{2})(?::(?P<second>\d{2}))?)?\s*(?P<half>[ap]\.?m\.?)?"
SHAPES = [
    re.compile(WEEKDAY + shape + rf"(?:(?:,?\s+(?:at\s+)?|t){CLOCK}z?)?", re.IGNORECASE)
    for shape in (
        rf"(?:the\s+)?{DAY}\s+(?:of\s+)?{MONTH}(?:,?\s+{YEAR})?",
        rf"{MONTH}\s+{DAY}(?:,?\s+{YEAR})?",
        rf"{MONTH},?\s+{YEAR}",
        rf"{YEAR}(?P<sign>[-/.])(?P<number>\d{{1,2}})(?P=sign)(?P<day>\d{{1,2}})",
        r"(?P<first>\d{1,2})(?P<sign>[/.-])(?P<other>\d{1,2})(?P=sign)(?P<year>\d{4})",
    )
]
LONGEST = 60
"""Characters; no date is longer."""
TIME = re.compile(CLOCK, re.IGNORECASE)
NAMED_TIMES = {"noon": "12:00", "midday": "12:00", "midnight": "00:00"}


def moment(text: str) -> Meaning | None:
    """Read a date, a time of day, or both; None for other text, and for a date that may be two: 01/02/2024."""
    if len(text) > LONGEST or text.isdigit():
        return None
    if text.lower() in NAMED_TIMES:
        return Meaning("at " + NAMED_TIMES[text.lower()])
    if (found := TIME.fullmatch(text)) and (found["minute"] or found["half"]):
        hour = clock(found)
        return Meaning("at " + hour) if hour else None
    for shape in SHAPES:
        if found := shape.fullmatch(text):
            day, hour = calendar(found.groupdict()), clock(found)
            if not day or (found["hour"] and (hour is None or not (found["minute"] or found["half"]))):
                return None
            return Meaning(f"{day} {hour}" if hour else day)
    return None


def calendar(parts: dict[str, str | None]) -> str:
    """Return a date by year, month and day, as far as they are said; empty where there is no such day."""
    year, day = int(parts.get("year") or 0), int(parts.get("day") or 0)
    name = parts.get("month")
    month = 1 + [known[:3] for known in MONTHS].index(name[:3].lower()) if name else int(parts.get("number") or 0)
    if parts.get("first"):
        first, other = int(parts["first"] or 0), int(parts["other"] or 0)
        if first > 12 or first == other or parts["sign"] == ".":
            day, month = first, other
        elif other > 12:
            day, month = other, first
        else:
            return ""
    try:
        date(year or 2000, month, day or 1)
    except ValueError:
        return ""
    return "-".join([f"{year:04}" if year else "-", f"{month:02}", *([f"{day:02}"] if day else [])])


def clock(found: re.Match[str]) -> str | None:
    """Return a time of day on 24 hours; None where there is none."""
    if found["hour"] is None:
        return None
    hour, minute, second = (int(found[name] or 0) for name in ("hour", "minute", "second"))
    half = (found["half"] or "").lower().replace(".", "")
    if half and not 1 <= hour <= 12:
        return None
    if half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    if hour > 23 or minute > 59 or second > 59:
        return None
    return f"{hour:02}:{minute:02}" + (f":{second:02}" if second else "")
