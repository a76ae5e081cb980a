"""A server that does as it is told: it calls the tools it is offered, fills in schemas, and else answers in words."""

import json
import re
from typing import Any

from tests.fake_server import Said, completion

USAGE = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}


def obey(request: dict[str, Any], _: int = 0) -> Said:
    """Answer a request of OpenAI's chat API."""
    asked = text_of(next(message for message in reversed(request["messages"]) if message["role"] == "user"))
    shape = request.get("response_format", {}).get("json_schema", {}).get("schema")
    if shape:
        return Said(json.dumps(filled(shape, asked)))
    tools = [tool["function"] for tool in request.get("tools", [])]
    choice = request.get("tool_choice", "auto")
    if tools and choice != "none" and (choice != "auto" or request["messages"][-1]["role"] == "user"):
        named = choice["function"]["name"] if isinstance(choice, dict) else ""
        tool = next((tool for tool in tools if tool["name"] == named), tools[0])
        return calling(tool["name"], filled(tool.get("parameters", {}), asked))
    if cut := request.get("stop"):
        return Said("Hello there".partition(cut[0])[0])
    return Said("Hello. Answer: 2")


def calling(name: str, arguments: dict[str, Any]) -> Said:
    """Say nothing and call a tool."""
    body = completion(Said(None, usage=USAGE, finish="tool_calls"))
    function = {"name": name, "arguments": json.dumps(arguments)}
    body["choices"][0]["message"]["tool_calls"] = [{"id": f"call_{name}", "type": "function", "function": function}]
    return Said(body=body)


def text_of(message: dict[str, Any]) -> str:
    """Return the words of a message."""
    content = message["content"]
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)


def filled(schema: dict[str, Any], asked: str) -> dict[str, Any]:
    """Make an object of a schema from what was asked: its numbers, what it quotes, or all of it."""
    numbers = [int(number) for number in re.findall(r"\d+", asked)] or [1]
    words = (re.findall(r"'([^']+)'", asked) or [asked])[0]
    made: dict[str, Any] = {}
    for name, part in schema.get("properties", {}).items():
        made[name] = numbers[len(made) % len(numbers)] if part.get("type") == "integer" else words
    return made
