"""A stopped run goes on where it was: Ctrl-C, kill -9, an outage; a finished call is not made again."""

import asyncio
import base64
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, select

from ponder.graphs import aresume, asolve, create_ponder, preview, resume, solve
from ponder.nodes.events import Event
from ponder.nodes.models.openai import openai_model
from ponder.nodes.ports import CallFailed, Reply
from ponder.state import Budget, ModelUnreachable, SQLAlchemySaver, ThreadNotFound, UsageError, tables
from ponder.state.budget import Usage
from tests.fake_server import FakeServer, Said
from tests.fakes import Cut, ScriptedModel, always, cycle, kind_of

PROGRAM = """
from ponder.graphs import solve
solve("What is 1 + 1?", model="openai:fake", base_url={url!r}, store={store!r}, thread_id="t",
      policy="parallel", window=8, max_samples=8, budget={{"max_calls": {cap}}}, seed=1)
"""


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ponder.db"


def paid(store: str) -> int:
    """Count the calls that the store knows to have ended."""
    with SQLAlchemySaver.from_conn_string(store) as saver, saver.reads() as connection:
        return connection.scalar(select(func.count(tables.journal.c.data))) or 0


def rewind(store: str, steps: int, *, writes: bool) -> int:
    """Leave the store as a kill so many steps before the end would have; return how many steps are left."""
    with SQLAlchemySaver.from_conn_string(store) as saver, saver.writes() as connection:
        root = (tables.checkpoints.c.ns == tables.digest(""), tables.checkpoints.c.thread == tables.digest("t"))
        ids = connection.scalars(select(tables.checkpoints.c.id).where(*root).order_by(tables.checkpoints.c.id)).all()
        gone, last = ids[len(ids) - steps :], ids[-steps - 1]
        connection.execute(delete(tables.checkpoints).where(*root, tables.checkpoints.c.id.in_(gone)))
        unwritten = gone if writes else [*gone, last]
        connection.execute(delete(tables.writes).where(tables.writes.c.checkpoint.in_(unwritten)))
        return len(ids) - steps


def poll(condition: Any, process: "subprocess.Popen[str]") -> None:
    """Wait for a state of the store that the process is about to reach."""
    for _ in range(600):
        if condition():
            return
        assert process.poll() is None, process.communicate()
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError("the process did not get there within 30 s")


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize(("cap", "again"), [(16, 3), (9, 1), (8, 0)])
def test_of_eight_calls_only_those_cut_off_are_made_again_and_count_twice(
    store: str, stop: signal.Signals, cap: int, again: int
) -> None:
    killed = False

    with FakeServer() as server:

        def script(_: dict[str, Any], number: int) -> Said:
            if not killed and number >= 5:
                server.release.wait(60)
            return Said(text=f"Answer: {2 + number % 2 if number < 5 else 2}")  # what has landed leaves the vote open

        server.script = script
        command = [sys.executable, "-c", PROGRAM.format(url=server.url, store=store, cap=cap)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            try:
                server.wait_for(lambda it: len(it.requests) == 8 and it.answered == 5)
                poll(lambda: paid(store) == 5, process)
            except BaseException:
                process.kill()
                raise
            process.send_signal(stop)
            assert process.wait(30) != 0
        killed = True
        server.release.set()
        answer = resume("t", store=store)
        twice = [key for key, count in server.counts.items() if count > 1]
        assert (len(server.requests), len(twice)) == (8 + again, again)
        assert (answer.answer, answer.spent.calls, answer.spent.lost) == ("2", 5 + again, 3)
        assert (len(answer.candidates), sum(not item.error for item in answer.candidates)) == (8, 5 + again)
        assert resume("t", store=store) == answer
        assert len(server.requests) == 8 + again


@pytest.mark.parametrize("writes", [True, False])
def test_whichever_step_a_kill_followed_the_run_goes_on_to_its_answer_and_pays_nothing_twice(
    store: str, *, writes: bool
) -> None:
    model = ScriptedModel(cycle("1", "2", "3"))
    answer = solve("1 + 1?", model=model, store=store, thread_id="t", policy="refine", seed=1)
    paid, stored = model.calls, rewind(store, 0, writes=True)
    for steps in range(1, stored - 1):  # the first two come before any call
        rewind(store, steps, writes=writes)
        with pytest.raises(UsageError, match="'t' holds an unfinished run"):
            solve("2 + 2?", model=model, store=store, thread_id="t")
        assert resume("t", store=store, model=model) == answer
        assert model.calls == paid
    assert stored > 4


def test_a_run_that_was_killed_at_once_keeps_its_settings(store: str) -> None:
    model = ScriptedModel(cycle("1", "2", "3"))
    settings: dict[str, Any] = {"policy": "refine", "effort": "fast", "budget": {"max_calls": 3}, "max_tokens": 7}
    answer = solve("1 + 1?", model=model, store=store, thread_id="t", seed=1, **settings)
    made = model.requests
    while rewind(store, 1, writes=False) > 1:
        continue
    model.prompts, model.requests = [], []
    again = resume("t", store=store, model=model)
    assert (model.requests, again.answer, again.route) == (made, answer.answer, answer.route)


async def test_a_cancelled_solve_leaves_nothing_running_and_goes_on(store: str) -> None:
    model = ScriptedModel(always("2"), latency=60)
    task = asyncio.create_task(asolve("1 + 1?", model=model, store=store, thread_id="t", policy="direct"))
    while not model.flying:  # noqa: ASYNC110 - the fake counts, it does not signal
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert model.flying == 0
    model.latency = 0
    assert (await aresume("t", store=store, model=model)).answer == "2"


def test_a_run_that_an_outage_stopped_goes_on_when_the_server_is_back(store: str) -> None:
    back = False
    with FakeServer(lambda _, number: Said() if back or number == 0 else Said(status=401, body={})) as server:
        model = openai_model("fake", server.url, "key")
        with pytest.raises(ModelUnreachable):
            solve("1 + 1?", model=model, store=store, thread_id="t", policy="fixed", budget=Budget(max_calls=3))
        back = True
        answer = resume("t", store=store, model=model)
        assert (answer.answer, answer.spent.calls + answer.spent.lost) == ("2", 3)


def useless(wait: float | None = 0.0) -> CallFailed:
    """Make what a reply comes to that arrived, was paid, and shows that the server is none of the kind."""
    usage = Usage(input_tokens=10, output_tokens=5)
    return CallFailed("a reply without choices", wait, unreachable=True, usage=usage)


@pytest.mark.parametrize("wait", [0.0, None])
@pytest.mark.parametrize("names", [["one"] * 3, ["one", "two", "three"]])
def test_a_paid_call_that_stops_the_run_is_kept_and_each_resume_makes_one_more_inside_the_limit(
    store: str, wait: float | None, names: list[str]
) -> None:
    ill = True
    first, second, third = (ScriptedModel(lambda *_: useless(wait) if ill else "Answer: 2", name) for name in names)
    options: dict[str, Any] = {"policy": "direct", "retries": 0, "budget": {"max_calls": 3}}
    with pytest.raises(ModelUnreachable, match="without choices"):
        solve("1 + 1?", model=first, store=store, thread_id="t", **options)
    with pytest.raises(ModelUnreachable, match="without choices"):
        resume("t", store=store, model=second)
    ill = False
    answer = resume("t", store=store, model=third)
    assert (answer.answer, [first.calls, second.calls, third.calls]) == ("2", [1, 1, 1])
    assert (answer.spent.calls, answer.spent.lost, answer.spent.input_tokens) == (3, 0, 30)


def test_a_run_whose_limit_went_on_useless_replies_ends_and_says_why_and_goes_on_with_a_larger_one(store: str) -> None:
    ill = True
    model = ScriptedModel(lambda *_: useless() if ill else "Answer: 2")
    with pytest.raises(ModelUnreachable):
        solve("1 + 1?", model=model, store=store, thread_id="t", policy="direct", retries=0, budget={"max_calls": 1})
    ended = resume("t", store=store, model=model)
    assert (ended.answer, ended.stopped_because, ended.spent.calls, model.calls) == (None, "max_calls", 1, 1)
    assert [candidate.error for candidate in ended.candidates] == ["a reply without choices"]
    ill = False
    answer = resume("t", store=store, model=model, budget={"max_calls": 2})
    assert (answer.answer, answer.spent.calls, model.calls) == ("2", 2, 2)


class Wave(ScriptedModel):
    """Answers once three calls are in flight."""

    full = asyncio.Event()

    async def generate(self, messages: Any, request: Any) -> Reply:
        if self.flying == 2:
            self.full.set()
        self.flying += 1
        await self.full.wait()
        self.flying -= 1
        return await super().generate(messages, request)


def test_a_wave_of_useless_replies_is_kept_whole_whichever_of_them_stops_the_run(store: str) -> None:
    ill = True
    model = Wave(lambda *_: useless() if ill else "Answer: 2")
    with pytest.raises(ModelUnreachable):
        solve("1 + 1?", model=model, store=store, thread_id="t", policy="fixed", retries=0, budget={"max_calls": 3})
    assert (model.calls, paid(store)) == (3, 3)
    ill = False
    answer = resume("t", store=store, model=model, budget={"max_calls": 6})
    assert (answer.answer, answer.spent.calls, answer.spent.lost, model.calls) == ("2", 6, 0, 6)


@pytest.mark.parametrize("failure", [CallFailed("HTTP 429: slow down"), CallFailed("HTTP 503: down", 0.001)])
@pytest.mark.parametrize("policy", ["direct", "parallel"])
def test_a_run_whose_calls_have_all_failed_stops_and_each_call_is_tried_anew_when_the_outage_is_over(
    store: str, policy: str, failure: CallFailed
) -> None:
    ill = True
    said = iter("2122")  # the last of them may turn the vote, and is awaited
    model = ScriptedModel(lambda *_: failure if ill else f"Answer: {next(said)}")
    options: dict[str, Any] = {"policy": policy, "retries": 1, "max_samples": 4, "threshold": 0.99}
    told = f"no call was answered: {failure}; when that is mended, resume"
    with pytest.raises(ModelUnreachable, match=told):
        solve("1 + 1?", model=model, store=store, thread_id="t", **options)
    made = model.calls
    with pytest.raises(ModelUnreachable, match=told):
        resume("t", store=store, model=model)
    assert model.calls > made
    ill, made = False, model.calls
    answer = resume("t", store=store, model=model)
    assert (answer.answer, [item.error for item in answer.candidates if item.error]) == ("2", [])
    assert (model.calls - made, answer.spent.lost) == (1 if policy == "direct" else 4, 0)
    assert answer.spent.calls == model.calls


def test_a_grade_that_stopped_the_run_is_given_when_the_judge_is_back(store: str) -> None:
    ill = True

    def script(prompt: str, _: int) -> str | BaseException:
        return "Answer: 2" if kind_of(prompt) == "sample" else useless() if ill else "no grade"

    model = ScriptedModel(script)
    options: dict[str, Any] = {"policy": "direct", "retries": 0, "verifier": "judge:It is 2."}
    with pytest.raises(ModelUnreachable):
        solve("1 + 1?", model=model, store=store, thread_id="t", **options)
    ill = False
    answer = resume("t", store=store, model=model)
    assert answer.candidates[0].verdict is not None
    assert answer.candidates[0].verdict.failed.startswith("the judge gave no grade that can be read")
    assert answer.spent.calls == model.calls == 3


@pytest.mark.parametrize(
    ("policy", "limit", "raised", "more"),
    [
        ("adaptive", {"max_calls": 6}, {"max_calls": 12}, 1),
        ("fixed", {"max_calls": 3}, {"max_calls": 7}, 4),
        ("fixed", {"max_calls": 9, "max_tokens": 260}, {"max_tokens": 4000}, None),
        ("search", {"max_calls": 5}, {"max_calls": 8}, 3),
        ("cumulative", {"max_calls": 9}, {"max_calls": 15}, None),
    ],
)
def test_a_run_that_its_budget_ended_goes_on_with_a_larger_one(
    store: str, policy: str, limit: dict[str, int], raised: dict[str, int], more: int | None
) -> None:
    model = ScriptedModel(lambda prompt, number: "Score: 3" if "Score:" in prompt else f"Answer: {number}")
    options: dict[str, Any] = {"policy": policy, "max_tokens": 64, "max_compute_budget": 40, "assessor": "fixed:9"}
    before = solve("1 + 1?", model=model, store=store, thread_id="t", budget=limit, **options)
    assert before.stopped_because in {*limit, "complete"}
    assert resume("t", store=store, model=model) == before
    made = model.calls
    after = resume("t", store=store, model=model, budget=raised)
    assert after.spent.calls == model.calls
    assert model.calls > made
    assert more is None or model.calls == made + more
    assert {item.id: item.text for item in after.candidates}.items() >= {
        (item.id, item.text) for item in before.candidates
    }
    assert resume("t", store=store, model=model, budget=raised) == after
    with pytest.raises(UsageError, match=r"max_calls=2 is no raise: it was \d+; start a new run for less"):
        resume("t", store=store, model=model, budget={"max_calls": 2})


@pytest.mark.parametrize(
    ("policy", "allowed"), [("adaptive", "max_compute_budget allows 100"), ("fixed", "max_samples allows 40")]
)
def test_a_run_whose_calls_were_not_limited_says_what_limits_them(store: str, policy: str, allowed: str) -> None:
    model = ScriptedModel(always("2"))
    solve("1 + 1?", model=model, store=store, thread_id="t", policy=policy)
    with pytest.raises(UsageError, match=f"max_calls=10 is no raise: it was not given, and {allowed} calls; start"):
        resume("t", store=store, model=model, budget={"max_calls": 10})


def test_an_interrupted_run_goes_on_with_a_larger_budget_also_when_it_is_killed_again(store: str) -> None:
    broken = True

    def script(_: str, number: int) -> str | BaseException:
        return Cut("cut") if broken and number in {2, 7} else f"Answer: {number}"

    model = ScriptedModel(script)
    with pytest.raises(Cut):
        solve("1 + 1?", model=model, store=store, thread_id="t", policy="fixed", budget={"max_calls": 5})
    with pytest.raises(Cut):
        resume("t", store=store, model=model, budget={"max_calls": 9})
    broken = False
    answer = resume("t", store=store, model=model)
    assert (answer.spent.calls + answer.spent.lost, answer.stopped_because) == (9, "max_calls")
    assert len({item.text for item in answer.candidates if item.text}) == answer.spent.calls


def test_a_store_may_be_a_path(tmp_path: Path) -> None:
    model, path = ScriptedModel(always("2")), tmp_path / "ponder.db"
    solve("1 + 1?", model=model, policy="direct", store=path, thread_id="t")
    assert resume("t", store=f"sqlite:///{path}", model=model).answer == "2"


def test_resuming_needs_a_thread_that_is_there(store: str) -> None:
    with pytest.raises(ThreadNotFound, match="'nope' does not exist in this store: see `ponder runs list`"):
        resume("nope", store=store)


def test_a_model_object_must_be_given_again(store: str) -> None:
    solve("1 + 1?", model=ScriptedModel(always("2")), store=store, thread_id="t")
    with pytest.raises(UsageError, match=r"began with a model object, which is not stored: give resume\(…, model=…\)"):
        resume("t", store=store)


def test_a_run_of_a_graph_of_yours_needs_its_model_and_one_changed_by_hand_keeps_its_own(store: str) -> None:
    model = ScriptedModel(lambda _, number: Cut("cut") if number == 3 else f"Answer: {number}")
    with SQLAlchemySaver.from_conn_string(store) as saver:
        graph = create_ponder(model, checkpointer=saver)
        with pytest.raises(Cut):
            graph.invoke({"problem": "1 + 1?"}, {"configurable": {"thread_id": "t"}}, durability="sync")
        with pytest.raises(UsageError, match="thread 't' was begun by a graph of yours: give its model, and its verif"):
            resume("t", store=saver)
        assert resume("t", store=saver, model=ScriptedModel(always("2"))).answer == "2"
        solve("1 + 1?", model=model, store=saver, thread_id="u", policy="direct")
        graph.update_state({"configurable": {"thread_id": "u"}}, {"visits": []}, as_node="select")
        with pytest.raises(UsageError, match="began with a model object"):
            resume("u", store=saver)


def test_the_model_that_the_environment_named_is_the_run_s_also_when_it_names_another(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeServer(lambda _, number: Said() if number else Said(status=401)) as server:
        for name, value in (("MODEL", "openai:fake"), ("STORE", store)):
            monkeypatch.setenv(f"PONDER_{name}", value)
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "key")
        with pytest.raises(ModelUnreachable):
            solve("1 + 1?", thread_id="t", policy="direct")
        monkeypatch.setenv("PONDER_MODEL", "openai:other")
        monkeypatch.delenv("OPENAI_BASE_URL")
        assert resume("t").answer == "2"
        assert server.requests[-1]["model"] == "fake"


def test_a_base_url_is_refused_where_no_model_asks_it_and_the_one_of_the_environment_is_not(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ScriptedModel(always("2"))
    url = "http://localhost:1/v1"
    for given in (model, [model, model], None):
        with pytest.raises(UsageError, match=r"base_url='http://localhost:1/v1' is not used by model '.*openai:NAME"):
            solve("1 + 1?", model=given, base_url=url, store=store)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://me:secret@localhost:1/v1")
    answer = solve("1 + 1?", model=model, store=store, thread_id="t", policy="direct")
    monkeypatch.delenv("OPENAI_BASE_URL")
    assert resume("t", store=store, model=model) == answer
    with pytest.raises(UsageError, match="is not used by model 'ScriptedModel'"):
        resume("t", store=store, model=model, base_url=url)
    with FakeServer() as server:
        both = ["openai:fake", model]
        assert solve("1 + 1?", model=both, base_url=server.url, store=store, policy="fixed").answer == "2"
        assert server.requests


def test_dollars_are_held_when_a_run_goes_on_and_a_price_that_is_gone_is_refused(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PONDER_PRICES", '{"scripted": {"input": 1000, "output": 1000}}')
    model = ScriptedModel(lambda _, number: Cut("cut") if number == 1 else "Answer: 2")
    limits: dict[str, Any] = {"budget": {"max_usd": 10}, "max_tokens": 8, "policy": "fixed", "max_samples": 4}
    with pytest.raises(Cut):
        solve("1 + 1?", model=model, store=store, thread_id="t", **limits)
    prices, made = os.environ.pop("PONDER_PRICES"), model.calls
    with pytest.raises(UsageError, match="max_usd=10 cannot be kept: model 'scripted' has no price"):
        resume("t", store=store, model=model)
    assert model.calls == made
    monkeypatch.setenv("PONDER_PRICES", prices)
    assert resume("t", store=store, model=model).spent.usd is not None


@pytest.mark.parametrize("policy", ["direct", "refine", "cumulative", "fixed"])
def test_a_run_that_ran_out_of_time_says_so_and_makes_its_calls_with_more(store: str, policy: str) -> None:
    model = ScriptedModel(always("2"), latency=60)
    given: dict[str, Any] = {"budget": {"max_seconds": 0.05}, "policy": policy, "max_samples": 4}
    before = solve("1 + 1?", model=model, store=store, thread_id="t", **given)
    assert (before.answer, before.stopped_because) == (None, "max_seconds")
    model.latency = 0
    after = resume("t", store=store, model=model, budget={"max_seconds": 60})
    assert (after.answer, after.stopped_because in {"complete", "confident"}) == ("2", True)


def test_who_listens_may_fail_and_may_not_wait_for_a_solve(store: str) -> None:
    model = ScriptedModel(always("2"), latency=0.01)

    def on_event(event: Event) -> None:
        if event.type == "budget":
            preview("2 + 2?", model=model)

    with pytest.raises(UsageError, match="cannot wait here, on the loop of a run that is at work"):
        solve("1 + 1?", model=model, store=store, thread_id="t", policy="fixed", on_event=on_event)
    assert model.flying == 0
    assert resume("t", store=store, model=model).answer == "2"


def test_a_new_problem_does_not_overwrite_an_unfinished_run(store: str) -> None:
    model = ScriptedModel(lambda *_: Cut("cut"))
    with pytest.raises(Cut):
        solve("1 + 1?", model=model, store=store, thread_id="t")
    with pytest.raises(UsageError, match="'t' holds an unfinished run: resume it, or choose another thread"):
        solve("2 + 2?", model=model, store=store, thread_id="t")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite:////no/such/folder/x.db", "folder '/no/such/folder' does not exist: create it first"),
        ("magic://x", "store of kind 'magic' is unknown"),
        ("hello", "'hello' is not a database URL"),
        (f"sqlite:///{__file__}", "file is not a database"),
    ],
)
def test_a_store_that_cannot_be_used_says_why(url: str, says: str) -> None:
    from ponder.state import StoreError

    with pytest.raises(StoreError) as caught:
        solve("1 + 1?", model=ScriptedModel(), store=url)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_store_is_private_to_its_owner(tmp_path: Path, store: str) -> None:
    solve("1 + 1?", model=ScriptedModel(always("2")), store=store)
    assert (tmp_path / "ponder.db").stat().st_mode & 0o777 == 0o600


def test_the_password_of_a_server_is_not_stored_and_is_given_again(tmp_path: Path, store: str) -> None:
    with FakeServer(lambda *_: Said(status=401)) as server:
        url = server.url.replace("://", "://ann:s3cret@")
        with pytest.raises(ModelUnreachable):
            solve("Which?", model="openai:fake", base_url=url, policy="direct", store=store, thread_id="t")
        assert b"s3cret" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
        with pytest.raises(UsageError, match=r"the run asked http://\*\*\*@127.0.0.1:.*give the base URL again"):
            resume("t", store=store)
        server.script = lambda *_: Said()
        assert resume("t", store=store, base_url=url).answer == "2"
    assert server.authorized[-1] == f"Basic {base64.b64encode(b'ann:s3cret').decode()}"
