"""A model or a verifier may be of no use: the run ends in bounds, and says honestly how sure it is and why it ended."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from ponder.graphs import create_ponder, solve
from ponder.nodes.ports import Reply, Request
from ponder.state import Answer, Budget, Problem, Verdict
from ponder.state.budget import Usage
from ponder.state.run import Candidate
from tests.fakes import ScriptedModel, always

LIMIT = 30
POLICIES = ("adaptive", "cumulative", "fixed", "direct", "parallel", "refine", "search")


def odd(kind: str, number: int) -> Reply:
    """Reply as a useless model does."""
    return {
        "same": Reply("Answer: 7"),
        "different": Reply(f"Answer: {number * 13 + 5}"),
        "refusing": Reply("I'm sorry, but I can't help with that."),
        "empty": Reply(""),
        "looping": Reply("and so on " * 50, finish="length"),
        "rambling": Reply(f"Well, numbers such as {number} are lovely, aren't they? Let me tell you more."),
    }[kind]


async def solved(kind: str, **settings: Any) -> Answer:
    model = ScriptedModel()
    numbers = iter(range(1000))

    async def generate(*_: object) -> Reply:
        return odd(kind, next(numbers))

    model.generate = generate  # type: ignore[method-assign]
    graph = create_ponder(model, budget=Budget(max_calls=LIMIT), retries=0, **settings)
    answer: Answer = (await graph.ainvoke({"problem": "How many are there?"}))["answer"]
    assert answer.spent.calls == next(numbers) <= LIMIT
    return answer


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("kind", ["empty", "looping", "refusing"])
async def test_no_answer_is_no_answer(kind: str, policy: str) -> None:
    answer = await solved(kind, policy=policy)
    assert (answer.answer, answer.confidence, answer.decided_by) == (None, 0, "none")
    assert answer.stopped_because != "confident"


@pytest.mark.parametrize("policy", POLICIES)
async def test_a_model_that_never_repeats_itself_is_not_believed(policy: str) -> None:
    answer = await solved("different", policy=policy)
    assert answer.answer is not None
    assert answer.confidence < 0.35
    assert answer.stopped_because != "confident"


@pytest.mark.parametrize("policy", ["adaptive", "parallel", "fixed"])
async def test_a_model_that_always_says_the_same_is_believed_soon(policy: str) -> None:
    answer = await solved("same", policy=policy)
    assert (answer.answer, answer.stopped_because) == ("7", "complete" if policy == "fixed" else "confident")
    assert answer.confidence > 0.6
    assert answer.spent.calls <= (LIMIT if policy == "fixed" else 4)


@pytest.mark.parametrize("policy", POLICIES)
async def test_a_model_that_rambles_is_not_believed(policy: str) -> None:
    answer = await solved("rambling", policy=policy)
    assert answer.confidence < 0.35
    assert answer.stopped_because != "confident"


@pytest.mark.parametrize("policy", POLICIES)
async def test_a_verifier_that_passes_everything_ends_the_run_at_once(policy: str) -> None:
    def everything(_: Problem, __: Candidate) -> Verdict:
        return Verdict(score=1, passed=True)

    answer = await solved("different", policy=policy, verifier=everything)
    assert (answer.decided_by, answer.confidence) == ("verified", 1)
    assert answer.spent.calls <= (LIMIT if policy in {"fixed", "cumulative"} else 4)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("kind", ["same", "different", "refusing"])
async def test_what_a_verifier_never_passes_has_no_confidence(kind: str, policy: str) -> None:
    def nothing(_: Problem, __: Candidate) -> Verdict:
        return Verdict(score=0, passed=False, feedback="wrong")

    answer = await solved(kind, policy=policy, verifier=nothing)
    assert answer.confidence == 0
    assert answer.decided_by != "verified"
    assert answer.stopped_because not in {"verified", "confident"}


def its_own_cause() -> ConnectionError:
    """Return what `raise error from error` raises."""
    error = ConnectionError("down")
    error.__cause__ = error
    return error


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        (TimeoutError("of its own"), "TimeoutError: of its own"),
        (asyncio.CancelledError(), "CancelledError: "),
        (its_own_cause(), "ConnectionError: down"),
        (None, "TypeError: it returned None, which is no Reply"),
        ("Answer: 7", "TypeError: it returned 'Answer: 7', which is no Reply"),
        (Reply(None), "TypeError: the text of its Reply is None"),  # type: ignore[arg-type]
        (Reply("7", usage={"input": 1}), "TypeError: the usage of its Reply is {'input': 1}"),  # type: ignore[arg-type]
        (Reply("7", finish="done"), "TypeError: the finish of its Reply is 'done': give stop, "),  # type: ignore[arg-type]
        (Reply("7", tool_calls=[{"name": "add"}]), "TypeError: a tool call of its Reply is {'name': 'add'}: give name"),
        (
            Reply("7", tool_calls=[{"name": "add", "args": {"a": {1}}}]),
            "TypeError: Object of type set is not JSON serializable",
        ),
        (
            Reply("Answer: 8", tool_calls=[{"name": "add", "args": json.loads('{"a":' * 300 + "1" + "}" * 300)}]),
            "TypeError: a tool call of its Reply nests more than 100 levels deep: that cannot be kept",
        ),
    ],
)
async def test_a_model_whose_own_code_fails_takes_no_other_call_with_it(returned: object, says: str) -> None:
    class Odd(ScriptedModel):
        async def generate(self, messages: Any, request: Request) -> Any:
            number, reply = self.calls, await super().generate(messages, request)
            if number != 1:
                return reply
            if isinstance(returned, BaseException):
                raise returned
            return returned

    graph = create_ponder(Odd(always("7")))
    answer: Answer = (await graph.ainvoke({"problem": "How many are there?"}))["answer"]
    failed = [candidate.error for candidate in answer.candidates if candidate.error]
    assert (answer.answer, len(failed)) == ("7", 1)
    assert failed[0].startswith(f"model 'scripted' raised {says}")
    assert (answer.spent.estimated, answer.spent.lost) == (1, 0)


async def test_a_text_whose_tokens_nobody_counts_is_not_taken_for_longer_than_was_asked_for() -> None:
    class Silent(ScriptedModel):
        async def generate(self, messages: Any, request: Request) -> Reply:
            return replace(await super().generate(messages, request), usage=None)

    model = Silent(always("considering " * 250 + "Answer: 7"))
    graph = create_ponder(model, budget={"max_tokens": 6000}, max_tokens=512, policy="fixed")
    answer: Answer = (await graph.ainvoke({"problem": "How many are there?"}))["answer"]
    assert answer.answer == "7"
    assert 512 < answer.spent.output_tokens == 512 * answer.spent.estimated
    assert answer.spent.used["max_tokens"] <= 6000


@pytest.mark.parametrize(("levels", "fails"), [(90, 0), (300, 1), (900, 1), (20_000, 1)])
def test_arguments_that_nest_deeper_than_a_store_can_keep_fail_their_call_alone(levels: int, fails: int) -> None:
    args: dict[str, Any] = {}
    for _ in range(levels):
        args = {"a": args}
    deep = Reply("Answer: 7", tool_calls=[{"name": "add", "args": args, "id": "1"}], usage=Usage(output_tokens=1))
    model = ScriptedModel(lambda _, number: "Answer: 7" if number else deep)
    answer = solve("How many are there?", model=model, store=":memory:", policy="fixed", budget=Budget(max_calls=4))
    failed = [candidate.error for candidate in answer.candidates if candidate.error]
    assert (answer.answer, len(failed), answer.spent.calls, answer.spent.lost) == ("7", fails, 4, 0)
