"""Who waits for a run on the background loop: it hears how the run ended, and may not wait on the loop of a run."""

from typing import Any

import pytest

from ponder.graphs import create_ponder, solve
from ponder.state import Problem
from ponder.state.run import Candidate
from tests.fakes import ScriptedModel, always

pytestmark = pytest.mark.timeout(60)

OPTIONS: dict[str, Any] = {"store": ":memory:", "policy": "fixed", "budget": {"max_calls": 4}}
LEAVING = [SystemExit("enough"), KeyboardInterrupt("enough")]


def solved() -> str | None:
    """Solve something else."""
    return solve("1 + 1?", model=ScriptedModel(always("2")), **OPTIONS).answer


@pytest.mark.parametrize("leaving", LEAVING, ids=repr)
@pytest.mark.parametrize("where", ["model", "on_event", "verifier"])
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
