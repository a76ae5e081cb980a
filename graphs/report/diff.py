"""What a revision changed: the words that went and came, between those that stayed."""

import re
from collections.abc import Iterator
from difflib import SequenceMatcher

from .text import shown

WORDS = 1000
"""Above this lines are compared."""
STAYED = 240
"""Characters of a stretch that stayed which are shown on each side."""


def changes(before: str, after: str) -> Iterator[str]:
    """Yield the new text as HTML, with what is gone in `del` and what is new in `ins`."""
    old, new = pieces(before), pieces(after)
    if max(len(old), len(new)) > WORDS:
        old, new = before.splitlines(keepends=True)[:WORDS], after.splitlines(keepends=True)[:WORDS]
    for what, first, last, start, end in SequenceMatcher(None, old, new).get_opcodes():
        if what == "equal":
            yield shortened("".join(new[start:end]))
            continue
        if last > first:
            yield f"<del>{shown(''.join(old[first:last]))}</del>"
        if end > start:
            yield f"<ins>{shown(''.join(new[start:end]))}</ins>"


def pieces(text: str) -> list[str]:
    """Split a text into words, each with the white space behind it."""
    return re.findall(r"\S+\s*|\s+", text)


def shortened(text: str) -> str:
    """Leave out the middle of a long stretch that stayed."""
    if len(text) <= 2 * STAYED:
        return shown(text)
    return f"{shown(text[:STAYED])}<i> … </i>{shown(text[-STAYED:])}"
