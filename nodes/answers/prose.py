"""The normal form of words."""

import re

from .tidy import tidy

ARTICLE = re.compile(r"(?:^(?:the|a|an)|(?<=\s)(?:the|a|an(?=\s)|The))(?=\s)", re.IGNORECASE)
LATER_ARTICLE = re.compile(r"(?<=\s)(?:the|The|an|a)(?=\s\S)")
ABBREVIATED = re.compile(r"\b(?:[a-z]\.){2,}")
DROPPED = re.compile(r"(?<![\w])['\"]|['\"](?!\w)|[,;:!?…\"()\[\]{}`]|\.(?!\d)|(?<!\w)\.(?!\w)")
JOINED = re.compile(r"(?<=\w)[-_/](?=\w)")
YES = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}
"""A question that one model answers with yes, another answers with true."""


def prose(raw: str) -> str | None:
    """Return words without case, articles, quotes and punctuation; None where nothing is left."""
    text = " ".join(tidy(raw).split())
    kept = LATER_ARTICLE.sub("", re.sub(r"^(?:the|a|an)\s+(?=\S)", "", text, flags=re.IGNORECASE))
    low = ABBREVIATED.sub(lambda found: found[0].replace(".", ""), kept.casefold())
    low = re.sub(r"(?<=\w)[-_](?=\w)", " ", low)
    low = " ".join(DROPPED.sub("", low.replace("*", " * ") if low.strip("*") else low).split())
    low = low or "".join(text.casefold().split())
    return YES.get(low, low) or None
