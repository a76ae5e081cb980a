"""Values under a key: another one, or none, reads nothing, and says what to do."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from ponder.graphs import aresume, asolve
from ponder.state import SQLAlchemySaver, StoreError
from ponder.state.tables import digest
from ponder.state.threads import look
from tests.fakes import ScriptedModel, always
from tests.state.savers import on, pending, put, values_of

RIGHT, WRONG = "right-key-right-key-right-key-32", "wrong-key-wrong-key-wrong-key-32"


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give a store with a checkpoint under the right key."""
    monkeypatch.setenv("PONDER_AES_KEY", RIGHT)
    url = f"sqlite:///{tmp_path}/store.db"
    with SQLAlchemySaver(url) as saver:
        saver.put_writes(put(saver, on(), {"text": "x" * 100}), [("text", "y")], "task")
    return url


READING: list[Callable[[SQLAlchemySaver], object]] = [
    lambda saver: saver.get_tuple(on()),
    lambda saver: list(saver.list(on())),
    lambda saver: list(saver.list(on(), filter={"step": 1})),
    lambda saver: saver.prune(["t"]),
]


@pytest.mark.parametrize("key", [WRONG, "a-key-of-16-byte", None])
def test_another_key_or_none_is_one_clear_error(url: str, key: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PONDER_AES_KEY") if key is None else monkeypatch.setenv("PONDER_AES_KEY", key)
    with SQLAlchemySaver(url) as saver:
        for read in READING:
            with pytest.raises(StoreError, match="set PONDER_AES_KEY to the key that it was written with") as caught:
                read(saver)
            assert "\n" not in str(caught.value)
            assert not any(secret in str(caught.value) for secret in (RIGHT, WRONG))
        (thread,) = look(saver, [digest("t")])
        assert (thread.id, thread.status, thread.checkpoints, thread.age < 60) == ("t", "unreadable", 1, True)
        assert thread.unreadable.startswith("set PONDER_AES_KEY to the key that it was written with")
    monkeypatch.setenv("PONDER_AES_KEY", RIGHT)
    with SQLAlchemySaver(url) as saver:
        assert values_of(saver, on()) == {"text": "x" * 100}
        assert pending(saver, on()) == [("task", "text", "y")]


def test_a_key_of_a_wrong_length_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PONDER_AES_KEY", "short")
    with pytest.raises(StoreError, match="PONDER_AES_KEY has 5 bytes: give it 16, 24 or 32"):
        SQLAlchemySaver(f"sqlite:///{tmp_path}/store.db")
    assert list(tmp_path.iterdir()) == []


def test_what_was_written_before_there_was_a_key_can_still_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    monkeypatch.delenv("PONDER_AES_KEY", raising=False)
    with SQLAlchemySaver(url) as saver:
        put(saver, on(), {"text": "x" * 100})
    monkeypatch.setenv("PONDER_AES_KEY", RIGHT)
    with SQLAlchemySaver(url) as saver:
        assert values_of(saver, on()) == {"text": "x" * 100}


async def test_a_run_is_not_resumed_under_another_key(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ScriptedModel(always("2"), latency=60)
    run = asyncio.create_task(asolve("1 + 1?", model=model, store=url, thread_id="run", policy="direct"))
    while not model.flying:  # noqa: ASYNC110 - the fake counts, it does not signal
        await asyncio.sleep(0)
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    model.latency = 0
    monkeypatch.setenv("PONDER_AES_KEY", WRONG)
    with pytest.raises(StoreError, match="set PONDER_AES_KEY"):
        await aresume("run", model=model, store=url)
    monkeypatch.setenv("PONDER_AES_KEY", RIGHT)
    assert (await aresume("run", model=model, store=url)).answer == "2"
