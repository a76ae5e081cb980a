"""Collects the OpenTelemetry spans that a test makes."""

from collections.abc import Iterator
from functools import cache

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


@cache
def exporter() -> InMemorySpanExporter:
    """Set the process's provider, which can be done once."""
    collected, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(collected))
    trace.set_tracer_provider(provider)
    return collected


class Spans:
    """The spans that have ended since the test began."""

    @property
    def all(self) -> tuple[ReadableSpan, ...]:
        return exporter().get_finished_spans()

    @property
    def runs(self) -> list[ReadableSpan]:
        return [span for span in self.all if span.name.startswith("invoke_agent")]

    @property
    def calls(self) -> list[ReadableSpan]:
        return [span for span in self.all if span.name.startswith("chat")]


@pytest.fixture
def spans() -> Iterator[Spans]:
    exporter().clear()
    yield Spans()
    exporter().clear()


def id_of(span: ReadableSpan) -> int:
    assert span.context
    return span.context.span_id


def trace_of(span: ReadableSpan) -> int:
    assert span.context
    return span.context.trace_id


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent and span.parent.span_id


def about(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})
