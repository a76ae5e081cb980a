"""OpenAI's chat completions as they come and go over the wire."""

import json
from collections.abc import Sequence
from typing import Any, Literal

from langchain_core.messages import BaseMessage
from langchain_core.messages.utils import convert_to_messages
from pydantic import BaseModel, ConfigDict, Field

from ...nodes.reply import check_form
from ...state.budget import Spent
from ...state.errors import UsageError
from ...state.form import Form
from ...state.run import Answer, Problem
from ...state.settings import Effort, Settings
from ..branches import BRANCHES
from ..branches.parallel import WIDEST_WINDOW
from .chats import about, arguments, form_of, message_of, policy_for, problem_of, settings_of

POLICIES = ("adaptive", "cumulative", "fixed", *BRANCHES)
EFFORTS: tuple[str, ...] = Effort.__args__  # type: ignore[attr-defined]
MODELS = ("ponder", *(f"ponder/{name}" for name in (*EFFORTS, *POLICIES)))
"""The names that a request may have for its model: an effort, a policy, or neither."""
MOST_CHOICES = 16
NO_EFFECT: dict[str, Any] = {
    "top_p": 1,
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "logprobs": False,
    "top_logprobs": 0,
    "logit_bias": {},
    "modalities": ["text"],
    "functions": [],
    "function_call": None,
}
"""Fields of OpenAI's that ponder has nothing for: with these values they change nothing, with others it says so."""
OPERATORS = {"concurrency", "requests_per_minute", "tokens_per_minute", "calibration", "write_tests"}
"""Settings that are the operator's alone: limits of the server, and what lets programs run."""
WAITING = {"on_tie", "ask_below"}
"""Settings by which a person is asked: nobody waits at a server."""
WAVES = {"window", "probes", "beam_width"}
"""Settings that say how many calls begin at once: to begin very many holds up all other requests."""


class Message(BaseModel):
    """One message of a chat."""

    model_config = ConfigDict(extra="allow")

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list["ToolCall"] | None = None
    tool_call_id: str | None = None


class Function(BaseModel):
    """What is called, and with which JSON."""

    name: str
    arguments: str


class ToolCall(BaseModel):
    """A call that an earlier reply made."""

    id: str
    type: Literal["function"] = "function"
    function: Function


class Described(BaseModel):
    """A function that may be called."""

    model_config = ConfigDict(extra="allow")

    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    parameters: dict[str, Any] | None = None


class Tool(BaseModel):
    """A tool that may be called."""

    type: Literal["function"]
    function: Described


class StreamOptions(BaseModel):
    """What a stream tells."""

    include_usage: bool = False


class Asked(BaseModel):
    """A request for a completion; `ponder` holds what OpenAI's API has no field for."""

    model_config = ConfigDict(extra="allow")

    model: str = Field(json_schema_extra={"enum": list(MODELS)})
    messages: list[Message] = Field(min_length=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = Field(default=None, ge=1, le=MOST_CHOICES)
    stop: str | list[str] | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    max_completion_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    response_format: dict[str, Any] | None = None
    tools: list[Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    ponder: dict[str, Any] | None = None
    """Fields of `Settings`, `budget` among them, and the name of a `verifier` that the operator allows."""

    @property
    def verifier(self) -> str | None:
        """The verifier that is wanted."""
        wanted = (self.ponder or {}).get("verifier")
        return None if wanted is None else str(wanted)

    def problem(self) -> Problem:
        """Return what is asked.

        Raises:
            UsageError: something of it cannot be used.

        """
        for name, harmless in NO_EFFECT.items():
            if (given := (self.model_extra or {}).get(name)) is not None and given != harmless:
                raise UsageError(f"{name}={str(given)[:80]} is not supported: leave it out")
        form = self.form()
        check_form(form)
        return problem_of(self.chat(), form)

    def form(self) -> Form:
        """Return the form that the reply may take."""
        stop = [self.stop] if isinstance(self.stop, str) else self.stop
        tools = [tool.model_dump(exclude_none=True) for tool in self.tools or []]
        asked = self.model_dump(include={"tool_choice", "parallel_tool_calls", "response_format"})
        return form_of(stop, {**asked, "tools": tools})

    def chat(self) -> list[BaseMessage]:
        """Return the messages as LangChain's."""
        try:
            return convert_to_messages([message.model_dump(exclude_none=True) for message in self.messages_whole()])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"a message cannot be read: {str(error)[:200]}") from None

    def messages_whole(self) -> list[Message]:
        """Return the messages, with an empty text where a reply only calls tools."""
        return [message.model_copy(update={"content": message.content or ""}) for message in self.messages]

    def settings(self, problem: Problem, base: Settings) -> Settings:
        """Return the operator's settings with those of the request over them."""
        if self.model not in MODELS:
            raise UsageError(f"model {self.model!r} does not exist: see /v1/models")
        name = self.model.partition("/")[2]
        named = {"effort": name} if name in EFFORTS else {"policy": name} if name else {}
        own = self.model_dump(include={"temperature", "seed"}, exclude_none=True)
        if most := self.max_completion_tokens or self.max_tokens:
            own["max_tokens"] = most
        more = {key: value for key, value in (self.ponder or {}).items() if key != "verifier"}
        default = {"policy": policy_for(problem, more.get("pool", base.pool))}
        chosen = settings_of({**default, **named, **own, **more}, OPERATORS | WAITING)
        for name in OPERATORS & chosen.chosen.keys():
            if getattr(chosen, name) != getattr(base, name):
                raise UsageError(f"{name!r} is not a request's to set: leave it out")
        for name in WAVES & chosen.chosen.keys():
            if getattr(chosen, name) > max(WIDEST_WINDOW, getattr(base, name)):
                raise UsageError(f"{name}={getattr(chosen, name)} is too many at once: give at most {WIDEST_WINDOW}")
        if chosen.assessor.startswith("learned"):
            raise UsageError(f"assessor {chosen.assessor!r} is not a request's to set: leave it out")
        most = min(chosen.max_tokens, base.max_tokens) if "max_tokens" in base.chosen else chosen.max_tokens
        held = {"budget": chosen.budget.within(base.budget), "max_tokens": most}
        return base.model_copy(update=chosen.chosen | held)


def completion(
    id_: str, created: int, model: str, found: Sequence[tuple[Problem, Answer]], *, stored: bool
) -> dict[str, Any]:
    """Write a whole completion."""
    choices = [choice(index, problem, answer, model) for index, (problem, answer) in enumerate(found)]
    told = [about(answer) | ({"thread_id": answer.thread_id} if stored else {}) for _, answer in found]
    return {
        "id": id_,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": choices,
        "usage": usage([answer for _, answer in found]),
        "ponder": told[0] if len(told) == 1 else told,
    }


def choice(index: int, problem: Problem, answer: Answer, model: str) -> dict[str, Any]:
    """Write one choice."""
    said = message_of(answer, problem, model)
    message: dict[str, Any] = {"role": "assistant", "content": str(said.text) or None, "refusal": None}
    if said.tool_calls:
        message["tool_calls"] = [
            {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": arguments(call)}}
            for call in said.tool_calls
        ]
    reason = said.response_metadata["finish_reason"]
    known = reason if reason in {"stop", "length", "tool_calls"} else "stop"
    return {"index": index, "message": message, "finish_reason": known, "logprobs": None}


def usage(answers: Sequence[Answer]) -> dict[str, Any]:
    """Count all calls of all runs."""
    spent = Spent.sum([answer.spent for answer in answers])
    return {
        "prompt_tokens": spent.input_tokens,
        "completion_tokens": spent.output_tokens,
        "total_tokens": spent.input_tokens + spent.output_tokens,
        "prompt_tokens_details": {"cached_tokens": spent.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": spent.reasoning_tokens},
    }


def chunks(whole: dict[str, Any], *, with_usage: bool) -> list[dict[str, Any]]:
    """Cut a completion into those of a stream: what is said, why it ends, and what it has cost."""
    head = {key: whole[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    parts: list[dict[str, Any]] = []
    for each in whole["choices"]:
        said, place = dict(each["message"]), {"index": each["index"], "logprobs": None}
        if "tool_calls" in said:
            said["tool_calls"] = [{"index": index, **call} for index, call in enumerate(said["tool_calls"])]
        parts.append(head | {"choices": [place | {"delta": said, "finish_reason": None}]})
        parts.append(head | {"choices": [place | {"delta": {}, "finish_reason": each["finish_reason"]}]})
    parts[-1]["ponder"] = whole["ponder"]
    if with_usage:
        parts.append(head | {"choices": [], "usage": whole["usage"]})
    return parts


DONE = "data: [DONE]\n\n"
"""The last event of a stream."""


def event(data: dict[str, Any]) -> str:
    """Write an event of a stream."""
    return f"data: {json.dumps(data)}\n\n"


def failure(reason: str, kind: str) -> str:
    """Write the event that tells why a stream ends without an answer."""
    return event({"error": {"message": reason, "type": kind}})
