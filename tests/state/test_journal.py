"""The journal knows a call by its place in a run, and its reply by the request as well; on every database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ponder.state import SQLAlchemySaver
from ponder.state.budget import Call
from ponder.state.journal import Begun
from ponder.state.run import Asked, CallKey, Reply
from tests.state.savers import on, put
from tests.state.stores import KINDS, databases

ONE, OTHER = CallKey("place", "one"), CallKey("place", "other")
CALL = Call(id="1", kind="sample", branch="direct")
FAILED, ANSWERED = Asked(CALL.model_copy(update={"state": "failed"})), Asked(CALL, Reply("2"))


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield from databases(request.param, tmp_path)


@pytest.mark.parametrize(
    ("ended", "known"),
    [(None, Begun(first=False)), (FAILED, Begun(first=False, asked=FAILED)), (ANSWERED, Begun(first=True))],
)
async def test_a_call_is_made_once_at_its_place_and_in_a_fork_a_reply_is_one_to_its_request(
    store: str, ended: Asked | None, known: Begun
) -> None:
    async with SQLAlchemySaver(store) as saver:
        config = await saver.threaded(put, saver, on(), {"v": 1})
        calls = saver.journal("t", {"": config["configurable"]["checkpoint_id"]})
        assert await calls.begin(ONE) == Begun(first=True)
        if ended:
            await calls.finish(ONE, ended)
        await saver.threaded(put, saver, config, {"v": 2}, 2)  # the step has ended: who begins it again is a fork
        assert await calls.begin(ONE) == Begun(first=False, asked=ended)
        assert await calls.begin(OTHER) == known
        assert await calls.begin(CallKey("next place", "one")) == Begun(first=True)
        await calls.forget(ONE)
        assert (await calls.begin(ONE)).first is (known.first is False)


async def test_a_reply_is_kept_where_a_step_that_was_cut_off_goes_on_with_another_request(store: str) -> None:
    async with SQLAlchemySaver(store) as saver:
        config = await saver.threaded(put, saver, on(), {"v": 1})
        calls = saver.journal("t", {"": config["configurable"]["checkpoint_id"]})
        await calls.begin(ONE)
        await calls.finish(ONE, ANSWERED)
        assert await calls.begin(OTHER) == Begun(first=False, asked=ANSWERED)
