"""OpenAI, and any server that speaks its chat API: vLLM, Ollama, LM Studio, llama.cpp."""

import base64
import os

import httpx
from pydantic import SecretStr

from ...state.errors import ModelNotSetUp, UsageError
from .chat import LangChainModel

OFFICIAL = "https://api.openai.com/v1"


def openai_model(name: str, base_url: str | None = None, api_key: str | None = None) -> LangChainModel:
    """Make a model from its name; URL and key default to OPENAI_BASE_URL and OPENAI_API_KEY.

    Raises:
        ModelNotSetUp: there is no key, and the server is OpenAI's own; or the certificates cannot be read.
        UsageError: the URL is none, or a proxy's.

    """
    from openai import DefaultAsyncHttpxClient, DefaultHttpxClient  # seconds to import

    from .between import trust
    from .completions import Compatible, Official

    base_url, headers = without_password(base_url or os.environ.get("OPENAI_BASE_URL") or OFFICIAL)
    key = (api_key or os.environ.get("OPENAI_API_KEY") or "").strip()
    official = base_url.rstrip("/") == OFFICIAL
    if official and not key:
        raise ModelNotSetUp(f"model 'openai:{name}' needs a key: set OPENAI_API_KEY, or --base-url for another server")
    if not key.isprintable():
        raise ModelNotSetUp(f"the key of model 'openai:{name}' holds a line break or the like: set OPENAI_API_KEY anew")
    kind = Official if official else Compatible
    secret = SecretStr(key or "none")
    trusted = trust(base_url)
    try:
        clients = DefaultHttpxClient(verify=trusted), DefaultAsyncHttpxClient(verify=trusted)
    except Exception as error:  # noqa: BLE001 - its scheme or its port, in the words of whichever library the client stands on
        raise UsageError(
            f"a proxy of the environment cannot be used ({error}): check http_proxy, https_proxy and all_proxy"
        ) from None
    model = kind(
        model=name,
        base_url=base_url,
        api_key=secret,
        default_headers=headers,
        http_client=clients[0],
        http_async_client=clients[1],
        http_socket_options=(),  # those of its own clients, of which it would warn
        max_retries=0,
        cache=False,  # what a sample says is not to be said again
        disable_streaming=True,  # a graph that is streamed would stream its calls: past `Posting`
    )
    return LangChainModel(model, f"openai:{name}", on_background=True)


def without_password(base_url: str) -> tuple[str, dict[str, str]]:
    """Take user and password out of a URL, which logs show, and put them into the header that they are sent in."""
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise UsageError(f"--base-url is not a URL ({error}): give one such as http://127.0.0.1:8000/v1") from None
    if not url.userinfo:
        return base_url, {}
    sent = base64.b64encode(f"{url.username}:{url.password}".encode()).decode()
    return str(url.copy_with(username=None, password=None)), {"Authorization": f"Basic {sent}"}
