"""The assessors that look at probabilities or at a calibration, the cascade, and who brought what."""

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import pytest

from ponder.graphs import create_ponder, preview
from ponder.nodes.assess import assess
from ponder.nodes.ports import Reply
from ponder.nodes.view import View
from ponder.state import Answer, Budget, Candidate, UsageError
from ponder.state.budget import Usage
from tests.fakes import ScriptedModel, always, cycle


async def run(model: Any, **options: Any) -> Answer:
    answer: Answer = (await create_ponder(model, **options).ainvoke({"problem": "What is 1 + 1?"}))["answer"]
    return answer


def sure(probability: float | None, answer: str = "2") -> ScriptedModel:
    logprob = None if probability is None else math.log(probability)
    return ScriptedModel(lambda *_: Reply(f"Answer: {answer}", mean_logprob=logprob))


@pytest.mark.parametrize(
    ("probability", "level", "calls"), [(0.95, "low", 1), (0.85, "medium", 3), (None, "medium", 3)]
)
async def test_a_first_answer_is_believed_where_its_tokens_are_probable(
    probability: float | None, level: str, calls: int
) -> None:
    answer = await run(sure(probability), assessor="logprob")
    assert answer.assessment is not None
    assert (answer.assessment.level, answer.spent.calls, answer.stopped_because) == (level, calls, "confident")
    assert ("no log-probabilities" in answer.assessment.evidence) == (probability is None)


async def test_how_probable_is_enough_is_a_setting() -> None:
    assert (await run(sure(0.85), assessor="logprob", sure=0.8)).spent.calls == 1


def calibration(path: Path, **more: Any) -> str:
    told = {"made_of": "a model, 200 questions", "probes": 2, "difficulties": [9, 2, 0], "gain": 0.02, **more}
    file = path / "learned.json"
    file.write_text(json.dumps({"gain_ci": [0.01, 0.03], **told}))
    return f"learned:{file}"


@pytest.mark.parametrize(
    ("answers", "level", "calls"), [(["2"], "low", 2), (["1", "2", "2", "2", "2", "2"], "medium", 4)]
)
async def test_a_calibration_says_how_hard_agreement_is(
    tmp_path: Path, answers: list[str], level: str, calls: int
) -> None:
    answer = await run(ScriptedModel(cycle(*answers)), assessor=calibration(tmp_path), effort="fast")
    assert answer.assessment is not None
    assert (answer.assessment.level, answer.spent.calls) == (level, calls)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"gain_ci": [-0.01, 0.05]}, "may be nothing: use probe"),
        ({"difficulties": [9, 0]}, "probes=2 needs 3 difficulties, not 2"),
        ({"difficulties": [9, 2, 11]}, "difficulties.2: Input should be less than or equal to 10"),
        ({"surprise": 1}, "surprise: Extra inputs are not permitted"),
    ],
)
def test_a_calibration_that_gained_nothing_or_is_wrong_is_refused(
    tmp_path: Path, more: dict[str, Any], why: str
) -> None:
    with pytest.raises(UsageError, match=why):
        create_ponder(ScriptedModel(), assessor=calibration(tmp_path, **more))


@pytest.mark.parametrize(("text", "why"), [(None, "No such file"), ("hello", "Invalid JSON"), ("{}", "made_of: Field")])
def test_a_file_that_is_no_calibration_is_named_in_one_line_with_what_it_would_hold(
    tmp_path: Path, text: str | None, why: str
) -> None:
    file = tmp_path / "learned.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UsageError, match=why) as refused:
        create_ponder(ScriptedModel(), assessor=f"learned:{file}")
    assert str(refused.value).startswith(f"assessor 'learned:{file}' is no calibration (")
    assert str(refused.value).endswith("): give a file of JSON with made_of, probes, difficulties, gain, gain_ci")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("raw", "states", "evidence"),
    [
        ("2", ["done", "done", "unmade"], "2 of 2 probes agree"),
        ("2", ["done", "unmade", "unmade"], "an answer in 1 probe"),
        (None, ["done", "lost", "unmade"], "no answer in 2 probes"),
        (None, ["lost", "unmade", "unmade"], "no answer in 1 probe"),
        (None, ["unmade", "unmade", "unmade"], "no time was left to ask"),
    ],
)
def test_probes_that_no_time_was_left_for_are_not_counted(raw: str | None, states: list[Any], evidence: str) -> None:
    calls = [View("assess", {}).call("probe", 0, index) for index in range(3)]
    calls = [call.model_copy(update={"state": state}) for call, state in zip(calls, states, strict=True)]
    found = {call.id: raw if call.state == "done" else None for call in calls}
    candidates = [Candidate(id=key, branch="assess", raw=answer, answer=answer) for key, answer in found.items()]
    assert assess(View("assess", {"calls": calls, "candidates": candidates})).evidence == evidence


def two(cheap: ScriptedModel, strong: ScriptedModel) -> list[ScriptedModel]:
    cheap.name, strong.name = "cheap", "strong"
    return [cheap, strong]


async def test_a_cascade_asks_the_stronger_model_only_where_the_cheap_one_disagrees_with_itself() -> None:
    cheap, strong = two(ScriptedModel(always("1")), ScriptedModel(always("2")))
    assert ((await run([cheap, strong], pool="cascade")).answer, cheap.calls, strong.calls) == ("1", 3, 0)
    cheap, strong = two(ScriptedModel(cycle("1", "1", "3")), ScriptedModel(always("2")))
    answer = await run([cheap, strong], pool="cascade")
    assert (answer.answer, cheap.calls, strong.calls, answer.stopped_because) == ("2", 3, 3, "confident")


async def test_a_cascade_is_judged_and_foretold_like_any_pool() -> None:
    cheap, strong = two(ScriptedModel(cycle("1", "1", "3")), ScriptedModel(always("2")))
    told = await asyncio.to_thread(preview, "1 + 1?", model=[cheap, strong], pool="cascade", verifier="judge:right")
    answer = await run([cheap, strong], pool="cascade", verifier="judge:right", budget=Budget(max_calls=12))
    assert told.calls.low <= answer.spent.calls <= told.calls.high
    assert {candidate.verdict.kind for candidate in answer.candidates if candidate.verdict} == {"weak"}


async def test_the_stronger_model_is_not_outvoted_by_the_cheap_one() -> None:
    cheap, strong = two(ScriptedModel(cycle("1", "1", "3")), ScriptedModel(cycle("2")))
    answer = await run([cheap, strong], pool="cascade", max_samples=4)
    assert (answer.answer, strong.calls) == ("2", 1)


async def test_votes_tokens_and_dollars_are_told_for_each_model_and_each_strategy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PONDER_PRICES", '{"cheap": {"input": 1, "output": 1}, "strong": {"input": 10, "output": 10}}')
    cheap, strong = two(ScriptedModel(cycle("1", "1", "2")), ScriptedModel(always("2")))
    answer = await run([cheap, strong], pool="cascade")
    by = {(one.by, one.name): one for one in answer.accounts}
    first, second = by["model", "cheap"], by["model", "strong"]
    assert (first.candidates, first.votes, first.tokens, first.usd) == (3, 1, 45, pytest.approx(45e-6))
    assert (second.candidates, second.votes, second.tokens, second.usd) == (3, 3, 45, pytest.approx(450e-6))
    strategies = [one for one in answer.accounts if one.by == "strategy"]
    assert {one.name for one in strategies} == {"", "step by step", "edge cases", "backwards"}
    for figure in ("candidates", "votes", "tokens"):
        assert sum(getattr(one, figure) for one in strategies) == getattr(first, figure) + getattr(second, figure)


async def test_a_call_without_an_answer_has_cost_its_strategy_all_the_same() -> None:
    model = ScriptedModel(lambda *_: Reply("It is", "length", Usage(input_tokens=10, output_tokens=5)))
    (nameless, _) = (await run(model, policy="fixed", max_samples=1)).accounts
    assert (nameless.candidates, nameless.answers, nameless.votes, nameless.tokens) == (1, 0, 0, 15)


def test_a_cascade_needs_a_policy_that_sends_problems_up() -> None:
    with pytest.raises(UsageError, match="needs policy 'adaptive'"):
        create_ponder([ScriptedModel(), ScriptedModel()], pool="cascade", policy="parallel")
