"""OpenAI's chat completions as servers really send them: what can be read is read, the rest is `Unreadable`."""

import json
import secrets
from collections.abc import Mapping
from functools import cached_property
from typing import Any, TypeGuard

from langchain_core.callbacks import AsyncCallbackManager, AsyncCallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatResult
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langchain_openai import ChatOpenAI
from langchain_openai.chat_models.base import BaseChatOpenAI
from pydantic import BaseModel, PrivateAttr

from ...state.budget import Usage
from .failures import ReportedError, Unreadable, in_short
from .http import post
from .together import Together
from .usage import as_reported, reported


def clean(response: object) -> dict[str, Any]:
    """Return a completion with one well-formed choice, which is what ponder asks for.

    Raises:
        Unreadable: it is no completion, or an empty one.
        ReportedError: it is an error that came with a status of success.

    """
    body = response.model_dump(warnings=False) if isinstance(response, BaseModel) else response
    if not isinstance(body, Mapping):
        raise Unreadable(f"{in_short(str(body)) or 'nothing'!r} instead of a completion")
    usage = reported(body.get("usage"))
    choices = body.get("choices")
    choice = next((one for one in choices if isinstance(one, Mapping)), {}) if isinstance(choices, list) else {}
    if error := body.get("error") or choice.get("error"):
        raise ReportedError(error, usage)
    if not choice:
        raise Unreadable("a completion without choices", usage)
    content, finish = read(choice, usage)
    message: dict[str, Any] = {"role": "assistant", "content": content}
    if calls := tool_calls(choice):
        message["tool_calls"] = calls
    cleaned = {"index": 0, "finish_reason": finish, "message": message, "logprobs": choice.get("logprobs")}
    named = {key: value for key in ("id", "model") if isinstance(value := body.get(key), str)}
    return named | {"choices": [cleaned], "usage": usage and as_reported(usage)}


def read(choice: Mapping[str, Any], usage: Usage | None) -> tuple[str, str | None]:
    """Return the text of a choice and why it ends; a refusal is a text that must not count as an answer."""
    found = (
        choice.get("message") or choice.get("delta") or ({"content": choice["text"]} if choice.get("text") else None)
    )
    if not isinstance(found, Mapping):
        raise Unreadable("a choice without a message", usage)
    finish = choice.get("finish_reason")
    text = flat(found.get("content"), usage)
    if text.strip():
        return text, None if finish is None else str(finish)
    if isinstance(refusal := found.get("refusal"), str):
        return refusal, "refusal"
    # Some servers put all of a reply where the reasoning goes.
    reasoning = (found.get("reasoning_content"), found.get("reasoning"))
    text = next((said for said in reasoning if isinstance(said, str) and not found.get("tool_calls")), text)
    return text, None if finish is None else str(finish)


def tool_calls(choice: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the calls in a choice in OpenAI's form; some give no ids, or the arguments as an object.

    Where one cannot be read, or its arguments are no object, there are none: the reply is what it says in words, which
    may be nothing.
    """
    message = choice.get("message")
    said = (message.get("tool_calls") if isinstance(message, Mapping) else None) or []
    calls: list[dict[str, Any]] = []
    for call in said if isinstance(said, list) else [said]:
        function = call.get("function") if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(name := function.get("name"), str) or not name:
            return []  # of several calls, those that can be read are not what was meant
        given = function.get("arguments") or "{}"
        arguments = given if isinstance(given, str) else json.dumps(given)
        if not is_object(arguments):
            return []
        id_ = call.get("id") or f"call_{secrets.token_hex(12)}"
        calls.append({"id": str(id_), "type": "function", "function": {"name": name, "arguments": arguments}})
    return calls


def is_object(arguments: str) -> bool:
    """Say whether a call's arguments are what a tool can be given; LangChain raises at JSON that is something else."""
    try:
        return isinstance(json.loads(arguments, strict=False) or {}, dict)
    except (ValueError, RecursionError):
        return False


def flat(content: object, usage: Usage | None) -> str:
    """Return a message's content as one text; None is no text."""
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, Mapping) else part for part in content]
        return "".join(part for part in parts if isinstance(part, str))
    if content is None or isinstance(content, str):
        return content or ""
    raise Unreadable(f"a message whose content is {in_short(repr(content))}", usage)


class Posting(BaseChatOpenAI):
    """Posts a request as it is, and reads the reply itself.

    The client's typed method transforms a request, parses the reply and checks both; that, and LangChain's thread for
    reading each reply, takes longer than the HTTP does. With `n`, so many calls of one prompt share a request.
    """

    _together: Together = PrivateAttr(default_factory=Together)

    async def ainvoke(
        self,
        input: LanguageModelInput,  # noqa: A002
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Ask; what LangChain does around a call for callbacks is left out where there are none: it takes longer."""
        if config is not None or not is_plain(input) or is_heard(self):
            return await super().ainvoke(input, config, **kwargs)
        generation = (await self._agenerate(input, **kwargs)).generations[0]
        assert isinstance(generation.message, AIMessage)  # noqa: S101 - for the type checkers
        generation.message.response_metadata |= generation.generation_info or {}
        return generation.message

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        payload = self._get_request_payload(messages, stop=stop, **kwargs)
        if self._use_responses_api(payload):
            return await super()._agenerate(messages, stop, run_manager, **kwargs)
        payload |= payload.pop("extra_body", None) or {}
        return self._create_chat_result(await self._together.post(payload, self._post))

    async def _post(self, payload: dict[str, Any]) -> object:
        server = str(self.openai_api_base)
        return await post(server, f"{server.rstrip('/')}/chat/completions", payload, self._headers)

    @cached_property
    def _headers(self) -> dict[str, str]:
        given = {**self.root_async_client.auth_headers, **self.root_async_client.default_headers}
        return {name: value for name, value in given.items() if isinstance(value, str)}

    def _create_chat_result(self, response: Any, generation_info: dict[str, Any] | None = None) -> ChatResult:
        return super()._create_chat_result(clean(response), generation_info)


def is_plain(given: object) -> TypeGuard[list[BaseMessage]]:
    """Say whether this is a chat of nothing but text: LangChain translates what else there may be."""
    return isinstance(given, list) and all(
        isinstance(one, BaseMessage) and isinstance(one.content, str) for one in given
    )


def is_heard(model: BaseChatModel) -> bool:
    """Say whether callbacks hear of calls made here: a tracer's, a stream's, the user's, the model's own."""
    given = (var_child_runnable_config.get() or {}).get("callbacks")
    return bool(AsyncCallbackManager.configure(given, model.callbacks, model.verbose).handlers)


class Compatible(Posting):
    """Any server that speaks the chat API."""


class Official(Posting, ChatOpenAI):
    """OpenAI's own, which wants `max_completion_tokens` where others may ignore it."""
