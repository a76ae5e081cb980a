"""LangGraph's own conformance suite, over our saver, on each database."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from langgraph.checkpoint.conformance import checkpointer_test, validate

from ponder.state import SQLAlchemySaver
from tests.state.stores import KINDS, databases


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield from databases(request.param, tmp_path)


async def test_every_capability_of_the_conformance_suite_holds(store: str) -> None:
    @checkpointer_test(name="SQLAlchemySaver")
    async def saver() -> AsyncIterator[SQLAlchemySaver]:
        async with SQLAlchemySaver.from_conn_string(store) as opened:
            yield opened

    report = await validate(saver)
    report.print_report()
    assert report.passed_all()
