"""Models by their names, as objects, or several as one; what is named is loaded with its first call."""

import asyncio
import importlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable

from ..nodes.deadline import sending
from ..nodes.ports import ChatModel, Reply, Request
from ..state.errors import ModelNotSetUp, UsageError
from .kept import Kept
from .origin import check_url, masked

OneModel = str | BaseChatModel | ChatModel
ModelLike = OneModel | Sequence[OneModel]
"""A name or an object; several are a pool, of which the next one stands in for one that fails."""

MODEL_FORMS = "local, local:PATH.gguf, openai:NAME or provider:NAME"

ADAPTERS: Kept[ChatModel] = Kept()
"""With what they have learned of their servers."""
LOADED: Kept[ChatModel] = Kept()


def as_model(model: ModelLike | None, base_url: str | None = None, pool: str = "deal") -> ChatModel:
    """Return a model by its name, an object as a model, or several as a pool.

    Raises:
        UsageError: it is none, or none of them is at the base URL that is given.

    """
    if base_url and several(model) and not takes_url(model):
        told = ", ".join(repr(name_of(each)) for each in several(model))
        raise UsageError(
            f"base_url={masked(base_url)!r} is not used by model {told}: name one of that server, --model openai:NAME"
        )
    if isinstance(model, Sequence) and not isinstance(model, str):
        return as_pool([as_model(each, base_url if takes_url(each) else None) for each in model], pool)
    if model is None or isinstance(model, str):
        name = name_of(model)
        kind, _, rest = name.partition(":")
        if not (kind == "local" or rest):
            raise UsageError(f"model {name!r} is unknown: give {MODEL_FORMS}")
        if address := base_url or (os.environ.get("OPENAI_BASE_URL") if kind == "openai" else None):
            check_url(address)
        return NamedModel(name, base_url)
    if isinstance(model, BaseChatModel):
        from ..nodes.models.chat import LangChainModel  # only where it is used

        named = (getattr(model, field, None) for field in ("name_in_run", "model_name", "model"))
        name = next((each for each in named if each and isinstance(each, str)), type(model).__name__)
        return ADAPTERS.get((model,), lambda: LangChainModel(model, name))
    if isinstance(model, Runnable) or not (hasattr(model, "name") and hasattr(model, "generate")):
        raise UsageError(f"model {str(model)[:80]!r} is no model: give {MODEL_FORMS}, or a LangChain chat model")
    return model


def takes_url(model: ModelLike | None) -> bool:
    """Say whether a base URL is used: by a model that is named as a server's, or one of several."""
    return any(name_of(each).startswith("openai:") for each in several(model) if each is None or isinstance(each, str))


def several(model: ModelLike | None) -> Sequence[OneModel | None]:
    """Return the models that are given, one or several."""
    return model if isinstance(model, Sequence) and not isinstance(model, str) else [model]


def name_of(model: OneModel | None) -> str:
    """Return a model's name, of none the one that the environment has, of an object its kind."""
    if model is None or isinstance(model, str):
        return model or os.environ.get("PONDER_MODEL") or "local"
    return type(model).__name__


def as_pool(members: list[ChatModel], pool: str) -> ChatModel:
    """Return several models as one."""
    from ..nodes.models.cascade import Cascade  # only where it is used
    from ..nodes.models.pool import Pool

    if not members:
        raise UsageError("the list of models is empty: give at least one")
    kind = Cascade if pool == "cascade" else Pool
    return members[0] if len(members) == 1 else kind(tuple(members))


@dataclass(frozen=True)
class NamedModel:
    """A model that is loaded with its first call."""

    name: str
    base_url: str | None = None

    @property
    def endpoint(self) -> str:
        """What a circuit breaker watches."""
        return f"{self.name} {self.base_url or ''}"

    @property
    def slots(self) -> int | None:
        """How many calls it works on at once; None: that is its server's business."""
        if self.name.partition(":")[0] != "local":
            return None
        from ..nodes.models.local import SLOTS  # only where it is used

        return SLOTS

    async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
        with sending() as sent:
            model = await asyncio.to_thread(self.load)
            sent()
        return await model.generate(messages, request)

    def load(self) -> ChatModel:
        """Load it, or return it where that is done; raises what `load_model` raises."""
        return load_model(self.name, self.base_url)


def load_model(name: str, base_url: str | None) -> ChatModel:
    """Load a model by its name; it stays as long as the environment names the same keys and servers.

    Raises:
        ModelNotSetUp: the model cannot be loaded, has no key, or its provider's package is missing.

    """
    told = ((each, value) for each, value in os.environ.items() if each.endswith(("_API_KEY", "_BASE_URL")))
    # By a hash: no key is kept here.
    return LOADED.get((name, base_url, hash(frozenset(told))), lambda: named_model(name, base_url))


def named_model(name: str, base_url: str | None) -> ChatModel:
    """Make a model of each kind."""
    kind, _, rest = name.partition(":")
    if kind == "local":
        from ..nodes.models.local import local_model  # optional

        return local_model(rest or None)
    if kind == "openai":
        from ..nodes.models.openai import openai_model  # seconds to import

        return openai_model(rest, base_url)
    return provider_model(name)


def provider_model(name: str) -> ChatModel:
    """Load a model through LangChain's `init_chat_model`."""
    from ..nodes.models.chat import LangChainModel  # only where it is used

    try:
        chat_models = importlib.import_module("langchain.chat_models")
        return LangChainModel(chat_models.init_chat_model(name), name)
    except ImportError as error:
        raise ModelNotSetUp(f"model {name!r} needs a package ({error}): install langchain and it") from error
    except ValueError as error:
        raise ModelNotSetUp(f"model {name!r} is unknown ({str(error).splitlines()[0]}): give {MODEL_FORMS}") from error
