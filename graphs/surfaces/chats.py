"""Between LangChain's chats and ponder's problems: messages and settings in, one message out."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import ToolCall

from ...nodes.reply import type_of
from ...state.errors import NoReply, UsageError
from ...state.form import PLAIN, Form
from ...state.run import Answer, Problem
from ...state.settings import Settings, parse_settings
from ..unheard import unheard

ALIASES = {"timeout": "call_timeout", "max_retries": "retries"}
"""LangChain's name for a setting -> ours."""
FORM = {"tools", "tool_choice", "parallel_tool_calls", "response_format", "strict"}


def form_of(stop: Sequence[str] | None, asked: Mapping[str, Any]) -> Form:
    """Read the form of a reply off the keywords that OpenAI's API has for it."""
    choice = asked.get("tool_choice")
    if isinstance(choice, Mapping):
        choice = choice.get("function", {}).get("name") or choice.get("type")
    if isinstance(choice, bool):
        choice = "any" if choice else None
    return Form(
        tools=list(asked.get("tools") or []),
        tool_choice=choice,
        parallel_tool_calls=asked.get("parallel_tool_calls"),
        output_schema=schema_of(asked.get("response_format")),
        stop=list(stop or []),
    )


def schema_of(response_format: object) -> dict[str, Any] | None:
    """Return the JSON Schema that a `response_format` asks for; None where it asks for text."""
    if response_format is None:
        return None
    kind = response_format.get("type") if isinstance(response_format, Mapping) else None
    if kind == "json_schema" and isinstance(response_format, Mapping):
        schema = response_format.get("json_schema", {}).get("schema")
        if isinstance(schema, Mapping):
            return dict(schema)
    if kind in {"text", "json_object"}:
        return {"type": "object"} if kind == "json_object" else None
    raise UsageError(f"response_format {response_format!r} is unknown: give text, json_object or json_schema")


def settings_of(asked: Mapping[str, Any], hidden: Collection[str] = ()) -> Settings:
    """Read settings off the keywords of a call; those of its form are no settings, and hidden ones no error names.

    Raises:
        UsageError: a keyword is unknown, or its value cannot be used.

    """
    named = {ALIASES.get(name, name): value for name, value in asked.items() if name not in FORM}
    return parse_settings(hidden, **{name: value for name, value in named.items() if value is not None})


def problem_of(messages: Sequence[BaseMessage], form: Form = PLAIN) -> Problem:
    """Return what a chat asks.

    A question whose kind of answer can be told is asked in several ways and ends in a line with the answer. Any other
    chat goes to the model as it stands.

    Raises:
        UsageError: a tool's result answers no call, or a call has none.

    """
    check_chat(messages)
    asked = next((item for item in reversed(messages) if isinstance(item, HumanMessage) and item.text.strip()), None)
    text = str(asked.text) if asked else "What the chat above asks."
    plain = asked is not None and asked is messages[-1] and isinstance(asked.content, str) and not form.tools
    about = Problem(text=text, form=form)
    if plain and is_comparable(about):
        kind = type_of(about)
        # That it is a number stays a guess, which is made again where the answer is read.
        guessed = {"messages": list(messages[:-1]), "answer_type": None if kind == "number" else kind}
        return about.model_copy(update=guessed)
    return about.model_copy(update={"messages": list(messages), "verbatim": True})


def policy_for(problem: Problem, pool: object) -> str:
    """Return the policy of a chat that names none: replies that cannot be compared have no majority."""
    return "adaptive" if pool == "cascade" or is_comparable(problem) else "direct"


def is_comparable(problem: Problem) -> bool:
    """Say whether two replies can be found equal: there are tools, a schema, or a kind of answer."""
    return bool(problem.form.tools) or type_of(problem) is not None


def check_chat(messages: Sequence[BaseMessage]) -> None:
    """Refuse a chat in which calls and results do not match, as every provider would."""
    if not messages:
        raise UsageError("the chat is empty: give at least one message")
    open_calls: set[str] = set()
    for message in messages:
        if isinstance(message, ToolMessage):
            if message.tool_call_id not in open_calls:
                raise UsageError(f"tool message {message.tool_call_id!r} answers no call before it")
            open_calls.discard(message.tool_call_id)
        elif open_calls:
            break
        elif isinstance(message, AIMessage):
            open_calls = {str(call["id"]) for call in message.tool_calls}
    if open_calls:
        raise UsageError(f"tool call {min(open_calls)!r} has no result: put a tool message behind it")


def message_of(answer: Answer, problem: Problem, model: str) -> AIMessage:
    """Return an answer as the reply of one chat model, with the tokens of all its calls.

    Raises:
        NoReply: no call has brought anything.

    """
    if not answer.text and not answer.tool_calls:
        raise NoReply(unheard(answer) or f"no call brought a text ({answer.stopped_because})")
    schema = problem.form.output_schema
    written = answer.answer if schema is not None and answer.answer and not answer.tool_calls else answer.text
    finish = next((item.finish for item in answer.candidates if item.text == answer.text and not item.error), "stop")
    reason = "tool_calls" if answer.tool_calls else finish
    return AIMessage(
        written,
        tool_calls=[ToolCall(name=call["name"], args=call["args"], id=call["id"]) for call in answer.tool_calls],
        usage_metadata=usage_of(answer),
        response_metadata={"model_name": model, "finish_reason": reason, "ponder": about(answer)},
    )


def usage_of(answer: Answer) -> UsageMetadata:
    """Count the tokens of every call of a run."""
    spent = answer.spent
    return UsageMetadata(
        input_tokens=spent.input_tokens,
        output_tokens=spent.output_tokens,
        total_tokens=spent.input_tokens + spent.output_tokens,
        input_token_details=InputTokenDetails(cache_read=spent.cached_tokens),
        output_token_details=OutputTokenDetails(reasoning=spent.reasoning_tokens),
    )


def about(answer: Answer) -> dict[str, Any]:
    """Say how the answer was found."""
    told = answer.model_dump(mode="json", include={"confidence", "decided_by", "stopped_because", "spent"})
    return told | {"answer": answer.answer, "route": [visit.branch for visit in answer.route]}


def arguments(call: Mapping[str, Any]) -> str:
    """Write the arguments of a call as OpenAI's API and LangChain's chunks do."""
    return json.dumps(call["args"])
