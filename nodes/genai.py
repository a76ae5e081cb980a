"""A model call in the attributes of OpenTelemetry's GenAI conventions; messages only where the environment asks."""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from ..state.budget import Call
from ..state.run import Asked
from .ports import Request

CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
PROVIDERS = {
    "azure_openai": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "google_genai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "ibm": "ibm.watsonx.ai",
    "mistralai": "mistral_ai",
    "xai": "x_ai",
}
"""LangChain's word for a provider -> that of the conventions, where they differ."""
ROLES = {"human": "user", "ai": "assistant"}


def operation(name: str, model: str, thread: str) -> dict[str, Any]:
    """Describe an operation on a model, within a thread."""
    provider, model = provider_of(model)
    about = {"gen_ai.operation.name": name, "gen_ai.provider.name": provider, "gen_ai.request.model": model}
    return about | ({"gen_ai.conversation.id": thread} if thread else {})


def provider_of(model: str) -> tuple[str, str]:
    """Split `provider:NAME` into the conventions' name of the provider, and the model's own; a pool has no one's."""
    kind, _, name = model.partition(":")
    if not name or " | " in model or " > " in model:
        return ("local" if kind == "local" else "_OTHER"), model
    return PROVIDERS.get(kind, kind), name


def asking(call: Call, messages: Sequence[BaseMessage], request: Request) -> dict[str, Any]:
    """Describe a request."""
    about: dict[str, Any] = {
        "gen_ai.request.temperature": request.temperature,
        "gen_ai.request.max_tokens": request.max_tokens,
        "ponder.call.id": call.id,
        "ponder.branch": call.branch,
        "ponder.kind": call.kind,
    }
    if request.seed is not None:
        about["gen_ai.request.seed"] = request.seed
    return about | content("input", [spoken(message) for message in messages])


def outcome(asked: Asked) -> dict[str, Any]:
    """Describe how a call ended; what the ledger counts for it is what is said here."""
    call, reply, usage = asked.call, asked.reply, asked.call.usage
    about: dict[str, Any] = {"ponder.state": call.state}
    if call.settled:
        about |= {"gen_ai.usage.input_tokens": usage.input_tokens, "gen_ai.usage.output_tokens": usage.output_tokens}
        about |= {"gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens} if usage.reasoning_tokens else {}
        about |= {"gen_ai.usage.cache_read.input_tokens": usage.cached_tokens} if usage.cached_tokens else {}
        about |= {"ponder.usage.estimated": True} if usage.estimated else {}
        about |= {} if call.usd is None else {"ponder.usd": call.usd}
    if reply is not None:
        parts = [*texts(reply.text), *called(reply.tool_calls)]
        about |= {"gen_ai.response.finish_reasons": [reply.finish]}
        about |= {"gen_ai.response.model": provider_of(reply.model)[1]} if reply.model else {}
        about |= content("output", [{"role": "assistant", "parts": parts, "finish_reason": reply.finish}])
    return about


def content(way: str, messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return messages as an attribute, where the environment asks for them."""
    if os.environ.get(CAPTURE, "").lower() != "true":
        return {}
    return {f"gen_ai.{way}.messages": json.dumps(messages, default=str)}


def spoken(message: BaseMessage) -> dict[str, Any]:
    """Put a message into the form of the conventions; what is not text stays as LangChain has it."""
    parts = texts(message.content)
    if isinstance(message, ToolMessage):
        parts = [{"type": "tool_call_response", "id": message.tool_call_id, "response": message.content}]
    elif isinstance(message, AIMessage):
        parts += called(message.tool_calls)
    return {"role": ROLES.get(message.type, message.type), "parts": parts}


def texts(content: str | list[str | dict[Any, Any]]) -> list[dict[Any, Any]]:
    """Put a message's content into the form of the conventions."""
    return [part(block) for block in ([content] if isinstance(content, str) else content) if block]


def called(calls: Sequence[Mapping[str, Any]]) -> list[dict[Any, Any]]:
    """Put calls of tools into the form of the conventions."""
    return [
        {"type": "tool_call", "id": call.get("id"), "name": call["name"], "arguments": call["args"]} for call in calls
    ]


def part(block: str | dict[Any, Any]) -> dict[Any, Any]:
    """Put a part of a message's content into the form of the conventions."""
    text = block if isinstance(block, str) else block.get("text")
    return {"type": "text", "content": text} if isinstance(text, str) or isinstance(block, str) else block
