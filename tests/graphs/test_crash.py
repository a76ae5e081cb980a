"""Runs that are killed at random moments and resumed, on each database; `tests.benchmarks.crash` does it at length."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ponder.graphs import resume, solve
from ponder.state import ModelUnreachable, SQLAlchemySaver
from ponder.state.tables import journal
from tests.fake_server import FakeServer, Said
from tests.fakes import ScriptedModel, always
from tests.state.stores import KINDS, databases

ROOT = Path(__file__).parents[2]
KILL = """
from tests.crash import Killer
from tests.oracle import serving
with serving({seed}) as url:
    trials = [
        trial
        for policy, surface in [("{policy}", "solver"), ("parallel", "{surface}")]
        for trial in Killer({store!r}, url, policy, surface).trials({kills}, {seed})
    ]
print(sum(len(trial.moments) for trial in trials), *[trial for trial in trials if trial.complaints], sep="\\n")
"""
FIXED = """
from ponder.graphs import solve
budget = {{"max_calls": {calls}, "max_seconds": 40}}
options = dict(store={store!r}, thread_id="t", policy="fixed", concurrency=1, max_samples=3)
solve("1 + 1?", model="openai:fake", base_url={url!r}, budget=budget, **options)
"""
RESUME = "from ponder.graphs.cli import main; main()"


@pytest.fixture
def store(kind: str, tmp_path: Path) -> Iterator[str]:
    yield from databases(kind, tmp_path)


@pytest.mark.parametrize(
    ("kind", "policy", "surface", "seed"),
    [("sqlite", "search", "parent", 10), ("postgresql", "refine", "async", 20), ("mariadb", "parallel", "sync", 30)],
)
def test_a_killed_run_comes_to_the_same_answer_pays_nothing_twice_and_leaves_nothing_behind(
    store: str, policy: str, surface: str, seed: int
) -> None:
    program = KILL.format(store=store, policy=policy, surface=surface, kills=2, seed=seed)
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    killed, *complaints = done.stdout.splitlines()
    assert (complaints, done.returncode) == ([], 0), done.stderr
    assert int(killed) >= 4


@pytest.mark.parametrize("kind", KINDS)
def test_of_two_processes_that_resume_a_thread_at_once_one_runs_and_the_other_is_told(store: str) -> None:
    held = False

    with FakeServer() as server:

        def script(_: dict[str, object], number: int) -> Said:
            if held:
                server.release.wait(60)
            return Said() if held else Said(status=401, body={})

        server.script = script
        with pytest.raises(ModelUnreachable):
            solve("1 + 1?", model="openai:fake", base_url=server.url, store=store, thread_id="t", policy="direct")
        held = True
        command = [sys.executable, "-c", RESUME, "resume", "t", "--store", store]
        with (
            subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as one,
            subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as two,
        ):
            busy, running = first_to_end(one, two)
            assert busy.wait() == 5
            assert "is worked on by process" in busy.communicate()[1]
            server.wait_for(lambda it: len(it.requests) == 2)
            server.release.set()
            assert running.wait(60) == 0, running.communicate()
        assert len(server.requests) == 2


@pytest.mark.parametrize(("kind", "calls"), [("sqlite", 3), ("postgresql", 1), ("mariadb", 1)])
def test_the_seconds_of_a_call_that_was_cut_off_with_its_process_count(store: str, calls: int) -> None:
    with FakeServer() as server:

        def hanging(_: dict[str, object], __: int) -> Said:
            server.release.wait(60)
            return Said()

        server.script = hanging
        command = [sys.executable, "-c", FIXED.format(url=server.url, store=store, calls=calls)]
        with subprocess.Popen(command, cwd=ROOT) as killed:
            server.wait_for(lambda it: len(it.requests) == 1)
            killed.kill()
        server.release.set()
    pass_by(store, 50)
    model = ScriptedModel(always("2"), "fake")
    answer = resume("t", store=store, model=model)
    assert (answer.stopped_because, answer.spent.lost, model.calls) == ("max_seconds", 1, 0)
    assert 50 <= answer.spent.seconds <= 100
    answer = resume("t", store=store, model=model, budget={"max_seconds": 200, "max_calls": 1 + calls})
    assert (answer.answer, answer.spent.calls, answer.spent.lost, model.calls) == ("2", calls, 1, calls)


def pass_by(store: str, seconds: float) -> None:
    """Let what the journal holds have begun so much earlier."""
    with SQLAlchemySaver(store) as saver, saver.writes() as connection:
        connection.execute(journal.update().values(begun=journal.c.begun - seconds))


def first_to_end(
    one: "subprocess.Popen[str]", two: "subprocess.Popen[str]"
) -> tuple["subprocess.Popen[str]", "subprocess.Popen[str]"]:
    """Return the process that ends first, and the other."""
    for _ in range(600):
        for ended, other in ((one, two), (two, one)):
            try:
                ended.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
            return ended, other
    raise AssertionError("neither ended within 60 s")
