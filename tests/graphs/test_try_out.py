"""Programs that nothing checks are run on tests that the model writes, and chosen by their agreement."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.graphs import create_ponder, preview, solve
from ponder.state import Answer, Settings, UsageError
from tests.fakes import ScriptedModel, kind_of

PROBLEM = "Write a function double(n) that returns twice n."
RIGHT = ("def double(n):\n    return 2 * n", "def double(n):\n    return n + n")
WRONG = ("def double(n):\n    return n * n", "def double(n):\n    return double(n)", "import nothing")
TESTS = "Some tests:\n```python\nassert double(1) == 2\nassert double(3) == 6\nassert double(4) == 16\nassert True\n```"


def script(tests: str = TESTS) -> Any:
    """Give wrong programs first; the third test is wrong too, and passes the first of them."""
    programs = [WRONG[0], RIGHT[0], WRONG[1], RIGHT[1], WRONG[2]]

    def say(prompt: str, number: int) -> str:
        if kind_of(prompt) == "tests":
            return tests
        return "Better: 1" if kind_of(prompt) == "judge" else f"```python\n{programs[number % 5]}\n```"

    return say


def run(model: ScriptedModel, **options: Any) -> Answer:
    answer: Answer = create_ponder(model, policy="parallel", max_samples=5, **options).invoke({"problem": PROBLEM})[
        "answer"
    ]
    return answer


def test_the_programs_that_agree_with_most_tests_and_with_each_other_are_chosen() -> None:
    model = ScriptedModel(script())
    answer = run(model, write_tests=2)
    assert (answer.answer, answer.decided_by) == (RIGHT[0], "agreement")
    assert (model.kinds.count("tests"), answer.spent.calls, model.calls) == (2, 7, 7)
    assert [item.verdict and item.verdict.outcomes for item in answer.candidates] == [
        (False, False, True),
        (True, True, False),
        (False, False, False),
        (True, True, False),
        (False, False, False),
    ]
    assert all(item.verdict and item.verdict.kind == "weak" for item in answer.candidates)
    assert 0 < answer.confidence < 1


def test_programs_that_did_the_same_on_the_tests_inputs_vote_as_one(tmp_path: Path) -> None:
    programs = [
        "return n + 7",
        "return n - 1",
        "return 2 * n - n - 1",
        "return 7 + n",
        "return -1 + n",
        "raise OSError",
    ]
    tests = tmp_path / "tests.py"
    tests.write_text("assert double(1) == 2\nassert double(3) == 6\n")
    model = ScriptedModel(lambda _, number: f"```python\ndef double(n):\n    {programs[number % 6]}\n```")
    answer = solve(PROBLEM, model=model, verifier=f"python:{tests}", policy="fixed", max_samples=6, store=":memory:")
    # All are wrong, and no two are written alike: three do the same.
    assert (answer.answer, answer.decided_by) == ("def double(n):\n    return n - 1", "majority")
    names = [item.verdict.behaviour for item in answer.candidates if item.verdict]
    assert (len(set(names)), names[5]) == (3, "")


def test_solve_runs_programs_where_it_is_told_to(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/ponder.db"
    model = ScriptedModel(script())
    answer = solve(PROBLEM, model=model, store=store, policy="parallel", max_samples=5, write_tests=1)
    assert (answer.answer, answer.decided_by, model.kinds.count("tests")) == (RIGHT[0], "agreement", 1)


def test_nothing_is_run_unless_it_is_asked_for() -> None:
    answer = run(ScriptedModel(script()))
    assert answer.decided_by == "first"
    assert all(item.verdict is None for item in answer.candidates)
    graph = create_ponder(ScriptedModel(script()))
    with pytest.raises(UsageError, match="write_tests=1 lets programs run"):
        graph.invoke({"problem": PROBLEM}, context=Settings(write_tests=1))


@pytest.mark.parametrize("reply", ["I cannot.", "assert", "```python\nassert (\n```", "x\0y"])
def test_tests_that_are_none_leave_the_choice_to_the_next_rule(reply: str) -> None:
    answer = run(ScriptedModel(script(reply)), write_tests=1)
    assert answer.decided_by == "first"
    assert all(item.verdict is None for item in answer.candidates)


def scattered(prompt: str, number: int) -> str:
    """Give a program that does what no other does each time, and tests that tell none of them apart."""
    said = {"tests": TESTS, "judge": "Neither", "critique": "Score: 5"}
    return said.get(kind_of(prompt)) or f"```python\ndef double(n):\n    return n * {number + 5}\n```"


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    policy=st.sampled_from(["fixed", "parallel", "adaptive", "cumulative", "refine", "search"]),
    calls=st.integers(1, 8),
    tests=st.integers(1, 4),
    effort=st.sampled_from(["fast", "thorough"]),
)
def test_a_run_ends_within_its_budget_with_its_best_program_and_was_foretold(
    policy: str, calls: int, tests: int, effort: str
) -> None:
    options: dict[str, Any] = {"policy": policy, "effort": effort, "write_tests": tests, "budget": {"max_calls": calls}}
    told, model = preview(PROBLEM, model=ScriptedModel(), **options), ScriptedModel(scattered)
    answer: Answer = create_ponder(model, **options).invoke({"problem": PROBLEM})["answer"]
    assert answer.answer is not None
    assert answer.spent.calls == model.calls
    assert told.calls.low <= model.calls <= told.calls.high <= calls
    if policy == "fixed":  # of what there is to choose from two are the least
        assert model.kinds.count("tests") == min(tests, max(0, calls - 2))
        assert model.calls == calls


@pytest.mark.parametrize(("limits", "samples"), [({"max_tokens": 400}, 3), ({"max_calls": 2}, 2)])
def test_tests_that_no_limit_admits_are_not_asked_for(limits: dict[str, Any], samples: int) -> None:
    model = ScriptedModel(scattered)
    graph = create_ponder(model, policy="fixed", max_samples=3, max_tokens=16, write_tests=1, budget=limits)
    answer = graph.invoke({"problem": PROBLEM})["answer"]
    assert model.kinds == ["sample"] * samples
    assert (answer.stopped_because, answer.decided_by) == ("complete", "first")


def test_programs_that_only_their_author_s_tests_check_lead_to_no_branch_beyond_sampling() -> None:
    model = ScriptedModel(scattered)
    answer = create_ponder(model, write_tests=2).invoke({"problem": PROBLEM})["answer"]
    assert [visit.branch for visit in answer.route] == ["assess", "parallel", "select"]
    assert answer.stopped_because == "no branch left"


def test_calls_are_kept_for_tests_only_where_some_may_be_wanted() -> None:
    options: dict[str, Any] = {"policy": "fixed", "write_tests": 3, "budget": {"max_calls": 6}}
    model = ScriptedModel()
    create_ponder(model, **options).invoke({"problem": "What is 1 + 1?"})
    assert model.kinds.count("sample") == 6
    model = ScriptedModel(scattered)
    create_ponder(model, verifier=lambda *_: False, **options).invoke({"problem": PROBLEM})
    assert model.kinds.count("sample") == 6
    model = ScriptedModel(lambda *_: "```python\ndef double(n):\n    return 2 * n\n```")
    create_ponder(model, **options).invoke({"problem": PROBLEM})
    assert model.kinds == ["sample"] * 6
