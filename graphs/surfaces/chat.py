"""A LangChain chat model that deliberates: put it where a chat model is, and each of its replies is a run."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextvars import Context, copy_context
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, cast

from langchain_core.callbacks import (
    AsyncCallbackManagerForLLMRun,
    CallbackManagerForLLMRun,
    UsageMetadataCallbackHandler,
)
from langchain_core.language_models import BaseChatModel, LangSmithParams, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableLambda, RunnableMap, RunnablePassthrough
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tools import BaseTool
from langchain_core.tracers.context import _configure_hooks
from langchain_core.utils.function_calling import convert_to_json_schema, convert_to_openai_tool
from pydantic import ConfigDict, Field, SkipValidation

from ...state.budget import Budget
from ...state.errors import UsageError
from ...state.pricing import RUN
from ...state.run import Problem
from ..app import Setup, VerifierLike, prepare
from ..models import ModelLike, as_model
from ..origin import masked
from .chats import arguments, form_of, message_of, policy_for, problem_of, settings_of
from .structured import Shape, parse

OUTPUT = ["answer", "problem"]
OPTIONS = {"policy", "effort", "assessor", "budget", "temperature", "max_tokens", "timeout", "max_retries", "seed"}
"""Fields that are settings of a run; a keyword of a call, or of `bind`, goes before them."""


class PonderChatModel(BaseChatModel):
    """Answers each chat by a run of ponder on another chat model; usage counts all of its calls.

    The policy is `adaptive` where replies can be compared (tools, a schema, a question with a number, a choice or a
    program for an answer), and else `direct`: of free words there is no majority. In a graph with a checkpointer a run
    is stored with it, and goes on with it where the process was killed.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    model: Annotated[ModelLike | None, SkipValidation] = None
    """As `create_ponder` takes it."""
    policy: str | None = None
    effort: str | None = None
    assessor: str | None = None
    budget: Budget | dict[str, float] | None = None
    """Of each reply."""
    verifier: Annotated[VerifierLike | None, SkipValidation] = None
    base_url: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    """Output tokens of one call."""
    timeout: float | None = None
    """Seconds one call may take."""
    max_retries: int | None = None
    stop: list[str] | None = None
    seed: int | None = None
    streaming: bool = False
    """Accepted as LangChain's models do; a reply streams when it is chosen, not before."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Further fields of `Settings`."""

    deliberates: ClassVar[bool] = True
    """As the model of a run it makes a run of each call, which costs what its own budget allows."""

    @property
    def _llm_type(self) -> str:
        return "ponder"

    @property
    def model_name(self) -> str:
        """The model that is asked."""
        return as_model(self.model).name

    @property
    def name_in_run(self) -> str:
        """What it is called as the model of a run: its calls are none of its model's, and take no place from those."""
        return RUN + self.model_name

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        made = self.model_dump(exclude={"model", "verifier", "base_url", *BaseChatModel.model_fields})
        told = {"verifier": repr(self.verifier), "base_url": self.base_url and masked(self.base_url)}
        return {"model_name": self.model_name, **made, **told}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        named = {"ls_provider": "ponder", "ls_model_name": kwargs.get("model") or self.model_name}
        return cast("LangSmithParams", super()._get_ls_params(stop=stop, **kwargs) | named)

    def _asked(
        self, messages: Sequence[BaseMessage], stop: Sequence[str] | None, asked: Mapping[str, Any]
    ) -> tuple[Problem, Setup]:
        """Return the problem of a chat, and what its run is made with."""
        problem = problem_of(messages, form_of(stop if stop is not None else self.stop, asked))
        return problem, self.setup(problem, asked)

    def setup(self, problem: Problem, asked: Mapping[str, Any]) -> Setup:
        """Return what the run of a problem is made with; keywords of its call go before the fields.

        Raises:
            UsageError: one of them cannot be used.

        """
        own = {name: value for name in OPTIONS if (value := getattr(self, name)) is not None}
        given = {**self.settings, **own, **asked}
        settings = settings_of({"policy": policy_for(problem, given.get("pool")), **given})
        return prepare(self.model, verifier=self.verifier, base_url=self.base_url, **settings.chosen)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        problem, setup = self._asked(messages, stop, kwargs)
        machine: Any = setup.machine(None)
        run = partial(machine.invoke, {"problem": problem}, context=setup.settings, output_keys=OUTPUT)
        output: dict[str, Any] = inside().run(run)
        if not is_of(output, problem):
            output = Context().run(run)
        return self._result(output, problem)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        problem, setup = self._asked(messages, stop, kwargs)
        machine: Any = setup.machine(None)
        run = partial(machine.ainvoke, {"problem": problem}, context=setup.settings, output_keys=OUTPUT)
        output: dict[str, Any] = await asyncio.create_task(run(), context=inside())
        if not is_of(output, problem):
            output = await asyncio.create_task(run(), context=Context())
        return self._result(output, problem)

    def _result(self, output: Mapping[str, Any], problem: Problem) -> ChatResult:
        message = message_of(output["answer"], problem, self.model_name)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        yield chunk_of(self._generate(messages, stop, run_manager, **kwargs))

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        yield chunk_of(await self._agenerate(messages, stop, run_manager, **kwargs))

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: dict[str, Any] | str | bool | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Let candidates call tools; they are voted on by name and arguments, and the calls of one are returned."""
        described = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
        return self.bind(tools=described, tool_choice=tool_choice, **kwargs)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        include_raw: bool = False,
        method: Literal["json_schema", "function_calling", "json_mode"] = "json_schema",
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Vote on objects of a schema; a candidate that does not meet it has no vote.

        Raises:
            UsageError: the schema is none.
            OutputParserException: when it is run, no candidate met it.

        """
        try:
            shape: Shape = convert_to_json_schema(schema, strict=strict)
        except (ValueError, TypeError, AttributeError, KeyError) as error:  # whatever langchain-core stumbles over
            raise UsageError(f"schema {str(schema)[:80]} cannot be used: give a class or a JSON Schema") from error
        told = {"kwargs": {"method": method}, "schema": shape}
        if method == "function_calling":
            asking = self.bind_tools([schema], tool_choice="any", ls_structured_output_format=told, **kwargs)
        else:
            form = {"type": "json_schema", "json_schema": {"name": shape.get("title", "answer"), "schema": shape}}
            asking = self.bind(response_format=form, ls_structured_output_format=told, **kwargs)
        reading = RunnableLambda(partial(parse, schema, shape))
        if not include_raw:
            return asking | reading
        read = RunnablePassthrough.assign(parsed=(lambda said: said["raw"]) | reading, parsing_error=lambda _: None)
        unread = RunnablePassthrough.assign(parsed=lambda _: None)
        return RunnableMap(raw=asking) | read.with_fallbacks([unread], exception_key="parsing_error")


def inside() -> Context:
    """Return the context of the run inside a call: that of the call, without its callbacks.

    They see one call, which has the tokens of all: those inside would be counted twice, and a graph that streams its
    models' messages would show every candidate.
    """
    context, ambient = copy_context(), var_child_runnable_config.get()
    for counter, *_ in _configure_hooks:  # LangChain's way to count all that is used within a block
        if isinstance(counter.get(), UsageMetadataCallbackHandler):
            context.run(counter.set, None)
    if ambient:
        context.run(var_child_runnable_config.set, {**ambient, "callbacks": None})
    return context


def is_of(output: Mapping[str, Any], problem: Problem) -> bool:
    """Say whether an output belongs to a problem.

    LangGraph numbers the graphs that one node calls: where it calls several at once, and their order is another one
    when the node is repeated after a crash, it hands each the stored run of its neighbour.
    """
    found: Problem = output["problem"]
    return found.model_copy(update={"epoch": problem.epoch}) == problem


def chunk_of(result: ChatResult) -> ChatGenerationChunk:
    """Return a whole reply as the one chunk of a stream."""
    message = cast("AIMessage", result.generations[0].message)
    calls = [
        tool_call_chunk(name=call["name"], args=arguments(call), id=call["id"], index=index)
        for index, call in enumerate(message.tool_calls)
    ]
    chunk = AIMessageChunk(
        content=message.content,
        tool_call_chunks=calls,
        usage_metadata=message.usage_metadata,
        response_metadata=message.response_metadata,
        chunk_position="last",
    )
    return ChatGenerationChunk(message=chunk)
