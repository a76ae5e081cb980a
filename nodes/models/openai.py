"""OpenAI, and any server that speaks its chat API: vLLM, Ollama, LM Studio, llama.cpp."""

import os

from pydantic import SecretStr

from ...state.errors import ModelUnreachable
from .chat import LangChainModel
from .http import client_for

OFFICIAL = "https://api.openai.com/v1"


def openai_model(name: str, base_url: str | None = None, api_key: str | None = None) -> LangChainModel:
    """Make a model from its name; URL and key default to OPENAI_BASE_URL and OPENAI_API_KEY.

    Raises:
        ModelUnreachable: there is no key, and the server is OpenAI's own.

    """
    from .completions import Compatible, Official  # seconds to import

    base_url = base_url or os.environ.get("OPENAI_BASE_URL") or OFFICIAL
    key = api_key or os.environ.get("OPENAI_API_KEY")
    official = base_url.rstrip("/") == OFFICIAL
    if official and not key:
        raise ModelUnreachable(
            f"model 'openai:{name}' needs a key: set OPENAI_API_KEY, or --base-url for another server"
        )
    kind = Official if official else Compatible
    model = kind(
        model=name,
        base_url=base_url,
        api_key=SecretStr(key or "none"),
        max_retries=0,
        http_async_client=client_for(base_url),
    )
    return LangChainModel(model, f"openai:{name}", on_background=True)
