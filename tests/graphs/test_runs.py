"""What a store holds, on the command line: list, show, export, prune, delete; and what can be resumed."""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig

from ponder.graphs import create_ponder, resume
from ponder.state import SQLAlchemySaver, UsageError
from ponder.state.tables import digest, metadata
from ponder.state.threads import look
from tests.fakes import ScriptedModel, always
from tests.graphs.commands import Done, Ponder, command
from tests.graphs.stored_runs import finish, grow_old, hold_elsewhere, interrupt, leave_foreign, listed
from tests.state.stores import KINDS, databases

ESCAPES = "\x1b[2J\u202e\x07\n\nhostile " + "long " * 500
NAME = "\x1b[2J\u202e\udcff\n"


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


def test_a_store_with_nothing_in_it_says_so(ponder: Ponder) -> None:
    assert ponder("runs", "list") == Done(0, "", "no runs yet: solve something with `ponder solve`\n")
    assert ponder("runs", "list", "--json") == Done(0, "[]\n", "")
    assert ponder("runs", "list", "--status", "running").err == "no running runs\n"
    assert ponder("resume") == Done(0, "", "nothing is unfinished\n")
    assert ponder("runs", "prune", "--keep", "30d") == Done(0, "deleted 0, shortened 0, kept 0\n", "")


def test_a_list_tells_status_age_calls_tokens_and_route_in_80_columns(ponder: Ponder, saver: SQLAlchemySaver) -> None:
    finish(saver, "one")
    interrupt(saver, "two")
    leave_foreign(saver, "three")
    hold_elsewhere(saver, "two")
    lines = ponder("runs", "list").out.splitlines()
    assert [line.split() for line in lines] == [
        ["three", "foreign", lines[0].split()[2], "3", "checkpoints"],
        [
            "two",
            "running",
            lines[1].split()[2],
            "4",
            "of",
            "40",
            "calls,",
            "1",
            "under",
            "way",
            "40+20",
            "tokens",
            "assess>parallel",
        ],
        ["Which?"],
        ["one", "finished", lines[3].split()[2], "3", "of", "100", "calls", "30+15", "tokens", "assess>direct"],
        ["What", "is", "1", "+", "1?", "=", "2"],
    ]
    assert max(map(len, lines)) <= 80


def test_a_route_that_is_too_long_is_told_by_its_last_branches(
    ponder: Ponder, saver: SQLAlchemySaver, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(saver, "t")
    told: list[str] = []
    for width in range(80, 40, -4):
        monkeypatch.setenv("COLUMNS", str(width))
        told += re.findall(r" tokens +(\S+)$", ponder("runs", "list").out.splitlines()[0])
    assert list(dict.fromkeys(told)) == ["assess>parallel", "…>parallel", "…"]


def test_a_list_is_of_one_status_and_as_long_as_asked(ponder: Ponder, saver: SQLAlchemySaver) -> None:
    for thread in ("a", "b", "c"):
        finish(saver, thread)
    interrupt(saver, "d", after=1)  # within its first step
    leave_foreign(saver, "e")
    assert listed(ponder) == ["e", "d", "c", "b", "a"]
    assert listed(ponder, "--status", "finished", "--limit", "2") == ["c", "b"]
    assert listed(ponder, "--status", "unfinished") == ["d"]
    assert listed(ponder, "--status", "foreign") == ["e"]
    assert listed(ponder, "--status", "running") == []
    assert (
        ponder("runs", "list", "--limit", "4").err
        == "these are the newest 4: `ponder runs list --limit N` shows more\n"
    )
    assert ponder("runs", "list", "--limit", "5").err == ""


def test_a_list_loads_no_state_that_it_does_not_show(ponder: Ponder, saver: SQLAlchemySaver) -> None:
    finish(saver, "old")
    finish(saver, "new")
    with saver.writes() as connection:  # a state that cannot be loaded
        blobs = metadata.tables["ponder_blobs"]
        from ponder.state.tables import digest

        connection.execute(blobs.update().where(blobs.c.thread == digest("old")).values(data=b"\xc1"))
    assert listed(ponder, "--limit", "1") == ["new"]
    assert listed(ponder, "--status", "unreadable") == ["old"]
    assert listed(ponder, "--status", "finished") == ["new"]
    assert ponder("runs", "show", "old").err.startswith("error: thread 'old' cannot be read: set PONDER_AES_KEY")
    assert json.loads(ponder("runs", "prune", "--keep", "0s", "--dry-run", "--json").out)["deleted"] == ["new", "old"]


@pytest.mark.parametrize("width", ["40", "80", "200"])
def test_a_thread_s_name_is_printed_whole_and_as_the_shell_takes_it(
    local: str, monkeypatch: Any, capsys: Any, width: str
) -> None:
    ponder, uuid, spaced = command(monkeypatch, capsys, local), "01a22646-946e-7790-a882-3f1a0c4d5e6f", "my run's " * 9
    monkeypatch.setenv("COLUMNS", width)
    with SQLAlchemySaver.from_conn_string(local) as saver:
        for thread in (uuid, spaced, "short"):
            finish(saver, thread)
    lines = ponder("runs", "list").out.splitlines()
    assert [words[0] for line in lines if not line.startswith(" ") and (words := shlex.split(line))] == [
        *("short", spaced, uuid),
    ]
    assert ponder("runs", "show", uuid).out.splitlines()[0] == f"thread      {uuid}"
    assert shlex.split(ponder("runs", "show", spaced).out.splitlines()[0])[1] == spaced
    assert shlex.split(ponder("runs", "prune", "--keep", "0s").out.splitlines()[1])[1] == spaced


def test_one_run_that_cannot_be_read_is_listed_so_and_deleted_and_holds_up_no_other(
    ponder: Ponder, saver: SQLAlchemySaver, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PONDER_AES_KEY", "a-key-of-16-byte")
    with SQLAlchemySaver.from_conn_string(store) as sealed:
        interrupt(sealed, "enc")
        grow_old(sealed, "enc", days=31)
    monkeypatch.delenv("PONDER_AES_KEY")
    interrupt(saver, "open")
    lines = ponder("runs", "list").out.splitlines()
    assert [line.split()[:2] for line in lines[::2]] == [["open", "unfinished"], ["enc", "unreadable"]]
    assert lines[3].startswith("    set PONDER_AES_KEY to the key that it was written with, if any")
    assert max(map(len, lines)) <= 80
    (row,) = json.loads(ponder("runs", "list", "--status", "unreadable", "--json").out)
    assert (row["thread_id"], row["status"], row["problem"], row["spent"]) == ("enc", "unreadable", None, None)
    assert "msgpack+aes" in row["unreadable"]
    todo = ponder("resume")
    assert (todo.code, todo.out.count("ponder resume"), "ponder resume open" in todo.out) == (0, 1, True)
    assert todo.err == "1 run cannot be read: see `ponder runs list --status unreadable`\n"
    kept = "kept       enc  unreadable: set PONDER_AES_KEY, or `ponder runs delete` it"
    for arguments in (["--dry-run"], ["--unfinished"]):
        assert kept in ponder("runs", "prune", "--keep", "0s", *arguments).out.splitlines()
    for words in (["runs", "show"], ["runs", "export"], ["report"], ["resume"], ["resume", "-q"]):
        done = ponder(*words, "enc")
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert done.err.startswith("error: thread 'enc' cannot be read: set PONDER_AES_KEY to the key that it was wri")
    assert ponder("runs", "delete", "enc").out == "deleted enc\n"
    assert ponder("runs", "list").out == ""


def test_a_run_is_shown_with_its_progress_its_cost_and_who_works_on_it(ponder: Ponder, saver: SQLAlchemySaver) -> None:
    finish(saver, "one")
    interrupt(saver, "two")
    shown = ponder("runs", "show", "one").out
    for part in ("finished", "What is 1 + 1?", "3 of 100 calls: assess > direct", "low", "decided by  majority"):
        assert part in shown
    assert "allowed     100 calls by max_compute_budget, and no more with --max-calls\n" in shown
    shown = ponder("runs", "show", "two").out
    assert "4 of 40 calls, 1 open: assess > parallel" in shown
    assert "allowed " not in shown
    assert "40+20 tokens" in shown
    assert shown.endswith("go on with  ponder resume two\n")
    hold_elsewhere(saver, "two")
    held = ponder("runs", "show", "two").out
    assert "running" in held
    assert "held by     process 1 on 'elsewhere' until 20" in held
    assert "go on with" not in held
    told = json.loads(ponder("runs", "show", "two", "--json").out)
    assert (told["status"], told["held_by"], len(told["candidates"])) == ("running", "process 1 on elsewhere", 4)
    assert told["held_until"].startswith("20")


def test_an_export_is_one_object_with_everything(ponder: Ponder, saver: SQLAlchemySaver) -> None:
    finish(saver, "one")
    interrupt(saver, "two")
    one, two = (json.loads(ponder("runs", "export", thread).out) for thread in ("one", "two"))
    assert list(one) == [
        *("thread_id", "status", "unreadable", "problem", "answer", "allowed", "route", "spent", "unsettled"),
        *("updated", "age_seconds", "held_by", "held_until"),
        *("assessment", "visits", "candidates", "text", "confidence", "decided_by", "stopped_because"),
        *("finalists", "messages", "settings", "calls", "first_call", "checkpoints"),
    ]
    assert list(two) == list(one)
    assert (one["answer"], one["confidence"], one["settings"]["effort"]) == ("2", pytest.approx(2.5 / 3.5), "balanced")
    assert (len(one["calls"]), one["spent"]["calls"], len(one["candidates"])) == (3, 3, 3)
    assert one["first_call"] <= one["updated"]
    assert (two["answer"], two["spent"]["calls"], len(two["calls"])) == (None, 4, 5)
    assert two["checkpoints"] > 5


def test_a_new_problem_on_a_finished_thread_is_unfinished_until_it_is_answered(
    ponder: Ponder, saver: SQLAlchemySaver
) -> None:
    finish(saver, "t")
    interrupt(saver, "t")
    (row,) = json.loads(ponder("runs", "list", "--json").out)
    assert (row["status"], row["answer"], row["problem"], row["spent"]["calls"]) == ("unfinished", None, "Which?", 4)
    resume("t", store=saver, model=ScriptedModel(always("2")))
    (row,) = json.loads(ponder("runs", "list", "--json").out)
    assert (row["status"], row["answer"]) == ("finished", "2")


def test_what_is_put_beside_an_answer_by_hand_leaves_its_run_finished(ponder: Ponder, saver: SQLAlchemySaver) -> None:
    graph = create_ponder(ScriptedModel(always("2")), policy="direct", checkpointer=saver)
    on_thread: Any = {"configurable": {"thread_id": "t"}}
    graph.invoke({"problem": "1 + 1?"}, on_thread)
    graph.update_state(on_thread, {"messages": [HumanMessage("Thanks.")]})
    assert look(saver, [digest("t")])[0].status == "finished"
    graph.update_state(on_thread, {"visits": []}, as_node="assess")
    assert look(saver, [digest("t")])[0].status == "unfinished"
    assert "unfinished" in ponder("runs", "list").out


def test_a_run_whose_state_was_changed_before_a_branch_says_how_to_go_on(saver: SQLAlchemySaver) -> None:
    graph = create_ponder(ScriptedModel(always("2")), policy="direct", checkpointer=saver)
    on_thread: Any = {"configurable": {"thread_id": "t"}}
    graph.invoke({"problem": "1 + 1?"}, on_thread)
    before = next(found for found in graph.get_state_history(on_thread) if found.next == ("direct",))
    graph.update_state(before.config, {"visits": []})
    with pytest.raises(UsageError, match=r"thread 't' has no next step: .* goto=NODE"):
        resume("t", store=saver, model=ScriptedModel(always("2")))


def test_a_run_killed_before_its_first_step_is_unfinished(ponder: Ponder, saver: SQLAlchemySaver) -> None:
    finish(saver, "t")
    *_, first = saver.list({"configurable": {"thread_id": "t", "checkpoint_ns": ""}})
    place: RunnableConfig = {"configurable": {"thread_id": "early", "checkpoint_ns": ""}}
    saver.put(place, first.checkpoint, first.metadata, first.checkpoint["channel_versions"])
    assert "(not begun)" in ponder("runs", "list", "--status", "unfinished").out
    assert resume("early", store=saver, model=ScriptedModel(always("2"))).answer == "2"
    assert sorted(listed(ponder, "--status", "finished")) == ["early", "t"]


def test_what_another_graph_wrote_is_listed_shown_and_exported_without_its_state(
    ponder: Ponder, saver: SQLAlchemySaver
) -> None:
    leave_foreign(saver, "t")
    assert "written by  another graph" in ponder("runs", "show", "t").out
    told = json.loads(ponder("runs", "export", "t").out)
    assert (told["status"], told["problem"], told["spent"], told["checkpoints"]) == ("foreign", None, None, 3)


def test_hostile_text_stays_out_of_the_terminal_and_whole_in_json(ponder: Ponder, saver: SQLAlchemySaver) -> None:
    finish(saver, NAME, ESCAPES)
    interrupt(saver, "a\x1b'b\udcff")
    for arguments in (["runs", "list"], ["runs", "show", NAME], ["resume"]):
        lines = ponder(*arguments).out.splitlines()
        assert all(line.isprintable() for line in lines)
        assert all(len(line) <= 80 or line.startswith("problem") for line in lines)
    assert json.loads(ponder("runs", "export", NAME).out)["problem"] == ESCAPES
    command = ponder("resume").out.splitlines()[-1].strip()
    words = subprocess.run(["bash", "-c", f"printf '%s\\n' {command}"], check=True, capture_output=True).stdout
    assert os.fsdecode(words).split("\n") == ["ponder", "resume", "a\x1b'b\udcff", ""]


def test_resume_without_a_thread_lists_what_is_unfinished_with_the_command_for_each(
    ponder: Ponder, saver: SQLAlchemySaver
) -> None:
    finish(saver, "done")
    for thread in ("older", "newer", "busy"):
        interrupt(saver, thread)
    hold_elsewhere(saver, "busy")
    done = ponder("resume")
    assert done.code == 0
    commands = [line.strip() for line in done.out.splitlines() if "ponder resume" in line]
    assert commands == ["ponder resume newer", "ponder resume older"]
    rows = json.loads(ponder("resume", "--json").out)
    assert [(row["thread_id"], row["status"]) for row in rows] == [("newer", "unfinished"), ("older", "unfinished")]


def test_a_store_in_memory_is_an_empty_one(monkeypatch: Any, capsys: Any) -> None:
    ponder = command(monkeypatch, capsys, ":memory:")
    assert "no runs yet" in ponder("runs", "list").err
    assert ponder("runs", "show", "t").code == 2
    assert "no runs yet" in ponder("runs", "list", "--store", ":memory:").err
