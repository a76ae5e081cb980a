"""A store, and a saver on it, on each database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ponder.state import SQLAlchemySaver
from tests.state.stores import KINDS, databases


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield from databases(request.param, tmp_path)


@pytest.fixture
def saver(store: str) -> Iterator[SQLAlchemySaver]:
    with SQLAlchemySaver.from_conn_string(store) as opened:
        yield opened
