"""LangGraph's own conformance suite, over our saver."""

from collections.abc import AsyncIterator
from pathlib import Path

from langgraph.checkpoint.conformance import checkpointer_test, validate

from ponder.state import SQLAlchemySaver


async def test_every_capability_of_the_conformance_suite_holds_on_sqlite(tmp_path: Path) -> None:
    @checkpointer_test(name="SQLAlchemySaver")
    async def saver() -> AsyncIterator[SQLAlchemySaver]:
        async with SQLAlchemySaver.from_conn_string(f"sqlite:///{tmp_path}/store.db") as opened:
            yield opened

    report = await validate(saver)
    report.print_report()
    assert report.passed_all()
