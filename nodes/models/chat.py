"""Any LangChain chat model as a ponder model: sampling settings in, text, usage and log-probabilities out."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from pydantic import ValidationError

from ...state.budget import Usage
from ...state.run import Finish
from ..loop import background_loop, submit
from ..ports import Reply, Request
from .failures import classify, refused_setting

FINISHES: dict[str, Finish] = {
    "stop": "stop",
    "end_turn": "stop",
    "eos": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
}
OPTIONAL = ("logprobs", "seed", "temperature")
"""Settings that a run can do without where a server refuses them."""


@dataclass(frozen=True)
class LangChainModel:
    """A LangChain chat model; what it has no setting for stays as its owner configured it."""

    model: BaseChatModel
    name: str
    on_background: bool = False
    """Made by ponder: its HTTP client lives on the background loop, whichever loop calls."""
    refused: set[str] = field(default_factory=set, compare=False)
    """Settings that the server turned down once; they are not sent again."""

    @property
    def endpoint(self) -> str:
        """What a circuit breaker watches: the model at its server."""
        return f"{self.name} {getattr(self.model, 'openai_api_base', None) or ''}"

    async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
        """Answer once; a setting that the server refuses is left out from then on.

        Raises:
            CallFailed: this call failed, another may not.
            ModelUnreachable: no call can succeed until the caller changes something.

        """
        while True:
            try:
                return read(await self.invoke(messages, request))
            except Exception as error:
                setting = refused_setting(error, OPTIONAL)
                if setting is None or setting in self.refused:
                    raise classify(error, self.name) from error
                self.refused.add(setting)

    async def invoke(self, messages: Sequence[BaseMessage], request: Request) -> AIMessage:
        """Call the model, on the loop that its client belongs to."""
        answering = self.configured(request).ainvoke(list(messages))
        if self.on_background and asyncio.get_running_loop() is not background_loop():
            return await asyncio.wrap_future(submit(answering))
        return await answering

    def configured(self, request: Request) -> BaseChatModel:
        """Return the model with the request's settings, as far as it has fields for them."""
        wanted: Mapping[str, object] = {
            "temperature": request.temperature,
            "max_tokens": request.max_tokens,
            "seed": request.seed,
            "logprobs": True,
        }
        fields = type(self.model).model_fields
        return self.model.model_copy(
            update={key: value for key, value in wanted.items() if key in fields and key not in self.refused}
        )


def read(message: AIMessage) -> Reply:
    """Take from a message what a candidate needs."""
    about = message.response_metadata
    finish = about.get("finish_reason") or about.get("stop_reason") or about.get("done_reason")
    return Reply(
        text=str(message.text),
        finish="stop" if finish is None else FINISHES.get(str(finish).lower(), "other"),
        usage=usage_of(message),
        mean_logprob=mean_logprob(about.get("logprobs")),
    )


def usage_of(message: AIMessage) -> Usage | None:
    """Return the tokens that the server reported; None where it reported none or nonsense."""
    told = message.usage_metadata
    if not told or not told["output_tokens"] + told["input_tokens"]:
        return None
    try:
        return Usage(
            input_tokens=told["input_tokens"],
            output_tokens=told["output_tokens"],
            reasoning_tokens=told.get("output_token_details", {}).get("reasoning") or 0,
            cached_tokens=told.get("input_token_details", {}).get("cache_read") or 0,
        )
    except ValidationError:
        return None


def mean_logprob(logprobs: object) -> float | None:
    """Return the mean log-probability of the tokens, in the form that OpenAI's chat API gives them."""
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    values = [token["logprob"] for token in tokens or [] if isinstance(token.get("logprob"), int | float)]
    return sum(values) / len(values) if values else None
