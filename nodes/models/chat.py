"""Any LangChain chat model as a ponder model: sampling settings in, text, usage and log-probabilities out."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput, SimpleChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatResult
from langchain_core.runnables import Runnable
from pydantic import SecretStr

from ...state.errors import ModelUnreachable
from ...state.form import PLAIN, Form
from ...state.run import Finish
from ..deadline import sending
from ..estimate import estimate
from ..loop import background, in_thread
from ..ports import CallFailed, Reply, Request
from .failures import classify, refused_setting, status_of
from .http import SHORTEST_SECRET
from .usage import believable, number, usage_of

FINISHES: dict[str, Finish] = {
    "stop": "stop",
    "end_turn": "stop",
    "eos": "stop",
    "stop_sequence": "stop",
    "tool_calls": "stop",
    "tool_use": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    **dict.fromkeys(("refusal", "content_filter", "content_filtered", "guardrail_intervened"), "error"),
    **dict.fromkeys(("safety", "recitation", "blocklist", "prohibited_content", "spii"), "error"),
}
"""Words of several providers; one that is none of these says nothing of whether the reply is whole."""
FORMAT = "response_format"
OPTIONAL = ("logprobs", "seed", "temperature", FORMAT, "parallel_tool_calls")
"""Settings that a run can do without where a server refuses them."""
OUTPUT_LIMITS = ("max_tokens", "max_output_tokens", "num_predict", "max_new_tokens")
"""Fields for the most output tokens, of several providers; a model has one of them."""
ADDRESSES = ("openai_api_base", "anthropic_api_url", "base_url", "endpoint")
"""Fields for the server's address, likewise."""
MALFORMED = (400, 422)
MOST_COPIES = 16
"""Of one model: the calls of a seeded run have a setting of their own each."""


@dataclass
class Learned:
    """What calls have shown of a server."""

    refused: set[str] = field(default_factory=set)
    """Settings that it turned down once; they are not sent again."""
    answered: bool = False
    """It has given a reply that could be read."""
    copies: dict[tuple[tuple[str, Any], ...], BaseChatModel] = field(default_factory=dict)
    """Settings -> the model that has them."""


@dataclass(frozen=True)
class LangChainModel:
    """A LangChain chat model; what it has no setting for stays as its owner configured it."""

    model: BaseChatModel
    name: str
    on_background: bool = False
    """Made by ponder: its HTTP client lives on the background loop, whichever loop calls."""
    learned: Learned = field(default_factory=Learned, compare=False)

    @cached_property
    def output_limit(self) -> str:
        """The model's field for the most output tokens; empty: it has none."""
        return next((name for name in OUTPUT_LIMITS if name in type(self.model).model_fields), "")

    @property
    def is_limited(self) -> bool:
        """Whether the model can be told how much a reply may cost."""
        return bool(self.output_limit) and not self.deliberates

    @property
    def deliberates(self) -> bool:
        """Whether each reply is a whole run of ponder's, of any cost."""
        return getattr(self.model, "deliberates", False) is True

    @property
    def endpoint(self) -> str:
        """What a circuit breaker watches: the model at its server."""
        return f"{self.name} {next(filter(None, (getattr(self.model, name, None) for name in ADDRESSES)), '')}"

    async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
        """Answer once; a setting that the server refuses is left out from then on.

        Raises:
            CallFailed: this call failed, another may not.
            ModelUnreachable: no call can succeed until the caller changes something.

        """
        while True:
            left_out = frozenset(self.learned.refused)
            try:
                reply = read(self.whole(await self.invoke(messages, request)))
            except Exception as error:
                setting = refused_setting(error, OPTIONAL)
                if setting is None and request.form.output_schema and status_of(error) in MALFORMED:
                    setting = FORMAT  # servers have many words for what they cannot do with a schema
                if setting is None or setting in left_out:
                    raise self.failure(error, messages, request) from error
                self.learned.refused.add(setting)
            else:
                self.learned.answered = True
                if self.deliberates:
                    return reply
                return replace(reply, usage=believable(reply.usage, messages, request, reply.text))

    def failure(
        self, error: Exception, messages: Sequence[BaseMessage], request: Request
    ) -> CallFailed | ModelUnreachable:
        """Judge an exception; what a reply cost that was of no use is known, or estimated at its worst."""
        failure = classify(error, self.name, answered=self.learned.answered)
        for secret in self.secrets:  # some gateways repeat the request, and what a server says is kept, cut and shown
            anywhere = re.escape(secret[:SHORTEST_SECRET]) + r"\S*"
            failure.args = tuple(re.sub(anywhere, "***", str(told)) for told in failure.args)
        if isinstance(failure, CallFailed) and failure.sent and failure.status is None:
            failure.usage = believable(failure.usage, messages, request) or estimate(messages, request)
        return failure

    @cached_property
    def secrets(self) -> list[str]:
        """The keys that the model holds."""
        held = [value.get_secret_value() for value in vars(self.model).values() if isinstance(value, SecretStr)]
        return [secret for secret in held if len(secret) >= SHORTEST_SECRET]

    def whole(self, message: AIMessage) -> AIMessage:
        """Return a reply, unless it is a stream of OpenAI's kind that broke off.

        The last parts of one say why the reply ends, and what it cost.
        """
        streams = getattr(self.model, "streaming", False) and getattr(self.model, "stream_usage", False)
        ended = finish_reason(message) or message.response_metadata.get("status") or message.usage_metadata
        if streams and is_openai(self.model) and not ended:
            raise CallFailed(f"model {self.name!r}: the stream ended before the reply", 0.0)
        return message

    async def invoke(self, messages: Sequence[BaseMessage], request: Request) -> AIMessage:
        """Call the model, on the loop that its client belongs to."""
        if not self.on_background:
            await self.allowed()
            return await self.shaped(self.copied(self.configured(request)), request.form).ainvoke(list(messages))
        # As keywords: LangChain writes a new copy of a model down in full, for tracers, before it is asked.
        given = {name: value for name, value in self.configured(request).items() if value is not None}
        return await background(self.shaped(self.model, request.form).ainvoke(list(messages), **given))

    async def allowed(self) -> None:
        """Wait until the owner's own rate limiter lets the request leave; the call's time begins only then."""
        if (limiter := self.model.rate_limiter) is not None:
            with sending() as leaves:
                await limiter.aacquire()
                leaves()

    def copied(self, wanted: dict[str, Any]) -> BaseChatModel:
        """Return the model with these settings; LangChain writes each new copy down in full, so they are kept."""
        key, copies = tuple(wanted.items()), self.learned.copies
        if key not in copies:
            if len(copies) >= MOST_COPIES:
                copies.clear()
            copy = copies[key] = self.model.model_copy(update=wanted | in_one(self.model))
            for name in [name for name in vars(copy) if isinstance(getattr(type(copy), name, None), cached_property)]:
                del vars(copy)[name]  # a client, say, that was made for the settings before
            copy.__class__ = in_threads(type(copy))
        return copies[key]

    def configured(self, request: Request) -> dict[str, Any]:
        """Return the request's settings, as far as the model has fields for them and the server takes them."""
        wanted: dict[str, Any] = {
            "temperature": request.temperature,
            self.output_limit: request.max_tokens,
            "seed": request.seed,
            "logprobs": True,
            "n": request.n if self.on_background and request.n > 1 else None,
        }
        fields = type(self.model).model_fields
        return {key: value for key, value in wanted.items() if key in fields and key not in self.learned.refused}

    def shaped(self, model: BaseChatModel, form: Form) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind what a reply may be; a schema stands in the prompt as well, for models that know no such setting."""
        if form == PLAIN:
            return model
        refused = self.learned.refused
        more: dict[str, Any] = {"stop": form.stop} if form.stop else {}
        if form.parallel_tool_calls is not None and "parallel_tool_calls" not in refused:
            more["parallel_tool_calls"] = form.parallel_tool_calls
        openai = is_openai(self.model)
        if form.output_schema is not None and openai and FORMAT not in refused:
            # Not as `response_format`: for that the client has a way of its own, which loses replies that are cut off.
            schema = {"name": "answer", "schema": form.output_schema}
            body = getattr(model, "extra_body", None) or {}
            more["extra_body"] = {**body, FORMAT: {"type": "json_schema", "json_schema": schema}}
        # OpenAI's words: for the one all of LangChain's models have another, and for the other most have none.
        choice = "any" if form.tool_choice == "required" else form.tool_choice
        if not form.tools or (choice == "none" and not openai):
            return model.bind(**more)
        try:
            return model.bind_tools(form.tools, tool_choice=choice, **more)
        except NotImplementedError:
            raise ModelUnreachable(f"model {self.name!r} cannot be given tools: choose one that calls tools") from None


@lru_cache(maxsize=MOST_COPIES)
def in_threads(kind: type[BaseChatModel]) -> type[BaseChatModel]:
    """Return a model class that blocks threads of its own; LangChain's are the loop's, which others wait for."""
    if kind._agenerate not in {BaseChatModel._agenerate, SimpleChatModel._agenerate}:  # noqa: SLF001
        return kind  # it has an asynchronous way of its own

    async def _agenerate(
        self: BaseChatModel,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **more: Any,
    ) -> ChatResult:
        told = run_manager.get_sync() if run_manager else None
        return await in_thread(lambda: self._generate(messages, stop, told, **more))

    return type(kind.__name__, (kind,), {"_agenerate": _agenerate, "__module__": kind.__module__})


def in_one(model: BaseChatModel) -> dict[str, Any]:
    """Return what makes a model answer in one try and in one piece.

    A client that tries again by itself passes the budget by, and a reply that streams may say nothing of its usage.
    One from LangChain's cache is no sample, and was not paid. Its rate limiter was waited for before.
    """
    fields = type(model).model_fields
    whole: dict[str, Any] = {"cache": False, "rate_limiter": None}
    if not (getattr(model, "streaming", False) and getattr(model, "stream_usage", False)):  # as some servers want it
        whole |= {"disable_streaming": True} | ({"streaming": False} if "streaming" in fields else {})
    if "max_retries" not in fields:
        return whole
    root = getattr(model, "root_async_client", None)
    if root is None:
        return {**whole, "max_retries": 0}
    client = root.with_options(max_retries=0)  # OpenAI's, and of whoever speaks as it does
    return {**whole, "max_retries": 0, "root_async_client": client, "async_client": client.chat.completions}


def is_openai(model: BaseChatModel) -> bool:
    """Say whether a model speaks as OpenAI's do."""
    return "openai_api_base" in type(model).model_fields


def finish_reason(message: AIMessage) -> object:
    """Return why a reply ended, in its provider's words, if it says so."""
    about = message.response_metadata
    return about.get("finish_reason") or about.get("stop_reason") or about.get("done_reason")


def read(message: AIMessage) -> Reply:
    """Take from a message what a candidate needs."""
    about, finish = message.response_metadata, finish_reason(message)
    return Reply(
        text=str(message.text),
        finish="stop" if finish is None else FINISHES.get(str(finish).lower(), "other"),
        usage=usage_of(message),
        mean_logprob=mean_logprob(about.get("logprobs")),
        tool_calls=[dict(call) for call in message.tool_calls],
    )


def mean_logprob(logprobs: object) -> float | None:
    """Return the mean log-probability of the tokens, in the form that OpenAI's chat API gives them."""
    tokens = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    said = [token.get("logprob") for token in tokens if isinstance(token, Mapping)] if isinstance(tokens, list) else []
    values = [value for value in map(number, said) if value is not None]
    return sum(values) / len(values) if values else None
