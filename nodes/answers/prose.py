"""The normal form of words."""

import re

from .tidy import tidy

LATER_ARTICLE = re.compile(r"(?<=\s)(?:the|The|an|a)(?=\s\S)")
ABBREVIATED = re.compile(r"\b(?:[a-z]\.){2,}")
DROPPED = re.compile(r"(?<![\w])['\"]|['\"](?!\w)|(?<=\d),(?=\d{3}\b)|[!?\"`]|\.(?!\d)|(?<!\w)\.(?!\w)")
BETWEEN = re.compile(r"(?<=\w)[-_](?=\w)|[,;:…()\[\]{}]")
"""What parts words as a space does."""
SPELLED = re.compile(r"[^\W\d_](?:(?:-|,? )[^\W\d_]){2,}")
"""A word letter by letter, in which `a` is no article."""
YES = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}
"""A question that one model answers with yes, another answers with true."""


def prose(raw: str) -> str | None:
    """Return words without case, articles, quotes and punctuation; None where nothing is left."""
    text = " ".join(tidy(raw).split())
    if SPELLED.fullmatch(text):
        return " ".join(re.split(r"\W+", text.casefold()))
    kept = LATER_ARTICLE.sub("", re.sub(r"^(?:the|a|an)\s+(?=\S)", "", text, flags=re.IGNORECASE))
    low = ABBREVIATED.sub(lambda found: found[0].replace(".", ""), kept.casefold())
    low = " ".join(BETWEEN.sub(" ", DROPPED.sub("", low)).split())
    low = low or "".join(text.casefold().split())
    return YES.get(low, low) or None
