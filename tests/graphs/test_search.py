"""The search branch and the chains of refine, where a score tells attempts apart."""

import re
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from ponder.graphs import create_ponder
from ponder.nodes.ports import Reply, Request
from ponder.state import Answer, Budget, Problem, Verdict
from ponder.state.run import Candidate, RunInput
from tests.fakes import Script, ScriptedModel, kind_of

GOAL = 40


def closeness(_: Problem, candidate: Candidate) -> Verdict:
    """Score a number by how near it is to the goal."""
    off = abs(int(candidate.answer or 0) - GOAL)
    return Verdict(score=max(0.0, 1 - off / 50), passed=off == 0, feedback=f"off by {off}")


def climber(prompt: str, number: int) -> str:
    """Guess low; told how far off an attempt is, come a little nearer to the goal."""
    if kind_of(prompt) != "improve":
        return f"Answer: {number % 5}"
    before, off = (int(re.findall(pattern, prompt)[-1]) for pattern in (r"Answer: (\d+)", r"off by (\d+)"))
    return f"Answer: {before + min(off, 4 + number % 3)}"


async def run(model: ScriptedModel, **settings: Any) -> Answer:
    graph = create_ponder(model, checkpointer=InMemorySaver(), **settings)
    given: RunInput = {"problem": "Which number?"}
    answer: Answer = (await graph.ainvoke(given, {"configurable": {"thread_id": "t"}}))["answer"]
    return answer


def strider(prompt: str, number: int) -> str:
    """Guess low; told how far off an attempt is, go most of the way."""
    if kind_of(prompt) != "improve":
        return f"Answer: {number % 5}"
    before, off = (int(re.findall(pattern, prompt)[-1]) for pattern in (r"Answer: (\d+)", r"off by (\d+)"))
    return f"Answer: {before + (2 * off + 2) // 3 - number % 2}"


@pytest.mark.parametrize(("search", "script"), [("best_first", climber), ("ab_mcts", strider)])
async def test_a_search_climbs_to_a_goal_that_no_single_sample_reaches(search: str, script: Script) -> None:
    settings = {"search": search, "max_iterations": 60, "patience": 20}
    found = await run(ScriptedModel(script), policy="search", verifier=closeness, **settings)
    sampled = await run(ScriptedModel(script), policy="parallel", verifier=closeness, budget=Budget(max_calls=60))
    assert (found.answer, found.decided_by) == ("40", "verified")
    assert sampled.decided_by != "verified"


async def test_ab_mcts_repeats_its_choices_under_one_seed_and_asks_for_no_variation_of_a_duplicate() -> None:
    prompts: list[list[str]] = []
    for _ in range(2):
        model = ScriptedModel(climber)
        await run(model, policy="search", search="ab_mcts", verifier=closeness, seed=7, max_iterations=6)
        prompts.append(model.prompts)
    assert prompts[0] == prompts[1]
    improved = [re.findall(r"Answer: (\d+)", prompt)[-1] for prompt in prompts[0] if kind_of(prompt) == "improve"]
    assert improved


async def test_a_beam_writes_step_by_step_and_only_its_last_step_answers() -> None:
    def script(prompt: str, number: int) -> str:
        if kind_of(prompt) == "critique":
            return f"Score: {min(9, 3 + prompt.count('good'))}"
        steps = prompt.split("<steps>")[1].split("</steps>", maxsplit=1)[0]
        if steps.count("step") >= 2:
            return "So the answer is 7.\nAnswer: 7"
        return f"{'good' if number % 2 else 'bad'} step {number}, 3 of them"

    model = ScriptedModel(script)
    answer = await run(model, policy="search", search="beam", beam_width=1)
    last = next(item for item in answer.candidates if item.answer == "7")
    second = next(item for item in answer.candidates if item.id in last.parents)
    first = next(item for item in answer.candidates if item.id in second.parents)
    assert (first.answer, second.answer, last.answer) == (None, None, "7")
    assert second.parents == (first.id,)
    assert last.text == f"{second.text}\nSo the answer is 7.\nAnswer: 7"
    assert "good" in first.text
    assert (answer.answer, answer.route[0].stopped) == ("7", "queue empty")


async def test_a_search_ends_when_three_rounds_bring_no_better_score() -> None:
    model = ScriptedModel(lambda p, n: "Score: 2" if kind_of(p) == "critique" else f"Answer: {n}")
    answer = await run(model, policy="search")
    assert (answer.route[0].stopped, answer.route[0].iterations) == ("patience", 3)


async def test_refine_runs_as_many_chains_as_each_has_versions_where_a_verifier_tells_them_apart() -> None:
    model = ScriptedModel(climber)
    answer = await run(model, policy="refine", verifier=closeness)
    assert model.kinds == ["sample"] * 4 + ["improve"] * 12
    assert answer.spent.calls == 16
    lines = {item.id.rpartition("-")[2] for item in answer.candidates}
    assert lines == {"000", "001", "002", "003"}
    few = ScriptedModel(climber)
    await run(few, policy="refine", verifier=closeness, budget=Budget(max_calls=9))
    assert few.kinds == ["sample"] * 2 + ["improve"] * 6


async def test_a_revision_that_is_not_strictly_better_is_not_built_on() -> None:
    def script(prompt: str, number: int) -> str:
        return f"Answer: {[30, 20, 30, 31][number]}"

    model = ScriptedModel(script)
    await run(model, policy="refine", verifier=closeness, budget=Budget(max_calls=4))
    assert [re.findall(r"Answer: (\d+)\n", prompt)[0] for prompt in model.prompts[1:]] == ["30", "30", "30"]


async def test_two_hundred_attempts_are_searched_without_asking_one_twice() -> None:
    seen: set[str] = set()

    async def generate(messages: Any, request: Request) -> Reply:
        assert request.place not in seen
        seen.add(request.place)
        return Reply(f"Answer: {len(seen) % 30}")

    model = ScriptedModel()
    model.generate = generate  # type: ignore[method-assign, assignment]
    settings = {"max_iterations": 60, "max_compute_budget": 200, "verifier": closeness, "patience": 60}
    answer = await run(model, policy="search", search="ab_mcts", **settings)
    assert answer.route[0].calls == 200


async def test_a_search_over_several_models_comes_to_ask_the_one_that_scores() -> None:
    weak = ScriptedModel(lambda _prompt, number: f"Answer: {number % 5}", name="weak")
    strong = ScriptedModel(lambda _prompt, number: f"Answer: {20 + number % 12}", name="strong")
    settings: dict[str, Any] = {"search": "ab_mcts", "max_iterations": 30, "patience": 30, "seed": 1}
    graph = create_ponder([weak, strong], policy="search", verifier=closeness, budget=Budget(max_calls=60), **settings)
    answer: Answer = (await graph.ainvoke({"problem": "Which number?"}))["answer"]
    asked = {account.name: account.candidates for account in answer.accounts if account.by == "model"}
    assert asked == {"weak": weak.calls, "strong": strong.calls}
    assert strong.calls > 1.5 * weak.calls
