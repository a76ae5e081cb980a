"""`on_tie="ask"` and `ask_below`: a run waits for a person in Python, a graph and the shell, and pays nothing again."""

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command

from ponder.graphs import create_ponder, resume, solve
from ponder.state import Answer, ChoiceNeeded, UsageError
from ponder.state.run import PERSISTED
from tests.fake_server import FakeServer, Said
from tests.fakes import ScriptedModel, always, cycle
from tests.graphs.commands import Done, command, on

TIE: dict[str, Any] = {"policy": "parallel", "max_samples": 4, "on_tie": "ask"}


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ponder.db"


def saver() -> Any:
    return InMemorySaver().with_allowlist([(kind.__module__, kind.__name__) for kind in PERSISTED])


def test_a_tie_waits_for_the_number_of_a_finalist_and_no_judge_is_paid(store: str) -> None:
    model = ScriptedModel(cycle("8", "7"))
    with pytest.raises(ChoiceNeeded, match="'t' waits for a choice between 1: '8', 2: '7'") as asked:
        solve("1 + 1?", model=model, store=store, thread_id="t", **TIE)
    finalists = asked.value.question.finalists
    assert [(item.number, item.answer, item.votes, item.text) for item in finalists] == [
        (1, "8", 2, "Answer: 8"),
        (2, "7", 2, "Answer: 7"),
    ]
    with pytest.raises(ChoiceNeeded):
        resume("t", store=store, model=model)
    with pytest.raises(UsageError, match="choice=3 is no finalist's: give a number from 1 to 2"):
        resume("t", store=store, model=model, choice=3)
    answer = resume("t", store=store, model=model, choice=2)
    assert (answer.answer, answer.decided_by, answer.spent.calls, model.calls) == ("7", "person", 4, 4)
    assert resume("t", store=store, model=model) == answer
    with pytest.raises(UsageError, match="does not wait for a choice"):
        resume("t", store=store, model=model, choice=2)


def test_what_is_not_tied_asks_nobody(store: str) -> None:
    answer = solve("1 + 1?", model=ScriptedModel(always("2")), store=store, **TIE)
    assert (answer.answer, answer.decided_by) == ("2", "majority")
    best = solve(
        "1 + 1?", model=ScriptedModel(cycle("8", "7")), store=store, verifier=lambda *it: it[1].answer == "7", **TIE
    )
    assert (best.answer, best.decided_by) == ("7", "verified")


def test_a_choice_in_doubt_waits_for_a_person_and_a_sure_one_does_not(store: str) -> None:
    doubt: dict[str, Any] = {"policy": "parallel", "max_samples": 5, "store": store}
    model = ScriptedModel(cycle("8", "7", "8", "6", "5"))
    answer = solve("1 + 1?", model=model, ask_below=0.2, **doubt)
    assert (answer.answer, answer.decided_by) == ("8", "majority")
    sure = answer.confidence
    model = ScriptedModel(cycle("8", "7", "8", "6", "5"))
    with pytest.raises(ChoiceNeeded, match="1: '8', 2: '7', 3: '6', 4: '5'"):
        solve("1 + 1?", model=model, thread_id="t", ask_below=sure + 0.01, **doubt)
    answer = resume("t", store=store, model=model, choice=2)
    assert (answer.answer, answer.decided_by, answer.spent.calls, model.calls) == ("7", "person", 5, 5)
    # Where there is one answer alone, nothing can be chosen.
    answer = solve("1 + 1?", model=ScriptedModel(always("2")), ask_below=1, **doubt)
    assert (answer.answer, answer.decided_by) == ("2", "majority")


def test_a_judge_is_heard_before_a_person_is_asked_in_doubt(store: str) -> None:
    model = ScriptedModel(cycle("8", "7"))
    limits: dict[str, Any] = {"policy": "parallel", "max_samples": 2, "store": store}
    with pytest.raises(ChoiceNeeded):
        solve("1 + 1?", model=model, thread_id="t", ask_below=0.9, **limits)
    assert model.calls == 4
    assert resume("t", store=store, model=model, choice=1).spent.calls == 4


def test_without_a_store_that_waits_the_question_is_refused_before_a_call() -> None:
    model = ScriptedModel(cycle("8", "7"))
    with pytest.raises(UsageError, match="on_tie='ask' needs a checkpointer"):
        create_ponder(model, **TIE).invoke({"problem": "1 + 1?"})
    with pytest.raises(UsageError, match="on_tie='ask' needs a store that is there"):
        solve("1 + 1?", model=model, store=":memory:", **TIE)
    with pytest.raises(UsageError, match=r"ask_below=0\.5 needs a store that is there"):
        solve("1 + 1?", model=model, store=":memory:", ask_below=0.5)
    assert model.calls == 0


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_a_parent_graph_is_interrupted_and_goes_on_with_the_choice(*, asynchronous: bool) -> None:
    class State(MessagesState, total=False):
        problem: str
        answer: Answer

    model = ScriptedModel(cycle("8", "7"))
    parent = StateGraph(State)
    parent.add_node("ponder", create_ponder(model, **TIE))
    parent.add_edge(START, "ponder")
    parent.add_edge("ponder", END)
    graph = parent.compile(checkpointer=saver())
    thread: Any = {"configurable": {"thread_id": "t"}}

    async def go(given: Any) -> Any:
        return await graph.ainvoke(given, thread) if asynchronous else graph.invoke(given, thread)

    (waiting,) = (await go({"problem": "1 + 1?", "messages": []}))["__interrupt__"]
    assert [item["answer"] for item in waiting.value["finalists"]] == ["8", "7"]
    (waiting,) = (await go(Command(resume="the second one")))["__interrupt__"]
    assert waiting.value["error"] == "'the second one' is none of the numbers 1 to 2"
    answer = (await go(Command(resume="2")))["answer"]
    assert (answer.answer, answer.decided_by, answer.spent.calls, model.calls) == ("7", "person", 4, 4)


ASKED = ["solve", "1 + 1?", "--policy", "fixed", "--max-calls", "2", "--on-tie", "ask", "--thread", "t"]


def test_piped_the_finalists_and_the_command_are_printed(
    store: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ponder = command(monkeypatch, capsys, store)
    with FakeServer() as server:
        server.script = lambda _, number: Said(f"Answer: {7 + number % 2}")
        done = ponder(*ASKED, *on(server), "-q")
        assert (done.code, done.out) == (6, "")
        assert done.err.splitlines()[0] == "tied: 1 + 1?"
        assert re.findall(r"(?m)^  [12]: [78] \((.*)\)$", done.err) == ["1 vote", "1 vote"]
        assert done.err.splitlines()[-1] == "choose with: ponder resume t --choose NUMBER"
        waiting = json.loads(ponder("resume", "t", "--json").out)
        assert (waiting["thread_id"], [item["number"] for item in waiting["finalists"]]) == ("t", [1, 2])
        for status in ("waiting", "unfinished"):
            assert "  waiting  " in ponder("runs", "list", "--status", status).out
        (row,) = json.loads(ponder("runs", "list", "--status", "waiting", "--json").out)
        assert (row["thread_id"], row["status"]) == ("t", "waiting")
        shown = ponder("runs", "show", "t").out
        assert re.search(r"choice      1: [78] \(1 vote\)\n", shown)
        assert shown.endswith("go on with  ponder resume t --choose NUMBER\n")
        assert json.loads(ponder("runs", "export", "t").out)["finalists"] == waiting["finalists"]
        wanted = waiting["finalists"][1]["answer"]
        wrong = ponder("resume", "t", "--choose", "9", "-q")
        assert (wrong.code, wrong.err) == (2, "error: --choose=9 is no finalist's: give a number from 1 to 2\n")
        done = ponder("resume", "t", "--choose", "2", "-q")
        assert (done.code, done.out, len(server.requests)) == (0, f"{wanted}\n", 2)
        assert ponder("runs", "list", "--status", "waiting") == Done(0, "", "no waiting runs\n")


def test_piped_in_doubt_the_run_waits_alike(
    store: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ponder = command(monkeypatch, capsys, store)
    doubting = ["solve", "1 + 1?", "--policy", "fixed", "--max-calls", "3", "--ask-below", "1", "--thread", "t"]
    with FakeServer() as server:
        server.script = lambda _, number: Said(f"Answer: {7 + number // 2}")
        done = ponder(*doubting, *on(server), "-q")
        assert (done.code, done.err.splitlines()[0]) == (6, "in doubt: 1 + 1?")
        done = ponder("resume", "t", "--choose", "2", "-q")
        assert (done.code, len(server.requests)) == (0, 3)


class Keyboard(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_person_is_asked_until_the_number_fits(
    store: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ponder = command(monkeypatch, capsys, store)
    monkeypatch.setattr(sys, "stdin", Keyboard("9\n1\n"))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with FakeServer() as server:
        server.script = lambda _, number: Said(f"Answer: {7 + number % 2}")
        there = [word.replace("://", "://me:secret@") for word in on(server)]  # which no store remembers
        done = ponder(*ASKED, *there, "-q")
        assert (done.code, len(server.requests)) == (0, 2)
        assert done.out in {"7\n", "8\n"}
        assert "give a number from 1 to 2" in done.err
