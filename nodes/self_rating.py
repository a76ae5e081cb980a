"""How sure a model says it is of its answer, in a line of its reply: read, and taken out of the text.

CISC (Taubenfeld et al. 2025, arXiv:2502.06233) weights votes with it where a server gives no log-probabilities. Nobody
who compares candidates is to see it: what a solution says of itself is no reason.
"""

import re

LINE = re.compile(
    r"\W*confidence(?: level| score)?\W*(\d{1,3}(?:\.\d{1,4})?)\s?(%|/\s?100|percent|out of 100)?\W*", re.IGNORECASE
)
LONGEST = 60
"""Characters of such a line."""


def self_rating(text: str) -> tuple[str, float | None]:
    """Return the text without the lines that rate it, and the last rating, 0 to 1; None where there is none."""
    lines = text.splitlines(keepends=True)
    found = [LINE.fullmatch(line.strip()) if len(line) <= LONGEST else None for line in lines]
    ratings = [share(match[1], match[2]) for match in found if match]
    if not ratings:
        return text, None
    return "".join(line for line, match in zip(lines, found, strict=True) if not match).rstrip(), ratings[-1]


def share(digits: str, unit: str | None) -> float | None:
    """Return percent as a share; 0.9 without a unit is one already."""
    value = float(digits)
    value = value if "." in digits and value <= 1 and not unit else value / 100
    return value if value <= 1 else None
