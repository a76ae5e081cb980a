"""The chain of selectors: which rule decides, what it chooses, and how sure it says to be."""

from statistics import fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ponder.nodes.selectors import choose
from ponder.nodes.selectors.agreement import scores
from ponder.nodes.selectors.confidence import TEMPERATURE
from ponder.nodes.view import View
from ponder.state import Candidate, Verdict
from ponder.state.merge import merge
from ponder.state.run import Selection
from tests.benchmarks import codet, selection


def cast(*votes: tuple[str, dict[str, Any]]) -> list[Candidate]:
    return [Candidate(id=f"{index:03}", answer=answer, **given) for index, (answer, given) in enumerate(votes)]


def plain(answers: str) -> list[Candidate]:
    return cast(*((answer, {}) for answer in answers))


def sure(*votes: tuple[str, float]) -> list[Candidate]:
    return cast(*((answer, {"confidence": value, "confidence_source": "logprob"}) for answer, value in votes))


def scored(*votes: tuple[str, float], kind: str = "weak", passed: bool | None = None) -> list[Candidate]:
    return cast(
        *(
            (answer, {"verdict": Verdict.model_validate({"score": score, "kind": kind, "passed": passed})})
            for answer, score in votes
        )
    )


def ran(*votes: tuple[str, str]) -> list[Candidate]:
    """Run each program on a few tests nobody vouches for: x is passed, . is failed."""
    found = {row: tuple(mark == "x" for mark in row) for _, row in votes}
    verdicts = {row: Verdict(score=sum(rows) / len(rows), kind="weak", outcomes=rows) for row, rows in found.items()}
    return cast(*((answer, {"verdict": verdicts[row]}) for answer, row in votes))


def chosen(candidates: list[Candidate]) -> tuple[str | None, str]:
    selection = chosen_of(candidates)
    answer = next((item.answer for item in candidates if item.id == selection.candidate_id), None)
    return answer, selection.decided_by


def chosen_of(candidates: list[Candidate]) -> Selection:
    return choose(View("select", {"candidates": candidates}))


def test_each_rule_decides_what_those_before_it_leave_open() -> None:
    assert chosen([]) == (None, "none")
    assert chosen(plain("ab")) == ("a", "first")
    assert chosen(plain("abb")) == ("b", "majority")
    assert chosen(sure(("a", 0.4), ("b", 0.5))) == ("b", "confidence")
    assert chosen(scored(("a", 0.9), ("b", 0.2), ("b", 0.3))) == ("a", "scores")
    assert chosen(ran(("a", "xxx.."), ("b", "xx..."), ("c", "xx..."), ("d", "xx..."))) == ("b", "agreement")
    assert chosen([*scored(("a", 1.0), kind="exact", passed=True), *plain("xbbb")[1:]]) == ("a", "verified")


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=20))
def test_with_an_exact_verifier_a_right_answer_is_found_wherever_there_is_one(answers: list[str]) -> None:
    verdicts = [Verdict(score=float(answer == "c"), passed=answer == "c") for answer in answers]
    votes = cast(*((answer, {"verdict": verdict}) for answer, verdict in zip(answers, verdicts, strict=True)))
    selection = chosen_of(votes)
    assert (chosen(votes)[0] == "c") == ("c" in answers) == (selection.confidence == 1)


def test_of_several_answers_that_passed_the_one_with_most_votes_among_them_is_chosen() -> None:
    passed = scored(("a", 1.0), ("b", 1.0), ("b", 1.0), ("c", 1.0), kind="exact", passed=True)
    assert chosen(passed) == ("b", "verified")


def test_a_weak_verifier_s_pass_proves_nothing_and_its_refusal_disproves_nothing() -> None:
    votes = scored(("a", 0.6), ("b", 0.5), ("b", 0.5), passed=True)
    assert chosen(votes) == ("b", "scores")
    assert chosen_of(scored(("a", 0.4), ("a", 0.4), passed=False)).confidence > 0


def test_beyond_eight_candidates_a_weak_verifier_does_not_choose_by_its_best_score_alone() -> None:
    eight = [(chr(97 + index), 0.5 + index / 100) for index in range(8)]
    assert chosen(scored(*eight)) == ("h", "scores")
    assert chosen(scored(*eight, ("z", 1.0))) == ("h", "scores")
    assert chosen(scored(*eight, ("z", 1.0), ("a", 0.4))) == ("z", "scores")
    assert chosen(scored(*eight, ("z", 0.9), ("a", 0.5))) == ("a", "scores")


def test_programs_count_by_the_root_of_their_number_times_the_tests_they_pass() -> None:
    assert scores(["p", "q", "q", "q", "q"], [3, 2, 2, 2, 2]) == [3, 4, 4, 4, 4]


def test_tests_that_nobody_passes_or_that_were_not_run_for_all_tell_nothing() -> None:
    assert chosen(ran(("a", "..."), ("b", "..."), ("b", "...")))[1] == "majority"
    assert chosen([*ran(("a", "xxx")), *plain("xbb")[1:]])[1] == "majority"


def test_confidences_break_ties_and_those_of_several_models_are_not_compared() -> None:
    assert chosen(sure(("a", 0.5), ("a", 0.5), ("b", 0.9))) == ("a", "confidence")
    assert chosen(sure(("a", 0.5), ("b", 0.9), ("a", 0.5), ("b", 0.6))) == ("b", "confidence")
    mixed = sure(("a", 0.5), ("b", 0.9), ("a", 0.1))
    assert chosen([mixed[0], mixed[1].model_copy(update={"model": "other"}), mixed[2]]) == ("a", "majority")
    assert chosen([*mixed[:2], *plain("xxa")[2:]]) == ("a", "majority")


def test_weights_that_differ_only_by_the_order_they_were_added_in_are_tied() -> None:
    assert chosen(scored(("a", 0.1), ("b", 0.3), ("a", 0.2), ("b", 0.0)))[1] == "first"


votes_of_any_kind = st.sampled_from([plain, sure, scored]).flatmap(
    lambda make: st.lists(
        st.sampled_from("abc")
        if make is plain
        else st.tuples(st.sampled_from("abc"), st.sampled_from([0.1, 0.2, 0.7])),
        min_size=1,
        max_size=12,
    ).map(lambda given: plain("".join(given)) if make is plain else make(*given))  # type: ignore[arg-type, operator]
)


@given(votes_of_any_kind, st.randoms())
def test_the_choice_does_not_depend_on_who_comes_back_first(votes: list[Candidate], chance: Any) -> None:
    shuffled = votes[:]
    chance.shuffle(shuffled)
    assert chosen_of(merge([], shuffled)) == chosen_of(votes)


@given(votes_of_any_kind)
def test_a_further_vote_for_the_choice_makes_surer_and_one_for_another_less_sure(votes: list[Candidate]) -> None:
    selection = chosen_of(votes)
    spoke = next(item for item in votes if item.id == selection.candidate_id)
    same, other = (spoke.model_copy(update={"id": "999", "answer": answer}) for answer in (spoke.answer, "new"))
    confirmed, doubted = chosen_of([*votes, same]), chosen_of([*votes, other])
    assert chosen([*votes, same])[0] == spoke.answer
    assert confirmed.confidence >= selection.confidence
    assert confirmed.confidence > selection.confidence or selection.confidence == 0 or spoke.verdict
    if chosen([*votes, other])[0] == spoke.answer:
        assert doubted.confidence <= selection.confidence
    assert 0 <= selection.confidence < 1
    assert 0 <= selection.margin <= 1


@pytest.mark.parametrize(("votes", "margin"), [("aaab", 0.5), ("ab", 0), ("a", 1)])
def test_the_margin_is_the_lead_as_a_share_of_the_votes(votes: str, margin: float) -> None:
    assert chosen_of(plain(votes)).margin == margin


def test_on_recorded_votes_the_weights_gain_where_they_are_few_and_never_lose_much() -> None:
    gains = {
        count: fmean(selection.rate(selection.softmax(TEMPERATURE), count, 5).values())
        - fmean(selection.rate(selection.plain, count, 5).values())
        for count in (4, 32)
    }
    assert gains[4] > 0.02
    assert gains[32] > -0.01


def test_on_recorded_programs_agreement_finds_what_the_paper_s_does_and_most_tests_passed_misleads() -> None:
    found = {way: fmean(codet.replay(way, 100, 100)) for way in ("random", "most tests passed", "agreement")}
    assert found["agreement"] > 0.368
    assert found["most tests passed"] < found["random"] + 0.02
