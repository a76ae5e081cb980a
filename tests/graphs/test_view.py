"""The live view on a terminal, and that it, the lists and the report tell the same of a run that was interrupted."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from tests.fake_server import FakeServer, Said
from tests.graphs.commands import Ponder, command, on


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ponder.db"


@pytest.fixture
def ponder(store: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ponder:
    return command(monkeypatch, capsys, store)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as running:
        yield running


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, store: str, *arguments: str) -> None:
        self.end, inside = pty.openpty()
        words = [str(Path(sys.executable).parent / "ponder"), *arguments]
        environment = os.environ | {"OPENAI_API_KEY": "key", "PONDER_STORE": store, "COLUMNS": "100", "TERM": "xterm"}
        self.process = subprocess.Popen(words, env=environment, stdin=inside, stdout=inside, stderr=inside)
        os.close(inside)
        self.shown = b""

    @property
    def text(self) -> str:
        """What was written by now, without the terminal's commands."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.shown.decode(errors="replace")).replace("\r", "")

    def read(self, until: str = "\0") -> str:
        """Read until something is shown, or to the end."""
        while until not in self.text:
            try:
                part = os.read(self.end, 65536)
            except OSError:  # Linux's way to say that nobody writes any more
                break
            if not part:
                break
            self.shown += part
        return self.text

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(30)
        os.close(self.end)


def test_after_ctrl_c_the_view_the_list_the_run_and_the_report_tell_the_same_and_a_resume_begins_there(
    ponder: Ponder, server: FakeServer, store: str
) -> None:
    server.script = lambda _, number: (number < 2 or server.release.wait(60)) and Said()  # type: ignore[return-value]
    with Terminal(store, "solve", "What is 1 + 1?", *on(server), "--thread", "t") as running:
        running.read(until="██ 2")
        running.process.send_signal(signal.SIGINT)
        shown = running.read()
        assert running.process.wait(30) == 130
    made = "2 of 100 calls, 1 open"
    assert [line for line in shown.splitlines() if " of 100 calls" in line][-1] == f"assess · {made}"
    assert f"  {made}  20+10 tokens  assess" in ponder("runs", "list").out
    assert f"progress    {made}: assess" in ponder("runs", "show", "t").out
    told = json.loads(ponder("runs", "export", "t").out)
    assert (told["spent"]["calls"], told["spent"]["lost"], told["unsettled"]) == (2, 0, 1)
    page = ponder("report", "t").out
    assert "<dt>calls</dt><dd>2 of 100</dd></div><div><dt>open</dt><dd>1</dd>" in page
    assert ">2 of 100</text>" in page
    server.release.set()
    with Terminal(store, "resume", "t") as resumed:
        ways = [line for line in resumed.read().splitlines() if " of 100 calls" in line]
    assert "thread t" not in resumed.text.splitlines()
    assert all(way.startswith("assess") for way in ways)
    assert int(ways[0].rpartition("· ")[2].split()[0]) >= 3
    assert ways[-1] == "assess ▸ direct · 3 of 100 calls and 1 lost"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_of_another_encoding_than_unicode_is_shown_lines_and_the_answer(
    server: FakeServer, store: str, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    server.script = lambda *_: Said("Answer: \N{SNOWMAN}")
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    for words in (["solve", "What falls?", *on(server), "--thread", "t"], ["resume", "t"]):
        with Terminal(store, *words) as running:
            *lines, answer = running.read().splitlines()
            assert running.process.wait(30) == 0
        assert lines[-1].startswith("confidence 0.71 by majority")
        assert answer in {r"\u2603", "\N{SNOWMAN}"}  # what is written to an ASCII terminal, Typer writes in UTF-8


def test_a_pipe_of_another_encoding_gets_the_same_json(
    ponder: Ponder, server: FakeServer, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script = lambda *_: Said("Answer: caf\xe9 \N{SNOWMAN} \N{SLICE OF PIZZA}")
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    monkeypatch.setenv("PONDER_STORE", store)
    words = [str(Path(sys.executable).parent / "ponder"), "solve", "What?", *on(server), "--thread", "t", "--json"]
    done = subprocess.run(words, capture_output=True, check=True, timeout=60)
    assert json.loads(done.stdout)["answer"] == "caf\xe9 \N{SNOWMAN} \N{SLICE OF PIZZA}"
    assert json.loads(ponder("resume", "t", "--json").out) == json.loads(done.stdout)


def test_a_run_that_was_interrupted_before_anything_was_stored_names_no_way_to_go_on(
    server: FakeServer, store: str
) -> None:
    server.script = lambda *_: server.release.wait(60) and Said()  # type: ignore[return-value]
    with Terminal(store, "solve", "1 + 1?", *on(server), "--store", ":memory:") as running:
        running.read(until="3 of 100")
        running.process.send_signal(signal.SIGINT)
        shown = running.read()
    assert "interrupted: nothing of the run is stored" in shown
    assert "resume with" not in shown
