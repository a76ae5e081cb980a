"""The tokens that a server reports: read where they can be, not believed where they cannot be true."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from ...state.budget import Usage
from ..estimate import estimate, length
from ..ports import Request

GENEROUS = 10
"""Times what a request can cost by its length: a server's own prompts and hidden reasoning count as well."""
HIDDEN = 10_000
"""Tokens allowed on top of that."""


def number(value: object) -> float | None:
    """Return a finite number; None where it is none, or larger than any that is measured."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def count(value: object) -> int | None:
    """Return a number of tokens; None where it is none."""
    found = number(float(value) if isinstance(value, str) and value.isdecimal() else value)
    return int(found) if found is not None and found >= 0 and found.is_integer() else None


def reported(usage: object) -> Usage | None:
    """Read the `usage` of a chat completion; None where it is missing or nonsense."""
    told = usage if isinstance(usage, Mapping) else {}
    read, written = (
        next((number for name in names if (number := count(told.get(name))) is not None), None)
        for names in (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens"))
    )
    total = count(told.get("total_tokens"))
    if written is None and read is not None and total is not None:
        written = total - read
    if read is None or written is None or written < 0:
        return None
    cached = count(detail(told, "prompt_tokens_details", "cached_tokens")) or 0
    reasoning = count(detail(told, "completion_tokens_details", "reasoning_tokens")) or 0
    if total == read + written + reasoning:  # some servers count reasoning beside the completion, and charge for both
        written += reasoning
    return tokens(read, written, reasoning, cached)


def as_reported(usage: Usage) -> dict[str, Any]:
    """Write a usage in the form that LangChain reads."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def detail(told: Mapping[str, Any], group: str, name: str) -> object:
    """Return one of the numbers that stand a level deeper."""
    details = told.get(group)
    return details.get(name) if isinstance(details, Mapping) else None


def tokens(read: int, written: int, reasoning: int, cached: int) -> Usage | None:
    """Make the usage of a call; none at all is no report."""
    if not read + written:
        return None
    return Usage(
        input_tokens=read,
        output_tokens=written,
        reasoning_tokens=min(reasoning, written),
        cached_tokens=min(cached, read),
    )


def usage_of(message: AIMessage) -> Usage | None:
    """Read the tokens of a LangChain message; None where there are none or nonsense."""
    told: Mapping[str, Any] = message.usage_metadata or {}
    read, written = count(told.get("input_tokens")), count(told.get("output_tokens"))
    if read is None or written is None:
        return None
    reasoning = count(detail(told, "output_token_details", "reasoning")) or 0
    return tokens(read, written, reasoning, count(detail(told, "input_token_details", "cache_read")) or 0)


def believable(usage: Usage | None, messages: Sequence[BaseMessage], request: Request, text: str = "") -> Usage | None:
    """Return a usage that the request can have cost; one far above that is its worst case, and of nothing none."""
    if usage is None or (text and not usage.output_tokens):
        return None
    most = GENEROUS * (length(messages, request.form) + request.max_tokens) + HIDDEN
    return usage if usage.input_tokens + usage.output_tokens <= most else estimate(messages, request)
