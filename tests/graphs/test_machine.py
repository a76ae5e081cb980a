"""A run from START to END: policies, escalation, the cap, failures, with a scripted model."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import BaseMessage

from ponder.graphs import create_ponder
from ponder.graphs.branches import BRANCHES
from ponder.graphs.unheard import unheard
from ponder.nodes.ports import CallFailed, Reply, Request
from ponder.state import Answer, Budget, ModelUnreachable, Problem, UsageError, Verdict
from tests.fakes import ScriptedModel, always, cycle, kind_of, passing

POLICIES = ["adaptive", "cumulative", "fixed", *BRANCHES]


async def run(model: ScriptedModel, problem: str = "What is 1 + 1?", **options: Any) -> Answer:
    output = await create_ponder(model, **options).ainvoke({"problem": problem})
    answer: Answer = output["answer"]
    return answer


def taken(answer: Answer) -> list[str]:
    return [visit.branch for visit in answer.route]


async def test_probes_that_agree_are_the_answer_and_no_further_call_is_made() -> None:
    answer = await run(ScriptedModel(always("2")))
    assert (answer.answer, answer.spent.calls, answer.stopped_because) == ("2", 3, "confident")
    assert answer.assessment is not None
    assert (answer.assessment.level, answer.assessment.evidence) == ("low", "3 of 3 probes agree")
    assert taken(answer) == ["assess", "direct"]
    assert {candidate.branch for candidate in answer.candidates} == {"assess"}


@pytest.mark.parametrize(
    ("probes", "level"),
    [
        (["1", "1", "2"], "medium"),
        (["1", "2", "3"], "high"),
        (["", "", ""], "very_high"),
    ],
)
async def test_probes_that_disagree_lead_to_more_samples(probes: list[str], level: str) -> None:
    model = ScriptedModel(lambda _, number: f"Answer: {(probes + ['7'] * 99)[number]}")
    answer = await run(model)
    assert answer.assessment is not None
    assert (answer.assessment.level, taken(answer)) == (level, ["assess", "parallel"])
    assert (answer.answer, answer.stopped_because) == ("7", "confident")


async def test_a_model_that_nobody_checks_does_not_judge_itself_unless_asked_by_name() -> None:
    model = ScriptedModel(cycle("1", "2", "3"))
    answer = await run(model)
    assert (set(model.kinds) - {"judge"}, answer.stopped_because) == ({"sample"}, "no branch left")
    asked = ScriptedModel(cycle("1", "2", "3"))
    await run(asked, policy="refine")
    assert "critique" in asked.kinds


async def test_sampling_ends_where_no_answer_has_more_than_two_in_seven_votes_unless_thorough() -> None:
    for first, drawn in (("", 7), ("1231241", 13)):
        scattered = ScriptedModel(lambda _, number, first=first: f"Answer: {[*first, *range(10, 60)][number]}")
        answer = await run(scattered)
        assert (scattered.kinds.count("sample"), answer.route[1].stopped) == (drawn, "no quorum")
    scattered = ScriptedModel(lambda _, number: f"Answer: {number}")
    await run(scattered, effort="thorough")
    assert scattered.kinds.count("sample") == 40


async def test_probes_that_agree_are_believed_whatever_the_threshold() -> None:
    answer = await run(ScriptedModel(always("2")), effort="thorough")
    assert (answer.spent.calls, answer.stopped_because) == (3, "confident")


async def test_no_more_probes_are_asked_than_samples_are_allowed() -> None:
    model = ScriptedModel(cycle("1", "2"))
    await run(model, max_samples=2)
    assert model.kinds == ["sample"] * 2 + ["judge"] * 2


async def test_probes_cut_off_by_the_token_limit_are_asked_again_with_twice_the_room() -> None:
    def script(_: str, number: int) -> Reply:
        return Reply("It is", finish="length") if number < 3 else Reply("Answer: 2")

    model = ScriptedModel(script)
    answer = await run(model, max_tokens=100)
    assert [request.max_tokens for request in model.requests] == [100] * 3 + [200] * 3
    assert answer.assessment is not None
    assert answer.assessment.level == "medium"
    assert answer.answer == "2"


async def test_a_truncated_text_never_votes() -> None:
    answer = await run(ScriptedModel(lambda *_: Reply("Answer: 2", finish="length")), policy="direct")
    assert (answer.answer, answer.decided_by, answer.text) == (None, "none", "Answer: 2")


async def test_the_model_can_be_asked_for_the_difficulty() -> None:
    model = ScriptedModel(cycle("2"))
    answer = await run(model, assessor="ask")
    assert model.kinds[0] == "rate"
    assert answer.assessment is not None
    assert (answer.assessment.difficulty, answer.assessment.level) == (5, "very_high")


@pytest.mark.parametrize(
    ("difficulty", "plan"),
    [("0", "direct"), ("0.9", "direct"), ("1", "parallel"), ("2.9", "parallel"), ("3", "refine"), ("5", "search")],
)
async def test_a_difficulty_given_chooses_the_branch_at_10_30_and_50(difficulty: str, plan: str) -> None:
    answer = await run(ScriptedModel(always("2")), assessor=f"fixed:{difficulty}")
    assert answer.assessment is not None
    assert answer.assessment.plan[0] == plan
    assert len(answer.assessment.plan) > 1 or answer.assessment.compute_budget == int(float(difficulty) * 10)


async def test_a_difficulty_given_is_believed_beside_a_verifier_too() -> None:
    exact = await run(ScriptedModel(always("2")), assessor="fixed:5", verifier=lambda *_: True)
    assert exact.assessment is not None
    assert (exact.assessment.difficulty, exact.assessment.plan, exact.decided_by) == (5, ("search",), "verified")


async def test_an_open_result_escalates_with_every_earlier_candidate_kept() -> None:
    answer = await run(ScriptedModel(cycle("1", "2", "3")), max_samples=6, verifier=lambda *_: 0.5)
    assert taken(answer)[:4] == ["assess", "parallel", "refine", "search"]
    ids = [candidate.id for candidate in answer.candidates]
    assert len(ids) == len(set(ids))
    assert sum(visit.candidates for visit in answer.route) == len(ids)
    assert sum(visit.calls for visit in answer.route) == answer.spent.calls


async def test_cumulative_runs_its_branches_together_within_disjoint_shares() -> None:
    model = ScriptedModel(cycle("1", "2", "3"), latency=0.01)
    answer = await run(model, policy="cumulative", assessor="fixed:6", budget=Budget(max_calls=20))
    assert taken(answer) == ["assess", "parallel", "refine", "search"]
    assert model.calls == answer.spent.calls <= 20
    assert model.most_flying > 4


async def test_fixed_spends_the_whole_budget_and_assesses_nothing() -> None:
    model = ScriptedModel(always("2"), latency=0.01)
    answer = await run(model, policy="fixed", budget=Budget(max_calls=11))
    assert (model.calls, model.most_flying, answer.assessment) == (11, 11, None)
    assert answer.stopped_because == "complete"


async def test_parallel_varies_five_strategies_and_stops_when_the_vote_is_settled() -> None:
    model = ScriptedModel(always("2"))
    answer = await run(model, policy="parallel", effort="thorough")
    assert (model.calls, answer.stopped_because) == (4, "confident")
    model = ScriptedModel(cycle("1", "2"))
    answer = await run(model, policy="parallel")
    assert {candidate.strategy for candidate in answer.candidates} == {
        "step by step",
        "edge cases",
        "backwards",
        "subproblems",
        "analogy",
    }
    assert all(candidate.confidence is not None for candidate in answer.candidates)


async def test_parallel_stops_when_the_lead_cannot_be_caught() -> None:
    answers = ["1", "1", "1", "2", "1", "1", "1", "2"]
    answer = await run(
        ScriptedModel(lambda _, number: f"Answer: {answers[number]}"), policy="parallel", threshold=0.999, max_samples=9
    )
    assert (answer.spent.calls, answer.route[-1].stopped) == (6, "lead cannot be caught")


async def test_a_window_holds_no_more_samples_than_could_settle_the_vote() -> None:
    answers = ["1", "1", "1", "2", "1", "1", "1", "1"]
    model = ScriptedModel(lambda _, number: f"Answer: {answers[number]}")
    answer = await run(model, policy="parallel", threshold=0.9, max_samples=500)
    # 3 to 1 after the first window; 5 to 1 is enough.
    assert (answer.spent.calls, answer.route[-1].stopped) == (6, "confident")


async def test_a_window_ends_where_the_lack_of_a_quorum_counts() -> None:
    answers = ["1", "1", "2", "3", "2", "4", "3", "5", "6"]
    model = ScriptedModel(lambda _, number: f"Answer: {answers[number % 9]}")
    answer = await run(model, policy="parallel", threshold=0.9)
    assert [(visit.calls, visit.stopped) for visit in answer.route if visit.branch == "parallel"] == [(7, "no quorum")]


async def test_the_indentation_of_a_problem_is_sent_as_it_is() -> None:
    model = ScriptedModel(cycle("1"))
    problem = "Mend this:\n\ndef f(x):\n    a = 1\n\n    return a + x"
    await create_ponder(model, policy="fixed", budget=Budget(max_calls=6)).ainvoke({"problem": problem})
    await create_ponder(model, policy="refine").ainvoke({"problem": problem})
    assert all(problem in prompt for prompt in model.prompts)


async def test_refine_drafts_in_four_parts_then_alternates_critique_and_revision() -> None:
    model = ScriptedModel(cycle("1"))
    answer = await run(model, policy="refine")
    assert model.kinds == ["sample", *["critique", "improve"] * 3]
    assert all(part in model.prompts[0] for part in ("Understanding", "Approach", "Solution", "Verification"))
    assert "Score: 5" in model.prompts[2]
    assert (answer.route[0].iterations, answer.route[0].candidates) == (3, 4)


async def test_refine_ends_when_the_critique_finds_nothing() -> None:
    model = ScriptedModel(lambda prompt, _: "Score: 10" if kind_of(prompt) == "critique" else "Answer: 2")
    answer = await run(model, policy="refine")
    assert (model.calls, answer.route[0].stopped) == (2, "critique found nothing")


@pytest.mark.parametrize(("policy", "visited"), [("refine", (3, "rounds made")), ("search", (10, "iterations made"))])
async def test_a_critique_that_never_comes_is_done_without(policy: str, visited: tuple[int, str]) -> None:
    class Hanging(ScriptedModel):
        async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
            reply = await super().generate(messages, request)
            if request.kind == "critique":
                await asyncio.sleep(60)
            return reply

    model = Hanging(lambda _, number: f"Answer: {number}")
    limits = {"call_timeout": 0.1, "retries": 0, "max_rounds": 1, "max_iterations": 1}
    answer = await run(model, policy=policy, **limits)
    assert (answer.route[0].calls, answer.route[0].stopped) == visited


async def test_a_verified_refinement_feeds_the_verdict_back_and_asks_for_no_critique() -> None:
    def verdict(_: Problem, candidate: Any) -> Verdict:
        right = candidate.answer == "4"
        return Verdict(score=float(right), passed=right, feedback="" if right else "too small")

    model = ScriptedModel(lambda _, number: f"Answer: {number + 2}")
    answer = await run(model, policy="refine", verifier=verdict, budget=Budget(max_calls=4))
    assert model.kinds == ["sample", "improve", "improve"]
    assert "too small" in model.prompts[1]
    assert (answer.answer, answer.decided_by, answer.confidence) == ("4", "verified", 1)


async def test_search_expands_the_best_candidate_first_and_reports_what_it_explored() -> None:
    def script(prompt: str, number: int) -> str:
        if kind_of(prompt) == "critique":
            return f"Score: {prompt.split('Answer: ')[1][0]}"
        return f"Answer: {[1, 3, 2, 0, 0, 0, 4, 9][number]}" if number < 8 else "Answer: 0"

    model = ScriptedModel(script)
    answer = await run(model, policy="search")
    assert model.kinds[:6] == ["sample"] * 3 + ["critique"] * 3
    assert "Answer: 3" in model.prompts[6]
    assert "Answer: 3" in model.prompts[7]
    assert (answer.route[0].stopped, answer.route[0].iterations, answer.route[0].candidates) == ("complete", 1, 5)


async def test_search_checks_each_candidate_once_where_the_budget_admits_them_one_by_one() -> None:
    model = ScriptedModel(lambda _, number: Reply(f"Attempt {number}", finish="length"))
    answer = await run(model, policy="search", budget=Budget(max_tokens=430), max_tokens=64)
    assert len(set(model.prompts)) == len(model.prompts) == answer.spent.calls


async def test_search_ends_after_its_iterations() -> None:
    answer = await run(
        ScriptedModel(lambda p, n: "Score: 2" if kind_of(p) == "critique" else f"Answer: {n}"),
        policy="search",
        max_iterations=2,
    )
    assert (answer.route[0].stopped, answer.route[0].iterations) == ("iterations made", 2)


async def test_a_tie_is_judged_in_both_orders() -> None:
    def script(prompt: str, number: int) -> str:
        if kind_of(prompt) == "judge":
            return "Better: 1" if prompt.index("Answer: 7") < prompt.index("Answer: 8") else "Better: 2"
        return f"Answer: {8 - number % 2}"

    model = ScriptedModel(script)
    answer = await run(model, policy="parallel", max_samples=4)
    assert model.kinds.count("judge") == 2
    assert (answer.answer, answer.decided_by) == ("7", "judge")


async def test_a_judge_that_always_prefers_the_first_place_is_not_believed() -> None:
    answer = await run(ScriptedModel(cycle("8", "7")), policy="parallel", max_samples=4)
    assert (answer.answer, answer.decided_by) == ("8", "first")


async def test_answers_that_the_verifier_refused_are_not_judged() -> None:
    model = ScriptedModel(cycle("1", "2"))
    await run(model, policy="fixed", max_samples=2, verifier=lambda *_: False)
    assert model.kinds == ["sample", "sample"]


async def test_a_tie_is_not_judged_by_half() -> None:
    model = ScriptedModel(cycle("8", "7"))
    answer = await run(model, policy="parallel", max_samples=4, budget=Budget(max_calls=5))
    assert (model.calls, answer.answer, answer.decided_by) == (4, "8", "first")


async def test_a_verifier_replaces_probing_and_the_first_pass_ends_the_run() -> None:
    model = ScriptedModel(lambda _, number: f"Answer: {number}")
    answer = await run(model, verifier=lambda _, candidate: candidate.answer == "5")
    assert (answer.answer, answer.decided_by, answer.stopped_because) == ("5", "verified", "verified")
    assert model.calls == 8


async def test_an_answer_that_the_verifier_refused_has_no_confidence() -> None:
    answer = await run(ScriptedModel(always("2")), policy="parallel", verifier=lambda *_: False)
    assert (answer.answer, answer.confidence) == ("2", 0)


async def test_a_verifier_that_raises_is_a_failed_verdict_with_the_reason() -> None:
    def broken(*_: object) -> bool:
        raise RuntimeError("no such file")

    answer = await run(ScriptedModel(always("2")), policy="direct", verifier=broken)
    verdict = answer.candidates[0].verdict
    assert verdict is not None
    assert (verdict.passed, verdict.failed) == (False, "RuntimeError: no such file")


async def test_a_call_that_fails_for_a_passing_reason_is_tried_again_and_both_count() -> None:
    model = ScriptedModel(lambda _, number: passing() if number == 0 else "Answer: 2")
    answer = await run(model, policy="direct")
    assert (answer.answer, model.calls, answer.spent.calls) == ("2", 2, 2)


async def test_a_vote_goes_on_with_what_arrived_and_lists_what_failed() -> None:
    model = ScriptedModel(lambda _, number: CallFailed("HTTP 400: bad") if number % 4 == 3 else "Answer: 2")
    answer = await run(model, policy="fixed", budget=Budget(max_calls=8))
    assert (answer.answer, model.calls) == ("2", 8)
    assert [candidate.error for candidate in answer.candidates if candidate.error] == ["HTTP 400: bad"] * 2


async def test_when_every_call_fails_that_the_budget_allows_there_is_no_answer_and_no_exception() -> None:
    answer = await run(ScriptedModel(lambda *_: CallFailed("HTTP 400: bad")), budget=Budget(max_calls=3))
    assert (answer.answer, answer.decided_by, answer.confidence) == (None, "none", 0)
    assert unheard(answer) == "no call brought a candidate: HTTP 400: bad (max_calls)"


@pytest.mark.parametrize("policy", ["adaptive", "direct", "parallel", "refine", "search", "fixed"])
async def test_when_every_call_fails_for_good_the_run_stops_with_the_last_reason_and_the_next_step(policy: str) -> None:
    model = ScriptedModel(lambda *_: passing("HTTP 503: overloaded"))
    with pytest.raises(ModelUnreachable, match="no call was answered: HTTP 503: overloaded; when that is mended, res"):
        await run(model, policy=policy, retries=1, max_samples=8)
    assert model.calls == 2 * {"adaptive": 3, "direct": 1, "parallel": 4, "refine": 1, "search": 3, "fixed": 8}[policy]


@pytest.mark.parametrize("asynchronous", [True, False])
@pytest.mark.parametrize("config", [{}, {"max_concurrency": 1}])
@pytest.mark.parametrize("answered", [None, 11])
async def test_whether_a_run_is_heard_is_seen_at_the_end_of_a_wave_however_its_calls_are_run(
    asynchronous: bool, config: Any, answered: int | None
) -> None:
    model = ScriptedModel(lambda _, number: "Answer: 2" if number == answered else passing("HTTP 503"))
    asked: Any = {"problem": "1 + 1?"}
    graph = create_ponder(model, policy="fixed", max_samples=6, retries=1)
    asking = graph.ainvoke(asked, config) if asynchronous else asyncio.to_thread(graph.invoke, asked, config)
    if answered is None:
        with pytest.raises(ModelUnreachable, match="no call was answered: HTTP 503"):
            await asking
    else:
        assert (await asking)["answer"].answer == "2"
    assert model.calls == 12


async def test_failures_stop_nothing_while_another_call_of_their_wave_may_be_answered() -> None:
    class Slow(ScriptedModel):
        async def generate(self, messages: Any, request: Request) -> Reply:
            number = self.calls
            if number == 7:
                while self.flying or self.calls < 7:  # noqa: ASYNC110 - the fake counts, it does not signal
                    await asyncio.sleep(0)
            return await super().generate(messages, request)

    model = Slow(lambda _, number: "Answer: 2" if number == 7 else CallFailed("HTTP 400: bad"))
    answer = await run(model, policy="parallel", window=8, max_samples=8, budget=Budget(max_calls=9))
    assert (answer.answer, model.calls) == ("2", 8)


async def test_a_model_that_cannot_be_reached_stops_the_run_after_its_retries() -> None:
    model = ScriptedModel(lambda *_: CallFailed("refused", retry_after=0.001, unreachable=True))
    with pytest.raises(ModelUnreachable, match="refused"):
        await run(model, policy="direct")
    assert model.calls == 3


async def test_a_call_that_hangs_is_ended_by_its_timeout() -> None:
    answer = await run(ScriptedModel(latency=60), policy="direct", call_timeout=0.01, retries=0)
    assert answer.candidates[0].error == "no reply within 0.01 s"


async def test_seconds_end_the_calls_in_flight_and_the_run() -> None:
    answer = await run(ScriptedModel(latency=60), budget=Budget(max_seconds=0.05), retries=9)
    assert (answer.answer, answer.stopped_because, answer.spent.lost) == (None, "max_seconds", 3)
    assert answer.spent.seconds < 5


async def test_a_budget_too_small_for_the_branch_gives_the_best_of_what_fits() -> None:
    model = ScriptedModel(cycle("1", "2", "3"))
    answer = await run(model, budget=Budget(max_calls=2))
    assert (model.calls, answer.answer, answer.stopped_because) == (2, "1", "max_calls")


async def test_seeds_repeat_and_differ_from_call_to_call() -> None:
    first, again = ScriptedModel(always("2")), ScriptedModel(always("2"))
    await run(first, seed=7)
    await run(again, seed=7)
    seeds = [request.seed for request in first.requests]
    assert seeds == [request.seed for request in again.requests]
    assert len(set(seeds)) == 3


@pytest.mark.parametrize(
    "options", [{"policy": "magic"}, {"effort": "huge"}, {"verifier": "magic:x"}, {"model": "gpt"}]
)
def test_an_unknown_name_is_refused_before_the_first_call(options: dict[str, Any]) -> None:
    wrong = next(iter(options.values()))
    with pytest.raises(UsageError, match=wrong):
        create_ponder(options.pop("model", None) or ScriptedModel(), **options)


@pytest.mark.parametrize("given", [{"problem": "  "}, {"messages": []}, {}])
async def test_an_empty_problem_is_refused(given: Any) -> None:
    with pytest.raises(UsageError, match="the problem is empty"):
        await create_ponder(ScriptedModel()).ainvoke(given)


scripts = st.sampled_from(
    [
        always("2"),
        cycle("1", "2"),
        cycle("1", "2", "3"),
        lambda *_: "no answer at all",
        lambda *_: "",
        lambda *_: Reply("Answer: 2", finish="length"),
        lambda _, number: passing() if number % 2 else "Answer: 2",
        lambda _, number: CallFailed("HTTP 400") if number % 3 else f"Answer: {number}",
    ]
)


@settings(max_examples=60, deadline=None)
@given(
    script=scripts,
    policy=st.sampled_from(POLICIES),
    cap=st.integers(1, 24),
    tokens=st.integers(200, 6000) | st.none(),
    assessor=st.sampled_from(["probe", "ask", "fixed:3", "fixed:7"]),
    effort=st.sampled_from(["low", "fast", "balanced", "thorough"]),
    verified=st.sampled_from([None, lambda *_: False, lambda *_: 0.5]),
)
async def test_no_run_makes_more_calls_than_it_may_and_every_one_is_counted(
    script: Callable[..., Any],
    policy: str,
    cap: int,
    tokens: int | None,
    assessor: str,
    effort: str,
    verified: Callable[..., Awaitable[bool]] | None,
) -> None:
    model = ScriptedModel(script)
    budget = Budget(max_calls=cap, max_tokens=tokens)
    options: dict[str, Any] = {
        "policy": policy,
        "assessor": assessor,
        "effort": effort,
        "verifier": verified,
        "max_tokens": 64,
    }
    answer = await run(model, budget=budget, **options)
    assert model.calls == answer.spent.calls <= cap
    assert tokens is None or answer.spent.input_tokens + answer.spent.output_tokens <= tokens
    assert answer.spent.lost == 0


async def test_formulas_that_mean_the_same_are_one_answer() -> None:
    written = ["$(x+1)^2$", "$x^2 + 2x + 1$", "$1 + x(x + 2)$"]
    answer = await run(ScriptedModel(lambda _, number: f"Answer: {written[number]}"), "Expand the square of x + 1.")
    assert (len({candidate.answer for candidate in answer.candidates}), answer.spent.calls) == (1, 3)
