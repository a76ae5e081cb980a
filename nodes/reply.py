"""Read the answer off a reply, as it was asked for: tool calls, an object of a schema, or words."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from ..state.budget import Usage
from ..state.errors import UsageError
from ..state.form import Form
from ..state.run import AnswerType, Finish, Problem, Reply
from .answers import Extracted, extract, infer_type
from .schemas import breaches, validator

IN_WORDS = "in words"
"""The one answer that all replies in free words are, where a tool could have been called: a vote on what to do."""
Schema = Mapping[str, Any]
FIELDS = {"text": str, "usage": Usage | None, "mean_logprob": float | int | None, "model": str, "tool_calls": list}
"""Of a reply."""
DEEPEST = 100
"""Levels of a tool call's arguments; what a checkpoint is written with fails at some 250, with those around them."""


def type_of(problem: Problem) -> AnswerType | None:
    """Return what the answer looks like."""
    if problem.form.output_schema is not None:
        return "json"
    return problem.answer_type or infer_type(problem.text)


def answer_in(text: str, tool_calls: Sequence[Schema], problem: Problem) -> tuple[Extracted | None, str]:
    """Return the answer that a whole reply holds; or none, and what is wrong with the reply where it can be said."""
    form = problem.form
    if tool_calls:
        return called(tool_calls, form)
    if form.must_call:
        return None, f"no tool was called: call {' or '.join(form.names)}"
    found = extract(text, "json" if form.output_schema is not None else problem.answer_type, question=problem.text)
    if form.output_schema is not None:
        return meeting(found, form.output_schema)
    if form.tools and type_of(problem) in {None, "text"} and text.strip():
        return Extracted(text, IN_WORDS, "text"), ""
    return found, ""


def called(calls: Sequence[Schema], form: Form) -> tuple[Extracted | None, str]:
    """Return calls as an answer: names and arguments, whatever their order; none where a tool cannot take them."""
    for call in calls:
        if call["name"] not in form.names:
            return None, f"there is no tool {call['name']!r}: call {' or '.join(form.names) or 'none'}"
        if wrong := breach(call["args"], parameters_of(call["name"], form)):
            return None, f"tool {call['name']!r} cannot take its arguments: {wrong}"
    plain = [{"tool": call["name"], "arguments": call["args"]} for call in calls]
    return Extracted(json.dumps(plain), canonical(plain), "json"), ""


def canonical(calls: Sequence[object]) -> str:
    """Write calls so that equal ones are equal strings: 2.0 is 2, and neither keys nor calls have an order."""
    plain: list[object] = json.loads(json.dumps(calls), parse_float=number)
    return json.dumps(sorted(json.dumps(call, sort_keys=True) for call in plain))


def number(digits: str) -> float:
    """Read a number of JSON, as an integer where it is one."""
    value = float(digits)
    return int(value) if value.is_integer() else value


def parameters_of(name: str, form: Form) -> Schema:
    """Return the schema of a tool's arguments."""
    tool = next((tool for tool in form.tools if tool.get("function", {}).get("name") == name), {})
    parameters: Schema | None = tool.get("function", {}).get("parameters")
    return parameters or {}


def meeting(found: Extracted | None, schema: Schema) -> tuple[Extracted | None, str]:
    """Hold an object against its schema."""
    if found is None:
        return None, "no JSON was found"
    wrong = breach(json.loads(found.raw), schema)
    return (None, wrong) if wrong else (found, "")


def breach(value: object, schema: Schema) -> str:
    """Say how a value breaks a JSON Schema first; empty where it meets it."""
    return next(breaches(value, schema), "")


def check_form(form: Form) -> None:
    """Refuse schemas that are none, and a choice of a tool that is not there.

    Raises:
        UsageError: they cannot be used.

    """
    for schema in [form.output_schema, *(parameters_of(name, form) for name in form.names)]:
        if schema:
            validator(json.dumps(schema))
    if form.tool_choice not in {None, "auto", "none", "any", "required", *form.names}:
        known = ", ".join(form.names) or "auto, as there are no tools"
        raise UsageError(f"tool_choice {form.tool_choice!r} is unknown: choose {known}")


def checked(reply: object) -> Reply:
    """Return what a model has returned.

    Raises:
        TypeError: it is no reply, or one that cannot be kept; says what.

    """
    if not isinstance(reply, Reply):
        raise TypeError(f"it returned {repr(reply)[:80]}, which is no Reply")
    for name, kind in FIELDS.items():
        if not isinstance(value := getattr(reply, name), kind):
            raise TypeError(f"the {name} of its Reply is {repr(value)[:80]}")
    if reply.finish not in get_args(Finish):
        raise TypeError(f"the finish of its Reply is {reply.finish!r}: give {', '.join(get_args(Finish))}")
    for call in reply.tool_calls:
        if not (isinstance(call, dict) and isinstance(call.get("name"), str) and isinstance(call.get("args"), dict)):
            raise TypeError(f"a tool call of its Reply is {repr(call)[:80]}: give name and args")
    json.dumps(reply.tool_calls)
    if is_deep(reply.tool_calls):
        raise TypeError(f"a tool call of its Reply nests more than {DEEPEST} levels deep: that cannot be kept")
    return reply


def is_deep(value: object) -> bool:
    """Say whether a value nests deeper than can be kept."""
    layer = [value]
    for _ in range(DEEPEST):
        if not layer:
            return False
        layer = [inner for item in layer for inner in parts(item)]
    return bool(layer)


def parts(value: object) -> Iterable[object]:
    """Return what stands in a list or an object."""
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple) else ()
