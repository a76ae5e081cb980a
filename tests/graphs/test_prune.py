"""Old runs are pruned, any are deleted, and nobody's who works on one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ponder.graphs import resume
from ponder.state import SQLAlchemySaver, ThreadBusy, ThreadNotFound
from tests.fakes import ScriptedModel, always
from tests.graphs.commands import Done, Ponder, command
from tests.graphs.stored_runs import finish, grow_old, hold_elsewhere, interrupt, leave_foreign, listed, rows_left
from tests.state.stores import KINDS, databases


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield from databases(request.param, tmp_path)


@pytest.fixture
def saver(store: str) -> Iterator[SQLAlchemySaver]:
    with SQLAlchemySaver.from_conn_string(store) as opened:
        yield opened


@pytest.fixture
def ponder(store: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ponder:
    monkeypatch.setenv("COLUMNS", "80")
    return command(monkeypatch, capsys, store)


@pytest.fixture
def local(tmp_path: Path) -> str:
    """A store for what does not depend on the database."""
    return f"sqlite:///{tmp_path}/local.db"


def test_prune_deletes_what_is_old_and_keeps_what_is_unfinished_running_or_not_ours(
    ponder: Ponder, saver: SQLAlchemySaver
) -> None:
    finish(saver, "young")
    finish(saver, "old")
    finish(saver, "busy")
    interrupt(saver, "open")
    leave_foreign(saver, "foreign")
    for thread in ("old", "busy", "open", "foreign"):
        grow_old(saver, thread, days=31)
    hold_elsewhere(saver, "busy")
    dry = ponder("runs", "prune", "--keep", "30d", "--dry-run").out.splitlines()
    assert dry == [
        "would be deleted    old",
        "kept       open  unfinished: resume it, or give --unfinished",
        "kept       busy  running",
        "would be deleted 1, shortened 0, kept 2",
    ]
    assert len(listed(ponder)) == 5
    assert ponder("runs", "prune", "--keep", "40d").out == "deleted 0, shortened 0, kept 0\n"
    told = json.loads(ponder("runs", "prune", "--keep", "4.2w", "--json").out)
    assert told == {
        "dry_run": False,
        "deleted": ["old"],
        "shortened": {},
        "kept_unfinished": ["open"],
        "kept_running": ["busy"],
        "kept_unreadable": [],
        "unbegun": 0,
    }
    assert ponder("runs", "prune", "--keep", "30d", "--unfinished").out.splitlines()[0] == "deleted    open"
    assert sorted(listed(ponder)) == ["busy", "foreign", "young"]


def test_prune_shortens_finished_runs_to_their_outcome(ponder: Ponder, saver: SQLAlchemySaver) -> None:
    finish(saver, "done")
    interrupt(saver, "open")
    leave_foreign(saver, "foreign")
    before, counts = json.loads(ponder("runs", "export", "done").out), rows_left(saver)
    assert "shortened 1" in ponder("runs", "prune", "--history", "--dry-run").out
    assert rows_left(saver) == counts
    dropped = json.loads(ponder("runs", "prune", "--history", "--json").out)["shortened"]
    after = json.loads(ponder("runs", "export", "done").out)
    changed = {"checkpoints", "age_seconds"}
    assert {k: v for k, v in after.items() if k not in changed} == {k: v for k, v in before.items() if k not in changed}
    assert dropped == {"done": before["checkpoints"] - after["checkpoints"]}
    assert rows_left(saver) < counts
    assert ponder("runs", "prune", "--history").out == "deleted 0, shortened 0, kept 0\n"
    assert resume("open", store=saver, model=ScriptedModel(always("2"))).answer == "2"


@pytest.mark.parametrize("age", ["30", "d", "-1d", "1y", "", "3 d", "1e3d", "٣d"])
def test_an_age_that_is_none_is_named(age: str, local: str, monkeypatch: Any, capsys: Any) -> None:
    done = command(monkeypatch, capsys, local)("runs", "prune", "--keep", age)
    assert (done.code, done.out) == (2, "")
    assert done.err == f"error: --keep {age!r} is not an age: give a number and one of s, m, h, d, w, such as 30d\n"


def test_prune_needs_to_be_told_what(local: str, monkeypatch: Any, capsys: Any) -> None:
    done = command(monkeypatch, capsys, local)("runs", "prune")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "give --keep AGE, such as --keep 30d, or --history" in done.err


def test_delete_leaves_nothing_of_a_run(ponder: Ponder, saver: SQLAlchemySaver) -> None:
    finish(saver, "one")
    interrupt(saver, "two")
    leave_foreign(saver, "three")
    assert ponder("runs", "delete", "one", "three", "one") == Done(0, "deleted one\ndeleted three\n", "")
    assert listed(ponder) == ["two"]
    assert ponder("runs", "delete", "two", "--json").out == '{"deleted": ["two"]}\n'
    assert rows_left(saver) == 0


def test_delete_refuses_a_running_thread_and_an_unknown_one_and_then_deletes_none(
    ponder: Ponder, saver: SQLAlchemySaver
) -> None:
    finish(saver, "one")
    finish(saver, "busy")
    hold_elsewhere(saver, "busy")
    done = ponder("runs", "delete", "one", "busy")
    assert (done.code, done.out, done.err.count("\n")) == (5, "", 1)
    assert "error: thread 'busy' is worked on by process 1 on 'elsewhere' until" in done.err
    done = ponder("runs", "delete", "one", "nope")
    assert (done.code, done.out) == (2, "")
    assert done.err == "error: thread 'nope' does not exist in this store: see `ponder runs list`\n"
    assert sorted(listed(ponder)) == ["busy", "one"]


def test_what_was_killed_before_it_stored_anything_is_told_and_pruned(ponder: Ponder, saver: SQLAlchemySaver) -> None:
    finish(saver, "done")
    hold_elsewhere(saver, "early")
    with pytest.raises(ThreadBusy, match=r"'early' is worked on by process 1 on 'elsewhere' until .* wait for it"):
        resume("early", store=saver, model=ScriptedModel(always("2")))
    assert ponder("runs", "prune", "--keep", "0s", "--dry-run").out.splitlines()[-1].startswith("would be deleted 1,")
    hold_elsewhere(saver, "killed", ended=3600)
    with pytest.raises(ThreadNotFound, match=r"'killed' was begun by a process that ended before .* nothing was paid"):
        resume("killed", store=saver, model=ScriptedModel(always("2")))
    assert "was begun by a process that ended" in ponder("runs", "show", "killed").err
    told = "deleted    1 of which nothing was stored: killed as they began"
    assert told not in ponder("runs", "prune", "--keep", "2h").out
    assert f"would be {told}" in ponder("runs", "prune", "--keep", "30m", "--dry-run").out
    before = rows_left(saver)
    assert told in ponder("runs", "prune", "--keep", "30m").out
    assert rows_left(saver) == before - 1
    assert "'killed' does not exist in this store" in ponder("runs", "show", "killed").err
    assert listed(ponder) == ["done"]
