"""Read off a question what type of answer it asks for."""

import re

from ...state.run import AnswerType

ASKS_NUMBER = re.compile(
    r"\bhow (?:many|much|old|far|long)\b[^.!\n]*\?"
    r"|(?:^|[.!?:,;]\s+|\b(?:and|then|please)\s+)(?:calculate|compute|(?:evaluate|find|determine)\b(?=[^.?\n]*\d))\b"
    r"|\bsum of\b|\bwhich number\b|\bwhat(?:'s| is)[\d\s()+*/×÷^−-]+\?"
    r"|\d\s*[+*×÷^]\s*\d|(?<!\b\d{4})(?<=\d)\s+[-−/]\s+\d"
    r"|\d\s+(?:times|plus|minus|divided by)\s+\d",
    re.IGNORECASE,
)
CHOICES = [re.compile(rf"^[ \t]*\(?{letter}[).:]\s", re.MULTILINE) for letter in "AB"]
ASKS_CODE = re.compile(r"\b(?:write|implement|complete)\b.{0,40}\b(?:function|program|class)\b", re.IGNORECASE)


def infer_type(question: str) -> AnswerType | None:
    """Read off a problem what its answer looks like; None where that is open."""
    first, second = CHOICES
    if (begun := first.search(question)) and second.search(question, begun.end()):
        return "choice"
    if ASKS_CODE.search(question):
        return "code"
    return "number" if ASKS_NUMBER.search(question) else None
