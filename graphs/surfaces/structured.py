"""Turn the reply that was chosen into the object that was asked for."""

import json
from json import JSONDecodeError
from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import BaseMessage
from langchain_core.utils.pydantic import is_basemodel_subclass

from ...nodes.reply import breach

Shape = dict[str, Any]
"""A JSON Schema."""


def parse(schema: Shape | type, shape: Shape, message: BaseMessage) -> object:
    """Return a message's object: an instance of a pydantic class, else a dict.

    Raises:
        OutputParserException: it does not meet the schema, so no candidate did.

    """
    calls = getattr(message, "tool_calls", None)
    text = str(message.text)
    try:
        found = calls[0]["args"] if calls else json.loads(text)
        wrong = breach(found, shape)
        if not wrong:
            return schema(**found) if isinstance(schema, type) and is_basemodel_subclass(schema) else found
    except JSONDecodeError as error:
        wrong = f"it is no JSON: {error}"
    except ValueError as error:  # pydantic's: a rule that no schema can say
        wrong = str(error)
    spent = message.response_metadata.get("ponder", {}).get("spent", {}).get("calls")
    raise OutputParserException(
        f"in {spent} calls no reply met the schema; of the one returned: {wrong}", llm_output=text
    )
