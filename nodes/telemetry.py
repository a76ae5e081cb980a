"""What a run tells whoever watches the process: log lines, and OpenTelemetry spans where its API is installed.

Neither holds a prompt, an answer or the words of an error, which may repeat a key: only ids, names, numbers and kinds;
`genai.py` has the one exception.
"""

import logging
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import cache
from importlib.metadata import version
from types import ModuleType
from typing import TYPE_CHECKING, Any, get_args

from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langgraph.errors import GraphBubbleUp
from langsmith import tracing_context

from ..state.budget import Call, Limit
from ..state.errors import PonderError, causes
from ..state.run import Asked
from .genai import asking, operation, outcome
from .ports import CallFailed, Request

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

    from .events import Event

RUN = "__ponder_run"
"""Where a config names the span of its run; LangGraph keeps keys like this out of the metadata of checkpoints."""
running: dict[str, "Span"] = {}

logging.getLogger("ponder").addHandler(logging.NullHandler())
of_runs = logging.getLogger("ponder.run")
of_calls = logging.getLogger("ponder.call")
unheard: ContextVar[bool] = ContextVar("unheard", default=False)
for logger in (of_runs, of_calls):
    logger.addFilter(lambda _: not unheard.get())


@contextmanager
def unwatched() -> Iterator[None]:
    """Tell nobody meanwhile: what runs is a play; langchain-core's tracers, which LangSmith's is one of, included."""
    token = unheard.set(True)
    try:
        with tracing_context(enabled=False):
            yield
    finally:
        unheard.reset(token)


@contextmanager
def watch_run(model: str, config: RunnableConfig | None, bound: RunnableConfig | None) -> Iterator[Any]:
    """Tell that a run begins and how it ends; give the config by which its steps find its span.

    The span is not made the current one: a stream that is left half read would leave it so.
    """
    thread, began = thread_of(config, bound), time.perf_counter()
    about = operation("invoke_agent", model, thread) | {"gen_ai.agent.name": "ponder"}
    of_runs.info("%s: run begins", thread or "-")
    with spanned("invoke_agent ponder", "INTERNAL", about) as span:
        try:
            with findable(span, config) as given:
                yield given
        except BaseException as error:
            kind, level = type(error).__name__, level_of(error)
            of_runs.log(level, "%s: run stopped after %.2f s: %s", thread or "-", time.perf_counter() - began, kind)
            # The one is a reader who has seen enough, the other a run inside another graph that waits for a person.
            if not isinstance(error, GeneratorExit | GraphBubbleUp):
                mark(span, kind)
            raise
    of_runs.info("%s: run ended after %.2f s", thread or "-", time.perf_counter() - began)


@contextmanager
def findable(span: "Span | None", config: RunnableConfig | None) -> Iterator[Any]:
    """Name the span of a run in its config."""
    if span is None:
        yield config
        return
    given, key = config or {}, secrets.token_hex(8)
    running[key] = span
    try:
        yield {**given, "configurable": {**given.get("configurable", {}), RUN: key}}
    finally:
        del running[key]


def within(config: RunnableConfig) -> AbstractContextManager[object]:
    """Be inside the span of the run meanwhile, on whichever thread and loop this is."""
    return current(running.get(config.get("configurable", {}).get(RUN, "")))


@contextmanager
def watch_call(
    call: Call, model: str, messages: Sequence[BaseMessage], request: Request
) -> Iterator[Callable[[Asked], Asked]]:
    """Tell of one call to a model; the function given takes its outcome in."""
    thread = thread_of()

    def settled(asked: Asked) -> Asked:
        tell(span, outcome(asked))
        report(asked.call, thread)
        if asked.call.state == "lost":
            mark(span, "timeout")
        return asked

    if call.attempt:
        of_calls.info("%s: call %s is tried again", thread or "-", call.id)
    about = operation("chat", model, thread)
    with spanned(f"chat {about['gen_ai.request.model']}", "CLIENT", about) as span, current(span):
        tell(span, asking(call, messages, request))
        try:
            yield settled
        except BaseException as error:
            failed(call, error)
            raise


def failed(call: Call, error: BaseException) -> None:
    """Tell why a call came to nothing; its span is the current one."""
    kind, trace = kind_of(error), otel()
    of_calls.log(level_of(error), "%s: call %s failed: %s", thread_of() or "-", call.id, kind)
    mark(trace.get_current_span() if trace else None, kind)


def replayed(asked: Asked) -> Asked:
    """Tell of a call that is not made, because the journal knows it; it has no span."""
    lost = asked.call.state == "lost"
    said = "is lost: it was cut off" if lost else "is not made again: the journal knows its reply"
    of_calls.log(logging.WARNING if lost else logging.DEBUG, "%s: call %s %s", thread_of() or "-", asked.call.id, said)
    return asked


def report(call: Call, thread: str) -> None:
    """Log what a call came to."""
    usage, level = call.usage, {"lost": logging.WARNING, "dropped": logging.INFO}.get(call.state, logging.DEBUG)
    told = (call.id, call.kind, call.state, call.seconds, usage.input_tokens, usage.output_tokens)
    of_calls.log(level, "%s: call %s (%s) %s: %.2f s, %d + %d tokens", thread or "-", *told)


def announce(event: "Event") -> None:
    """Log the turns that a run takes."""
    thread = thread_of() or "-"
    if event.type == "replaced":
        of_runs.info("%s: takes the place of a finished run", thread)
    elif event.type == "assessed":
        found = event.assessment
        of_runs.info("%s: assessed as %s, difficulty %g", thread, found.level, found.difficulty)
    elif event.type == "escalated":
        most = event.assessment.compute_budget
        of_runs.info("%s: escalated to %s, compute budget %d", thread, event.branch, most)
    elif event.type == "finished":
        of_runs.info("%s: branch %s ended: %s", thread, event.branch, event.reason)
    elif event.type == "selected":
        chosen = event.selection
        level = logging.WARNING if event.reason in get_args(Limit) else logging.INFO
        how = (event.reason, chosen.decided_by, chosen.confidence)
        of_runs.log(level, "%s: stopped: %s; decided by %s, confidence %.2f", thread, *how)


@cache
def otel() -> ModuleType | None:
    """Return OpenTelemetry's trace API, where it is installed."""
    try:
        from opentelemetry import trace
    except ImportError:
        return None
    return trace


@cache
def tracer() -> "Tracer | None":
    """Return ponder's tracer; it follows the provider that the application sets, also later."""
    trace = otel()
    found: Tracer | None = trace.get_tracer("ponder", version("ponder")) if trace else None
    return found


@contextmanager
def spanned(name: str, kind: str, about: dict[str, Any]) -> Iterator["Span | None"]:
    """Open a span and close it; None where nobody traces."""
    trace, making = otel(), tracer()
    if trace is None or making is None or unheard.get():
        yield None
        return
    span = making.start_span(name, kind=trace.SpanKind[kind], attributes=about)
    try:
        yield span if span.get_span_context().is_valid else None
    finally:
        span.end()


def current(span: "Span | None") -> AbstractContextManager[object]:
    """Make a span the current one meanwhile; exceptions are not recorded, for their words may be secret."""
    trace = otel()
    if trace is None or span is None:
        return nullcontext()
    used: AbstractContextManager[object] = trace.use_span(span, record_exception=False, set_status_on_exception=False)
    return used


def tell(span: "Span | None", about: dict[str, Any]) -> None:
    """Write attributes into a span."""
    if span is not None:
        span.set_attributes(about)


def mark(span: "Span | None", kind: str) -> None:
    """Mark a span as failed."""
    trace = otel()
    if trace is not None and span is not None:
        span.set_attribute("error.type", kind)
        span.set_status(trace.StatusCode.ERROR)


def level_of(error: BaseException) -> int:
    """Return the level at which an ending is told: to be cancelled or left, or to wait for a person, is no fault."""
    return logging.WARNING if isinstance(error, Exception) and not isinstance(error, GraphBubbleUp) else logging.INFO


def kind_of(error: BaseException) -> str:
    """Name a failure by its HTTP status, else by the exception of the client library, else by ours."""
    chain = list(causes(error))
    for cause in chain:
        status = getattr(cause, "status", None) or getattr(cause, "status_code", None)
        if isinstance(status, int):
            return str(status)
    foreign = (type(cause).__name__ for cause in chain if not isinstance(cause, CallFailed | PonderError))
    return next(foreign, type(error).__name__)


def thread_of(*configs: RunnableConfig | None) -> str:
    """Return the thread that the first of the configs names, else that of the step that runs; empty without one."""
    for config in (*configs, var_child_runnable_config.get()):
        thread = (config or {}).get("configurable", {}).get("thread_id")
        if thread is not None:
            return str(thread)
    return ""
