"""Of free texts the one most like the others is taken, by embeddings on this machine, and no call is made for it."""

import math
from typing import Any

import pytest

from ponder.graphs import solve
from ponder.nodes.models import embedding
from ponder.nodes.models.embedding import LocalEmbedder
from ponder.nodes.ports import Reply
from ponder.state import Answer, Problem, UsageError
from tests.fakes import ScriptedModel, kind_of

pytest.importorskip("wordllama")
TEXTS = (
    "I like cats and dogs more than any other animal.",
    "Bread rises because yeast makes carbon dioxide, which is caught in the dough.",
    "The yeast gives off carbon dioxide gas, and the gas lets the bread dough rise.",
    "Yeast in the dough produces gas, carbon dioxide, so the bread rises.",
)


def solved(*texts: str, **settings: Any) -> tuple[Answer, ScriptedModel]:
    said = {"consistent": "Most consistent: 1"}
    model = ScriptedModel(lambda prompt, number: said.get(kind_of(prompt)) or texts[number % len(texts)])
    model = settings.pop("model", model)
    asked: dict[str, Any] = {"policy": "fixed", "budget": {"max_calls": len(texts) + 2}, "max_samples": len(texts)}
    asked |= {"semantic": True, "store": ":memory:", "window": 1, **settings}
    given = Problem(text="Why does bread rise?", answer_type=asked.pop("answer_type", "text"))
    return solve(given, model=model, **asked), model


@pytest.mark.parametrize("answer_type", ["text", None])
def test_what_most_of_the_texts_say_is_chosen_without_a_judge(answer_type: str | None) -> None:
    answer, model = solved(*TEXTS, budget={"max_calls": len(TEXTS)}, answer_type=answer_type)
    assert answer.text in TEXTS[1:]
    assert (answer.decided_by, set(model.kinds), answer.spent.calls) == ("consistent", {"sample"}, len(TEXTS))


def test_how_sure_the_model_was_of_each_text_does_not_stand_before_what_most_of_them_say() -> None:
    sure = iter([Reply(text, mean_logprob=-0.1 - index) for index, text in enumerate(TEXTS)])
    answer, _ = solved(*TEXTS, model=ScriptedModel(lambda *_: next(sure)), budget={"max_calls": len(TEXTS)})
    assert (answer.decided_by, answer.text in TEXTS[1:]) == ("consistent", True)


def test_of_two_texts_neither_is_more_like_the_other_so_a_judge_is_asked() -> None:
    _, model = solved(*TEXTS[:2], policy="parallel", max_samples=2)
    assert "consistent" in model.kinds


def test_without_the_package_nothing_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"semantic=True needs a package that is missing: pip install"):
        solved(*TEXTS)


def test_any_text_has_a_vector_of_length_one_or_none() -> None:
    vectors = LocalEmbedder().embed(["", "\ud800", "word " * 9000, "\0", "bread"])
    lengths = [math.hypot(*vector) for vector in vectors]
    assert all(length == 0 or math.isclose(length, 1, rel_tol=1e-6) for length in lengths)
    assert lengths[0] == 0
    assert lengths[-1] > 0
