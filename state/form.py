"""The form that a reply may take beyond a text: tools to call, a schema to meet, words to stop at."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict


class Form(BaseModel):
    """Sent along with each call that makes a candidate."""

    model_config = ConfigDict(frozen=True)

    tools: list[dict[str, Any]] = []
    """What may be called, as OpenAI's chat API describes it."""
    tool_choice: str | None = None
    """`auto`, `none`, `any` or `required`, or a tool's name."""
    parallel_tool_calls: bool | None = None
    """None: as the provider does it."""
    output_schema: dict[str, Any] | None = None
    """The JSON Schema that an answer in words must meet."""
    stop: list[str] = []
    """Where a reply ends."""

    @property
    def names(self) -> list[str]:
        """The tools' names."""
        return [str(tool.get("function", {}).get("name", "")) for tool in self.tools]

    @property
    def must_call(self) -> bool:
        """Whether a reply in words is none."""
        return bool(self.tools) and self.tool_choice not in {None, "auto", "none"}

    @property
    def spelled(self) -> str:
        """What of it a server may put into the prompt; empty where there is nothing."""
        sent = [part for part in (self.tools, self.output_schema) if part]
        return json.dumps(sent) if sent else ""


PLAIN = Form()
"""A reply in words."""
