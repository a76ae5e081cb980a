"""Who waits for a run on the background loop: it hears how the run ended, and may not wait on the loop of a run."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel

from ponder.graphs import PonderChatModel, asolve, create_ponder, preview, solve
from ponder.nodes.ports import Reply
from ponder.state import Problem, UsageError
from ponder.state.run import Candidate
from tests.fakes import ScriptedModel, always

pytestmark = pytest.mark.timeout(60)

OPTIONS: dict[str, Any] = {"store": ":memory:", "policy": "fixed", "budget": {"max_calls": 4}}
LEAVING = [SystemExit("enough"), KeyboardInterrupt("enough")]


def solved() -> str | None:
    """Solve something else."""
    return solve("1 + 1?", model=ScriptedModel(always("2")), **OPTIONS).answer


@pytest.mark.parametrize(
    ("where", "leaving"),
    [(where, leaving) for where in ("model", "on_event") for leaving in LEAVING]
    + [("verifier", KeyboardInterrupt("enough"))],  # SystemExit of one is a failed verdict
)
def test_what_leaves_the_program_is_raised_where_it_is_waited_for_and_the_next_solve_works(
    where: str, leaving: BaseException
) -> None:
    def told(_: object) -> None:
        if where == "on_event":
            raise leaving

    async def check(_: Problem, __: Candidate) -> bool:
        if where == "verifier":
            raise leaving
        return True

    model = ScriptedModel((lambda *_: leaving) if where == "model" else always("2"))
    with pytest.raises(type(leaving), match="enough"):
        solve("1 + 1?", model=model, on_event=told, verifier=check, **OPTIONS)
    assert solved() == "2"


@pytest.mark.parametrize("leaving", LEAVING, ids=repr)
def test_what_leaves_the_program_is_raised_by_the_invoke_of_a_graph_too(leaving: BaseException) -> None:
    with pytest.raises(type(leaving), match="enough"):
        create_ponder(ScriptedModel(lambda *_: leaving), policy="direct").invoke({"problem": "1 + 1?"})
    assert solved() == "2"


WAITING: dict[str, Callable[[], object]] = {
    "solve": solved,
    "preview": lambda: preview("1 + 1?", model=ScriptedModel(always("2"))),
    "invoke": lambda: create_ponder(ScriptedModel(always("2")), policy="direct").invoke({"problem": "1 + 1?"}),
    "chat": lambda: PonderChatModel(model=FakeListChatModel(responses=["Answer: 2"])).invoke("1 + 1?"),
}
REFUSED = "cannot wait here, on the loop of a run that is at work: await asolve"


@pytest.mark.parametrize("waiting", WAITING.values(), ids=WAITING)
def test_on_event_may_not_wait_for_another_run(waiting: Callable[[], object]) -> None:
    def told(_: object) -> None:
        waiting()

    with pytest.raises(UsageError, match=REFUSED):
        solve("1 + 1?", model=ScriptedModel(always("2")), on_event=told, **OPTIONS)


@pytest.mark.parametrize("which", sorted(WAITING.keys() - {"preview"}))  # which asks no model, and so waits for none
async def test_on_event_may_not_wait_for_another_run_on_a_loop_of_the_user_s(which: str) -> None:
    model = ScriptedModel(always("2"), latency=0.01)

    def told(event: Any) -> None:
        if event.type == "candidate":  # the next call of the run has the one place
            WAITING[which]()

    with pytest.raises(UsageError, match=REFUSED):
        await asolve("1 + 1?", model=model, on_event=told, concurrency=1, **OPTIONS)
    assert model.flying == 0


@pytest.mark.parametrize("waiting", WAITING.values(), ids=WAITING)
def test_an_async_verifier_may_not_wait_for_another_run(waiting: Callable[[], object]) -> None:
    said: list[str] = []

    async def check(_: Problem, __: Candidate) -> bool:
        try:
            return bool(waiting())
        except UsageError as error:
            said.append(str(error))
            raise

    solve("1 + 1?", model=ScriptedModel(always("2")), verifier=check, **OPTIONS)
    assert said
    assert all(REFUSED in each for each in said)


@pytest.mark.parametrize("waiting", WAITING.values(), ids=WAITING)
async def test_a_verifier_with_a_thread_of_its_own_may_wait_for_another_run_also_on_a_loop_there(
    waiting: Callable[[], object],
) -> None:
    async def judged() -> bool:
        return bool(waiting())

    def check(_: Problem, __: Candidate) -> bool:
        return asyncio.run(judged())

    answer = await asolve("1 + 1?", model=ScriptedModel(always("2")), verifier=check, concurrency=1, **OPTIONS)
    assert answer.stopped_because == "verified"


async def test_a_model_may_wait_for_another_run_in_a_thread() -> None:
    class Deep(ScriptedModel):
        async def generate(self, messages: Any, request: Any) -> Reply:
            return Reply(f"Answer: {await asyncio.to_thread(solved)}")

    assert (await asolve("1 + 1?", model=Deep(name="deep"), **OPTIONS)).answer == "2"


async def test_a_task_that_a_run_has_left_behind_may_wait_for_another_run_once_that_one_has_ended() -> None:
    ended, later = asyncio.Event(), list[asyncio.Task[str | None]]()

    async def follow_up() -> str | None:
        await ended.wait()
        return solved()

    def told(_: object) -> None:
        if not later:
            later.append(asyncio.create_task(follow_up()))

    await asolve("2 + 2?", model=ScriptedModel(always("4")), on_event=told, **OPTIONS)
    ended.set()
    assert await later[0] == "2"
