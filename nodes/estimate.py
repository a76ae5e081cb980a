"""How many tokens prompts and replies may be, where the server does not count them."""

import json
import re
from collections.abc import Sequence

from langchain_core.messages import BaseMessage

from ..state.budget import Usage
from ..state.form import Form
from .ports import Request

WORDS = re.compile(r"[A-Za-z\s]+")


def estimate(messages: Sequence[BaseMessage], request: Request, text: str | None = None) -> Usage:
    """Count tokens by length, where the server does not, but no more than were asked for; without a text just those."""
    read = sum(map(tokens_in, spelled(messages, request.form)))
    written = request.max_tokens if text is None else min(tokens_in(text), request.max_tokens)
    return Usage(input_tokens=read, output_tokens=written, estimated=True)


def tokens_in(text: str) -> int:
    """Count the tokens of a text on the safe side: a word has one for three letters, a digit or a mark is one itself.

    Of other scripts two bytes are one: a Chinese character is one and a half.
    """
    words = sum(map(len, WORDS.findall(text)))
    plain = sum(map(str.isascii, text))
    rest = len(text.encode(errors="surrogatepass")) - plain
    return 1 + words // 3 + (plain - words) + rest // 2


def length(messages: Sequence[BaseMessage], form: Form) -> int:
    """Return the bytes of a prompt."""
    return sum(len(part.encode(errors="surrogatepass")) for part in spelled(messages, form))


def spelled(messages: Sequence[BaseMessage], form: Form) -> list[str]:
    """Return all that a prompt is made of: messages, the calls in them, the tools beside them."""
    parts = [form.spelled]
    for message in messages:
        parts += [str(message.content), *(json.dumps(call, default=str) for call in getattr(message, "tool_calls", ()))]
    return parts
