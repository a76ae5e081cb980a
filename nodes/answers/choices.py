"""Choices: by letter, by the text of the option, or by both."""

import re
from collections.abc import Mapping
from functools import lru_cache

from .meaning import Meaning
from .prose import prose
from .tidy import plain, tidy

Options = Mapping[str, str]
"""Letter -> the text of the option."""

TAG = re.compile(r"(?<!\S)[*_]*\(?([A-J])[).:][*_]*\s+")
"""What stands before an option."""
LONE = re.compile(
    r"(?:(?:the\s+)?(?:option|choice|answer|letter)\s*)?[*_(\[]*\s*([A-Za-z])\s*[)\].:*_]*", re.IGNORECASE
)
LETTERED = re.compile(
    r"(?:(?:the\s+)?(?:option|choice|answer)\s+)?[*_(\[]*([A-Ja-j])(?:[*_]*[)\].:][*_]*\s*|\s+[-–—:]\s+)(\S.*)",
    re.IGNORECASE | re.DOTALL,
)
SEVERAL = re.compile(r"\(?[A-J]\)?(?:\s*(?:,|and|&|,\s*and)\s*\(?[A-J]\)?)+", re.IGNORECASE)
MARKED = re.compile(r"\b([A-J])\b(?![’'])")


@lru_cache(maxsize=256)
def options_of(question: str) -> Options:
    """Return the options that a question lists as A), B) and so on; none where there are not at least two from A on."""
    pieces = TAG.split(question)[1:]
    lines = zip(pieces[::2], (piece.partition("\n")[0].strip() for piece in pieces[1::2]), strict=True)
    found = {letter: line for letter, line in lines if line}
    letters = sorted(found)
    return found if len(letters) > 1 and letters == [chr(ord("A") + index) for index in range(len(letters))] else {}


def choice(raw: str, options: Options) -> Meaning | None:
    """Return the meaning of a choice; None where there is none.

    With the question's options a text is its letter; without, `B. Paris` is `B` and may be `Paris`.
    """
    text = plain(tidy(raw))
    if lone := LONE.fullmatch(text):
        letter = lone[1].upper()
        return Meaning(letter) if not options or letter in options else None
    if several := SEVERAL.fullmatch(text.upper()):
        return Meaning(",".join(sorted(set(MARKED.findall(several[0])))))
    lettered = LETTERED.fullmatch(text)
    if lettered and (not options or lettered[1].upper() in options):
        said = prose(lettered[2])
        return Meaning(lettered[1].upper(), frozenset({said} if said and not options else ()))
    return by_text(text, options) or mentioned(text, options)


def by_text(text: str, options: Options) -> Meaning | None:
    """Return the letter of the one option with this text; without options the text itself."""
    said = prose(text)
    if not options:
        return Meaning(said) if said and not MARKED.search(text) else None
    letters = [letter for letter, option in options.items() if prose(option) == said]
    return Meaning(letters[0]) if len(letters) == 1 else None


def mentioned(text: str, options: Options) -> Meaning | None:
    """Return the letter that stands alone in a text."""
    letters = {letter for letter in MARKED.findall(text) if not options or letter in options}
    if len(letters) > 1 and re.search(r"\bA [a-z]|\bI\b", text):
        letters -= {"A", "I"}
    return Meaning(letters.pop()) if len(letters) == 1 else None


def lettered(text: str) -> Meaning | None:
    """Read a lone letter or a lettered text where nothing says that it is a choice."""
    if lone := LONE.fullmatch(text):
        return Meaning(lone[1].casefold())
    found = LETTERED.fullmatch(text)
    if found is None or (not found[1].isupper() and not re.match(r"\(?[a-j]\)", text)):
        return None
    said = prose(found[2])
    letter = found[1].casefold()
    return Meaning(f"{letter}. {said}", frozenset({letter, said})) if said else None
