"""The journal knows a call by its place in a run, and its reply by the request as well; on every database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ponder.state import SQLAlchemySaver
from ponder.state.budget import Call, CallKey
from ponder.state.journal import Begun
from ponder.state.run import Asked, Reply
from tests.state.savers import on, put
from tests.state.stores import KINDS, databases

ONE, OTHER = CallKey("place", "one"), CallKey("place", "other")
CALL = Call(id="1", kind="sample", branch="direct")
FAILED, ANSWERED = Asked(CALL.model_copy(update={"state": "failed"})), Asked(CALL, Reply("2"))


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield from databases(request.param, tmp_path)


@pytest.mark.parametrize("ended", [None, FAILED, ANSWERED])
async def test_a_call_is_made_once_at_its_place_and_in_a_fork_once_for_each_request(
    store: str, ended: Asked | None
) -> None:
    async with SQLAlchemySaver(store) as saver:
        config = await saver.threaded(put, saver, on(), {"v": 1})
        calls = saver.journal("t", {"": config["configurable"]["checkpoint_id"]})
        assert await calls.begin(ONE) == Begun(first=True)
        if ended:
            await calls.finish(ONE, ended)
        for request in (ONE, OTHER):
            found = await calls.begin(request)
            assert (found.first, found.asked) == (False, ended)
        assert await calls.begin(CallKey("next place", "one")) == Begun(first=True)
        await saver.threaded(put, saver, config, {"v": 2}, 2)  # the step has ended: who begins it again is a fork
        found = await calls.begin(ONE)
        assert (found.first, found.asked) == (False, ended)
        assert await calls.begin(OTHER) == Begun(first=True)
        await calls.forget(OTHER)
        assert await calls.begin(OTHER) == Begun(first=True)
