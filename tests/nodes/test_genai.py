"""Names and messages in the words of OpenTelemetry's GenAI conventions."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from ponder.nodes.genai import provider_of, spoken


@pytest.mark.parametrize(
    ("model", "provider", "name"),
    [
        ("openai:gpt-5-mini", "openai", "gpt-5-mini"),
        ("google_vertexai:gemini-3", "gcp.vertex_ai", "gemini-3"),
        ("ollama:qwen3:8b", "ollama", "qwen3:8b"),
        ("local", "local", "local"),
        ("mine", "_OTHER", "mine"),
        ("openai:a | local:b", "_OTHER", "openai:a | local:b"),
    ],
)
def test_the_provider_is_read_off_the_model_s_name(model: str, provider: str, name: str) -> None:
    assert provider_of(model) == (provider, name)


def test_every_kind_of_message_has_its_form() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:"}}
    call = {"id": "1", "name": "add", "args": {"a": 1}}
    assert [
        spoken(message)
        for message in (
            SystemMessage("Be brief."),
            HumanMessage(["Look:", {"type": "text", "text": "this"}, image]),
            AIMessage("", tool_calls=[call]),
            ToolMessage("2", tool_call_id="1"),
        )
    ] == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {
            "role": "user",
            "parts": [{"type": "text", "content": "Look:"}, {"type": "text", "content": "this"}, image],
        },
        {
            "role": "assistant",
            "parts": [{"type": "tool_call", "id": "1", "name": "add", "arguments": {"a": 1}}],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "1", "response": "2"}]},
    ]
