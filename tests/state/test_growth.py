"""Lists that grow are stored as what is new in them, and always come back whole."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.runnables import RunnableConfig
from sqlalchemy import func, select

from ponder.state import SQLAlchemySaver, StoreError
from ponder.state.growth import joined
from ponder.state.run import Candidate
from ponder.state.serde import Serializer, pack
from ponder.state.tables import blobs
from tests.state.savers import count, made, on, put, values_of

WORDS = [f"{number:04}" * 25 for number in range(400)]


def step(saver: SQLAlchemySaver, config: RunnableConfig, items: list[Any], last: str | None = None) -> RunnableConfig:
    """Store a list under the next version, as a step of a graph does."""
    version = saver.get_next_version(last, None)
    return put(saver, config, {"items": items}, version)


def grow(saver: SQLAlchemySaver, config: RunnableConfig, lengths: range, items: list[Any] = WORDS) -> RunnableConfig:
    last: str | None = None
    for length in lengths:
        last = saver.get_next_version(last, None)
        config = put(saver, config, {"items": items[:length]}, last)
    return config


def stored(saver: SQLAlchemySaver) -> int:
    """Count the bytes of the values stored."""
    with saver.reads() as connection:
        return int(connection.scalar(select(func.sum(func.length(blobs.c.data)))) or 0)


def chains(saver: SQLAlchemySaver) -> tuple[int, int]:
    """Count the versions stored whole, and as additions."""
    with saver.reads() as connection:
        added = connection.scalar(select(func.count(blobs.c.prior))) or 0
    return count(saver, blobs)[0] - added, added


def test_storage_grows_in_proportion_and_every_version_comes_back(saver: SQLAlchemySaver) -> None:
    grow(saver, on("half"), range(1, 201))
    half = stored(saver)
    grow(saver, on("whole"), range(1, 401))
    assert stored(saver) - half <= 2.2 * half
    assert half <= 4 * 200 * 102
    whole, added = chains(saver)
    assert whole < 40
    assert added > 500
    lengths = [len(found.checkpoint["channel_values"]["items"]) for found in saver.list(on("whole"))]
    assert lengths == list(range(400, 0, -1))
    assert values_of(saver, on("whole")) == {"items": WORDS}
    for found in list(saver.list(on("half")))[::37]:
        items = values_of(saver, found.config)["items"]
        assert items == WORDS[: len(items)] == found.checkpoint["channel_values"]["items"]


def test_another_process_goes_on_where_one_stopped(store: str) -> None:
    with SQLAlchemySaver.from_conn_string(store) as first:
        config = grow(first, on(), range(50, 60))
        last = first.get_tuple(on())
        assert last
        version = str(last.checkpoint["channel_versions"]["items"])
    with SQLAlchemySaver.from_conn_string(store) as second:
        assert values_of(second, on()) == {"items": WORDS[:59]}
        step(second, config, WORDS[:60], version)
        assert chains(second) == (1, 10)
        assert values_of(second, on()) == {"items": WORDS[:60]}


@pytest.mark.parametrize(
    "changed",
    [
        [*WORDS[:30], "new"],
        ["new", *WORDS[:50]],
        [*WORDS[:20], "new", *WORDS[21:60]],
        WORDS[:10],
        [],
        None,
        {"not": "a list"},
        tuple(WORDS[:60]),
    ],
    ids=["shorter", "shifted", "edited", "cut", "empty", "none", "dict", "tuple"],
)
def test_what_did_not_grow_by_appending_is_stored_whole(saver: SQLAlchemySaver, changed: Any) -> None:
    config = grow(saver, on(), range(50, 53))
    last = saver.get_tuple(on())
    assert last
    step(saver, config, changed, str(last.checkpoint["channel_versions"]["items"]))
    assert values_of(saver, on()) == {"items": changed}
    assert chains(saver)[1] == 2


def test_forks_grow_from_where_they_branch_off(saver: SQLAlchemySaver) -> None:
    version = saver.get_next_version(None, None)
    root = put(saver, on(), {"items": WORDS[:50]}, version)
    ends = {}
    for name in ("left", "right", "third"):
        saver.get_tuple(root)
        config, last = root, version
        for length in (1, 2, 3):
            last = saver.get_next_version(last, None)
            config = put(saver, config, {"items": [*WORDS[:50], *[name] * length]}, last)
            ends[name, length] = config
    for (name, length), config in ends.items():
        assert values_of(saver, config) == {"items": [*WORDS[:50], *[name] * length]}


def test_a_version_that_was_never_committed_is_never_added_to(saver: SQLAlchemySaver) -> None:
    version = saver.get_next_version(None, None)
    lost = made({"items": WORDS[:50]}, version)
    saver.codec.putting(on(), lost, {}, lost["channel_versions"])  # serialised, and then the process could not store it
    step(saver, on(), WORDS[:51], version)
    assert chains(saver) == (1, 0)
    assert values_of(saver, on()) == {"items": WORDS[:51]}


def test_a_version_deleted_by_another_process_is_never_added_to(store: str) -> None:
    with SQLAlchemySaver.from_conn_string(store) as here, SQLAlchemySaver.from_conn_string(store) as there:
        config = grow(here, on(), range(50, 53))
        there.delete_thread("t")
        version = here.get_next_version(here.get_next_version(here.get_next_version(None, None), None), None)
        step(here, config, WORDS[:53], version)
        assert chains(here) == (1, 0)
        assert values_of(there, on()) == {"items": WORDS[:53]}


def test_numbers_as_versions_are_given_twice_and_never_added_to(saver: SQLAlchemySaver) -> None:
    root = put(saver, on(), {"items": WORDS[:50]}, 1)
    put(saver, root, {"items": WORDS[:51]}, 2)
    put(saver, root, {"items": [*WORDS[:50], "fork"]}, 2.5)
    assert chains(saver) == (3, 0)


def test_a_saver_forgets_lists_rather_than_grow_itself(saver: SQLAlchemySaver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ponder.state.growth.REMEMBERED", 3)
    for thread in "abcde":
        step(saver, on(thread), WORDS[:50])
    assert len(saver.growth.known) == 3


def test_a_list_whose_parts_are_gone_says_so(saver: SQLAlchemySaver) -> None:
    grow(saver, on(), range(50, 53))
    with saver.writes() as connection:
        connection.execute(blobs.delete().where(blobs.c.prior.is_(None)))
    with pytest.raises(StoreError, match=r"a list cannot be put together: .* restore a backup"):
        saver.get_tuple(on())


def test_an_encrypted_list_grows_as_well_and_nothing_is_in_clear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PONDER_AES_KEY", "k" * 32)
    text = "the plaintext that nobody may read"
    items = [f"{text} {number}" for number in range(100)]
    with SQLAlchemySaver.from_conn_string(f"sqlite:///{tmp_path}/store.db") as saver:
        config = grow(saver, on(), range(50, 60), items)
        saver.put_writes(config, [("items", items[:1]), ("__interrupt__", text)], "task")
        put(saver, on("whole"), {"text": text * 3, "small": text})
        assert chains(saver) == (2, 9)
    with SQLAlchemySaver.from_conn_string(f"sqlite:///{tmp_path}/store.db") as again:
        assert values_of(again, on()) == {"items": items[:59]}
        assert values_of(again, on("whole")) == {"text": text * 3, "small": text}
        last = again.get_tuple(on())
        assert last
        step(again, config, items[:60], str(last.checkpoint["channel_versions"]["items"]))
        assert chains(again) == (2, 10)
        again.prune(["t"])
        assert values_of(again, on()) == {"items": items[:60]}
    raw = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert len(raw) > 10_000
    assert b"plaintext" not in raw


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers() | st.text(max_size=3) | st.none() | st.tuples(st.floats()), max_size=40)))
def test_arrays_joined_are_the_array_of_all_items(parts: list[list[Any]]) -> None:
    serde = Serializer()
    every = [item for part in parts for item in part] if parts else []
    arrays = [serde.dumps_typed(part)[1] for part in parts] or [serde.dumps_typed([])[1]]
    assert repr(serde.loads_typed(("msgpack", joined(arrays)))) == repr(every)


@pytest.mark.parametrize("items", [15, 16, 65_535, 65_536, 65_537])
def test_arrays_of_any_length_are_joined(items: int) -> None:
    serde, numbers = Serializer(), [number % 100 for number in range(items)]
    halves = [serde.dumps_typed(numbers[: items // 2])[1], serde.dumps_typed(numbers[items // 2 :])[1]]
    assert joined(halves) == serde.dumps_typed(numbers)[1]


@given(st.lists(st.text(max_size=20) | st.just("half a \ud83d surrogate"), max_size=40), st.integers(0, 3))
def test_a_list_of_records_is_written_alike_the_first_time_and_again(texts: list[str], more: int) -> None:
    serde = Serializer([Candidate])
    records = [Candidate(id=str(number), text=text) for number, text in enumerate(texts)]
    longer = [*records, *(Candidate(id=f"more {number}", text="new") for number in range(more))]
    for items in (records, longer, records):
        assert serde.dumps_typed(items) == ("msgpack", pack(items))
        assert serde.loads_typed(serde.dumps_typed(items)) == items
