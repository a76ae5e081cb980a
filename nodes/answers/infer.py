"""Read off a question what type of answer it asks for."""

import re

from ...state.run import AnswerType

ASKS_NUMBER = re.compile(
    r"how (?:many|much|old|far|long)|calculate|compute|evaluate|\bsum\b|which number|\d\s*[-+*/×^]\s*\d"
    r"|\d\s+(?:times|plus|minus|divided by)\s+\d",
    re.IGNORECASE,
)
ASKS_CHOICE = re.compile(r"(?:^|\n)\s*\(?A[).:]\s.*\n\s*\(?B[).:]\s", re.DOTALL)
ASKS_CODE = re.compile(r"\b(?:write|implement|complete)\b.{0,40}\b(?:function|program|class)\b", re.IGNORECASE)


def infer_type(question: str) -> AnswerType | None:
    """Read off a problem what its answer looks like; None where that is open."""
    if ASKS_CHOICE.search(question):
        return "choice"
    if ASKS_CODE.search(question):
        return "code"
    return "number" if ASKS_NUMBER.search(question) else None
