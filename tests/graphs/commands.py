"""Run the command line in this process, and see what it prints."""

import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

from ponder.graphs.cli import commands
from tests.fake_server import FakeServer


class Done(NamedTuple):
    code: int
    out: str
    err: str


Ponder = Callable[..., Done]


def on(server: FakeServer) -> list[str]:
    return ["--model", "openai:fake", "--base-url", server.url]


def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], store: str) -> Ponder:
    """Make a function that runs a command on a store of the test's own."""
    monkeypatch.setenv("PONDER_STORE", store)
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    monkeypatch.delenv("PONDER_MODEL", raising=False)

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["ponder", *arguments])
        with pytest.raises(SystemExit) as ended:
            commands.run()
        printed = capsys.readouterr()
        return Done(int(ended.value.code or 0), printed.out, printed.err)

    return run
