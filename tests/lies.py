"""How servers of OpenAI's chat API lie: each takes the body of a true completion and makes of it what is sent."""

import json
from collections.abc import Callable
from typing import Any

Body = dict[str, Any]


def clean(body: Body) -> Body:
    """Tell no lie."""
    return body


def without(*path: str | int) -> Callable[[Body], Any]:
    """Leave a field out."""

    def lie(body: Body) -> Any:
        inner: Any = body
        for key in path[:-1]:
            inner = inner[key]
        del inner[path[-1]]
        return body

    return lie


def replaced(value: Any, *path: str | int) -> Callable[[Body], Any]:
    """Put something else into a field."""

    def lie(body: Body) -> Any:
        inner: Any = body
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        return body

    return lie


CALL = {"id": "1", "type": "function", "function": {"name": "add", "arguments": "{"}}
MESSAGE = ("choices", 0, "message")
LIES: dict[str, Callable[[Body], Any]] = {
    "no usage": without("usage"),
    "null usage": replaced(None, "usage"),
    "negative usage": replaced({"prompt_tokens": -5, "completion_tokens": 3, "total_tokens": -2}, "usage"),
    "absurd usage": replaced({"prompt_tokens": 10**9, "completion_tokens": 10**9, "total_tokens": 2 * 10**9}, "usage"),
    "usage of words": replaced({"prompt_tokens": "many", "completion_tokens": None}, "usage"),
    "usage of nothing": replaced({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, "usage"),
    "no text": replaced(None, *MESSAGE, "content"),
    "a number as text": replaced(7, *MESSAGE, "content"),
    "parts": lambda body: replaced(
        [{"type": "text", "text": body["choices"][0]["message"]["content"]}], *MESSAGE, "content"
    )(body),
    "tool calls": replaced({"role": "assistant", "content": None, "tool_calls": [CALL]}, *MESSAGE),
    "odd tool calls": replaced({"content": None, "tool_calls": "add", "function_call": 1}, *MESSAGE),
    "calls with reasoning": replaced({"content": None, "reasoning": "I call.", "tool_calls": [CALL]}, *MESSAGE),
    "a delta": lambda body: replaced({"delta": body["choices"][0]["message"]}, "choices", 0)(body),
    "no role": without(*MESSAGE, "role"),
    "no finish": without("choices", 0, "finish_reason"),
    "odd finish": replaced("tired", "choices", 0, "finish_reason"),
    "a number as finish": replaced(3, "choices", 0, "finish_reason"),
    "no choices": without("choices"),
    "empty choices": replaced([], "choices"),
    "null choices": replaced(None, "choices"),
    "choices of words": replaced(["Answer: 2"], "choices"),
    "no message": replaced({"index": 0}, "choices", 0),
    "null message": replaced(None, *MESSAGE),
    "more choices": lambda body: replaced(body["choices"] * 3, "choices")(body),
    "odd logprobs": replaced(
        {"content": [None, {"logprob": "low"}, 3, {"logprob": float("nan")}]}, "choices", 0, "logprobs"
    ),
    "reasoning only": lambda body: replaced(
        {"role": "assistant", "content": "", "reasoning_content": body["choices"][0]["message"]["content"]}, *MESSAGE
    )(body),
    "refusal": replaced({"role": "assistant", "content": None, "refusal": "I will not add."}, *MESSAGE),
    "an error in a choice": replaced({"error": {"message": "overloaded"}}, "choices", 0),
    "an error that succeeds": lambda body: {"error": {"message": "overloaded", "code": "busy"}},
    "a 429 that succeeds": lambda body: {"error": {"message": "slow down", "code": 429}},
    "a list": lambda body: [body],
    "a word": lambda body: "yes",
    "null": lambda body: None,
    "an empty object": lambda body: {},
    "html": lambda body: b"<html><title>Sign in</title><body>Please sign in.</body></html>",
    "half a json": lambda body: json.dumps(body).encode()[:-9],
    "nothing": lambda body: b"",
    "no utf-8": lambda body: b'{"choices": "\xff\xfe"}',
    "deep": lambda body: b"[" * 100_000,
}
HONEST = {
    *("no text", "a number as text", "parts", "tool calls", "odd tool calls", "no role", "no finish", "odd finish"),
    *("a number as finish", "no choices", "empty choices", "null choices", "choices of words", "no message"),
    *("null message", "more choices", "odd logprobs", "reasoning only", "refusal"),
    *("calls with reasoning", "a delta", "an error in a choice"),
}
"""Lies that report the usage as it is."""
