"""A model may be asked how sure it is: the line is read, taken out, and weighs votes where nothing better does."""

from typing import Any

import pytest

from ponder.graphs import solve
from ponder.nodes.ports import Reply
from ponder.nodes.self_rating import self_rating
from ponder.state import Answer
from tests.fakes import ScriptedModel

LINE = "Confidence: <0-100>"


def solved(*replies: str | Reply, **settings: Any) -> tuple[Answer, ScriptedModel]:
    model = ScriptedModel(lambda _, number: replies[number % len(replies)])
    budget = {"max_calls": len(replies)}
    asked: dict[str, Any] = {"policy": "fixed", "budget": budget, "window": 1, "self_rated": True, "store": ":memory:"}
    return solve("1 + 1?", model=model, **(asked | settings)), model


def test_of_tied_answers_the_one_that_the_model_is_surer_of_is_chosen() -> None:
    answer, model = solved("Answer: 8\nConfidence: 40", "Answer: 7\n**Confidence:** 95%")
    assert all(LINE in prompt for prompt in model.prompts)
    assert (answer.answer, answer.decided_by) == ("7", "confidence")
    told = [(item.text, item.confidence, item.confidence_source) for item in answer.candidates]
    assert sorted(told) == [("Answer: 7", 0.95, "self-rated"), ("Answer: 8", 0.4, "self-rated")]


def test_one_that_forgets_to_say_it_counts_as_the_others_do() -> None:
    answer, _ = solved(
        "Answer: 8", "Answer: 8\nConfidence: 20", "Answer: 7\nConfidence: 100", "Answer: 7\nConfidence: 90"
    )
    assert (answer.answer, answer.decided_by) == ("7", "confidence")
    answer, _ = solved("Answer: 8", "Answer: 7\nConfidence: 90", "Answer: 8")
    assert (answer.answer, answer.decided_by) == ("8", "majority")


def test_log_probabilities_are_believed_before_what_the_model_says() -> None:
    doubtful, sure = (
        Reply(f"Answer: {n}\nConfidence: {said}", mean_logprob=p) for n, said, p in ((8, 99, -2), (7, 1, -0.1))
    )
    answer, _ = solved(doubtful, sure)
    assert (answer.answer, answer.decided_by) == ("7", "confidence")
    assert {item.confidence_source for item in answer.candidates} == {"logprob"}


def test_nobody_is_asked_who_was_not_to_be_or_who_answers_in_json_alone() -> None:
    answer, model = solved("Answer: 8\nConfidence: 40", self_rated=False)
    assert LINE not in model.prompts[0]
    assert answer.candidates[0].text == "Answer: 8\nConfidence: 40"
    from ponder.state import Problem

    model = ScriptedModel(lambda *_: '{"a": 1}')
    solve(
        Problem(text="An object.", answer_type="json"), model=model, policy="direct", self_rated=True, store=":memory:"
    )
    assert LINE not in model.prompts[0]


def test_a_rating_is_no_probability_of_tokens() -> None:
    answer, _ = solved("Answer: 2\nConfidence: 99", policy="adaptive", assessor="logprob", budget={"max_calls": 4})
    assert answer.assessment is not None
    assert "probability" not in answer.assessment.evidence


@pytest.mark.parametrize(
    ("line", "rating"),
    [
        ("Confidence: 80", 0.8),
        ("confidence: 0", 0),
        ("- **Confidence level**: 85 %", 0.85),
        ("Confidence: 0.9", 0.9),
        ("Confidence: 1", 0.01),
        ("Confidence: 72.5/100", 0.725),
        ("Confidence = 900", None),
        ("Confidence: high", None),
        ("My confidence is 80", None),
    ],
)
def test_ratings_are_read_as_models_write_them(line: str, rating: float | None) -> None:
    assert self_rating(f"So.\n{line}\nAnswer: 5\n")[1] == rating


def test_the_last_rating_counts_and_none_is_left_in_the_text() -> None:
    assert self_rating("Confidence: 10\nAnswer: 5\nConfidence: 90\n") == ("Answer: 5", 0.9)
    assert self_rating("\n" * 10_000 + "*" * 10_000)[1] is None
