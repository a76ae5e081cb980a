"""The replay benchmark: recordings of any completeness, and an exact verifier's samples played as drawn by hand."""

import gzip
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.benchmarks.replay import cascade
from tests.benchmarks.replay.measure import Row, at_calls, oracle
from tests.benchmarks.replay.playback import play
from tests.benchmarks.replay.policies import Policy, consistency, until_pass
from tests.benchmarks.replay.recordings import Question, load
from tests.benchmarks.replay.study import DATA, study
from tests.theory import calls_until_pass, pass_at_k


def write(path: Path, *lines: dict[str, Any]) -> Path:
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


def recorded(path: Path, *answers: str, **more: Any) -> Question:
    given = {"question": "What is 1 + 1?", "answer": "2", "samples": [{"text": f"Answer: {a}"} for a in answers]}
    return load(write(path / "given.jsonl", {**given, **more}))[0]


def test_a_recording_without_optional_keys_gives_every_row(tmp_path: Path) -> None:
    lines = [
        {"question": f"What is {n} + 1?", "answer": str(n + 1), "samples": [{"text": f"Answer: {n + 1}"}] * 5}
        for n in range(3)
    ]
    plain = write(tmp_path / "plain.jsonl", *lines)
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert load(plain) == load(packed)
    found = study({"plain": load(plain)}, resamples=1, jobs=1)
    rows = {row["policy"]: row for row in found["policies"]}
    assert {"single", "sc@4", "sc@8", "sc@16", "sc@40", "fast", "balanced", "thorough", "oracle"} <= set(rows)
    assert {name: rows[name]["mean_calls"] for name in ("sc@4", "sc@40", "balanced")} == {
        "sc@4": 4,
        "sc@40": 5,
        "balanced": 3,
    }
    assert all((row["accuracy"], row["ci"], row["mean_tokens"]) == (1, (1, 1), None) for row in rows.values())


def test_a_line_that_says_not_what_is_right_is_named(tmp_path: Path) -> None:
    given = write(
        tmp_path / "bad.jsonl", {"question": "1?", "answer": "1", "samples": [{"text": "1"}]}, {"question": "?"}
    )
    with pytest.raises(ValueError, match=r"bad\.jsonl:2 .*'samples'"):
        load(given)


async def test_each_run_gets_the_samples_in_an_order_of_its_own_and_none_twice(tmp_path: Path) -> None:
    question = recorded(tmp_path, "2", "3", "3")
    single = [(await play(question, consistency(1), str(seed))).right for seed in range(40)]
    assert 5 < sum(single) < 25
    assert [(await play(question, consistency(9), str(seed))).right for seed in range(5)] == [False] * 5


async def test_the_greedy_sample_answers_at_temperature_0_alone(tmp_path: Path) -> None:
    question = recorded(
        tmp_path, "3", "3", "3", greedy={"text": "Answer: 2", "completion_tokens": 7, "prompt_tokens": 1}
    )
    asked = await play(question, Policy("direct", "direct"), "1")
    assert (asked.right, asked.calls, asked.tokens) == (True, 1, 8)
    assert not (await play(question, Policy("balanced"), "1")).right


async def test_with_an_exact_verifier_a_run_is_right_as_often_as_the_oracle_and_stops_on_its_first_pass() -> None:
    for question in load(DATA / "game24_gpt4_cot.jsonl.gz")[::20]:
        for seed in range(2):
            order = list(range(100))
            Random(f"{seed}/{question.id}").shuffle(order)  # noqa: S311 - nothing secret
            passes = [place + 1 for place, index in enumerate(order) if question.samples[index].passed]
            run = await play(question, until_pass(32), str(seed))
            assert (run.right, run.calls) == (bool(passes) and passes[0] <= 32, min([*passes[:1], 32]))


def test_the_oracle_of_game_of_24_is_the_published_one() -> None:
    questions = load(DATA / "game24_gpt4_cot.jsonl.gz")
    shares = {cap: 100 * sum(pass_at_k(100, one.good(), cap) for one in questions) / 100 for cap in (1, 8, 32, 100)}
    calls = {cap: sum(calls_until_pass(100, one.good(), cap) for one in questions) / 100 for cap in (1, 8, 32, 100)}
    assert shares == pytest.approx({1: 4.0, 8: 19.0, 32: 35.3, 100: 49.0}, abs=0.06)
    assert calls == pytest.approx({1: 1.0, 8: 7.2, 32: 24.4, 100: 62.9}, abs=0.06)
    assert sum(oracle(questions, 40).right) / 100 == pytest.approx(0.38, abs=0.01)


def test_at_calls_between_two_policies_both_are_drawn_by_lot() -> None:
    rows = [Row("a", [0, 1], [1, 1]), Row("b", [1, 1], [5, 5])]
    assert [at_calls(rows, calls) for calls in (0.5, 1, 2, 5, 9)] == [[0, 1], [0, 1], [0.25, 1], [1, 1], [1, 1]]


def gsm8k(text: str, *, cheap: bool, strong: bool) -> dict[str, Any]:
    return {
        "question": "What is 3 times 4?",
        "cheap": {"text": text, "right": cheap},
        "strong": {"text": "#### 12", "right": strong},
    }


async def test_a_cascade_sends_up_what_looks_doubtful_and_is_right_where_the_chosen_model_was() -> None:
    good, slip = "3 * 4 = 12 #### 12", "3 * 4 = 13 #### 13"
    assert [cascade.false_sums(text) for text in (good, slip, "2 apples = 3", "9 / 0 = 1")] == [0, 1, 0, 0]
    questions = [gsm8k(good, cheap=True, strong=False), gsm8k(slip, cheap=False, strong=True)]
    point = await cascade.play(questions, 0.9)
    assert (point.right, point.up) == ([True, True], [False, True])
    assert cascade.area([point], questions, range(2)) == pytest.approx(0.25)
