"""With `n`, samples of one prompt share a request: each call gets its choice, and the costs add up to the server's."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from ponder.graphs import asolve, create_ponder
from ponder.nodes.deadline import sending
from ponder.nodes.models.openai import openai_model
from ponder.nodes.models.together import Together, shares, split
from ponder.nodes.ports import Request
from ponder.state import Answer, Budget, ModelUnreachable
from tests.fake_server import FakeServer, Said, completion
from tests.fault_server import Behaviour, FaultServer


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give calls that come together on a busy machine the time to, and none is a straggler for that."""
    monkeypatch.setattr("ponder.nodes.models.together.GATHERING_SECONDS", 0.5)
    monkeypatch.setattr("ponder.nodes.flight.GRACE_SECONDS", 60.0)


def choices(request: dict[str, Any], number: int) -> Said:
    """Answer with as many choices as are asked for."""
    count = request.get("n") or 1
    body = completion(Said())
    texts = [f"Said {'at length ' * index}in request {number}.\nAnswer: {index}" for index in range(count)]
    body["choices"] = [
        {"index": index, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        for index, text in enumerate(texts)
    ]
    body["usage"] = {"prompt_tokens": 100, "completion_tokens": 7 * count + 1, "total_tokens": 101 + 7 * count}
    return Said(body=body)


async def solved(server: FakeServer, **settings: Any) -> Answer:
    model = openai_model("fake", server.url, "none")
    return await asolve("Which?", model=model, policy="fixed", budget=Budget(max_calls=8), store=":memory:", **settings)


async def test_samples_of_one_prompt_share_a_request_and_its_prompt_is_paid_once() -> None:
    with FakeServer(choices) as server:
        answer = await solved(server, n=4)
    assert [request.get("n") for request in server.requests] == [4, 4]
    assert len({request["messages"][-1]["content"] for request in server.requests}) == 2
    assert [candidate.answer for candidate in answer.candidates] == ["0", "1", "2", "3"] * 2
    assert (answer.spent.calls, answer.spent.input_tokens, answer.spent.output_tokens) == (8, 200, 58)
    assert not answer.spent.estimated


async def test_calls_are_asked_one_by_one_of_a_server_that_ignores_n() -> None:
    with FakeServer() as server:
        answer = await solved(server, n=8)
    assert [request.get("n") for request in server.requests] == [8] + [None] * 7
    assert [candidate.answer for candidate in answer.candidates] == ["2"] * 8
    assert (answer.spent.calls, answer.spent.input_tokens) == (8, 80)


@pytest.mark.parametrize(("n", "requests"), [(1, 4), (2, 2), (4, 1)])
async def test_a_reply_that_is_nothing_at_all_is_an_answer_and_is_not_asked_for_again(n: int, requests: int) -> None:
    with FaultServer(Behaviour(lies=1, lying=("null",))) as server:
        model = openai_model("fault", server.url, "none")
        with pytest.raises(ModelUnreachable):
            await asolve(
                "Which?", model=model, policy="fixed", budget={"max_calls": 4}, n=n, retries=0, store=":memory:"
            )
        assert len(server.log) == requests


async def test_calls_are_asked_one_by_one_of_a_server_that_refuses_n() -> None:
    def script(request: dict[str, Any], _: int) -> Said:
        return Said(status=400, body={"error": {"message": "only n = 1 is supported"}}) if request.get("n") else Said()

    with FakeServer(script) as server:
        answer = await solved(server, n=8)
    assert [request.get("n") for request in server.requests] == [8] + [None] * 8
    assert len(answer.candidates) == answer.spent.calls == 8


async def test_a_shared_request_that_fails_fails_each_of_its_calls_and_they_are_tried_again_alone() -> None:
    # The last of them may turn the vote, and is awaited.
    with FakeServer(lambda _, number: Said(f"Answer: {int(number == 2)}") if number else Said(status=503)) as server:
        model = openai_model("fake", server.url, "none")
        graph = create_ponder(model, policy="fixed", max_samples=4, n=4)
        answer: Answer = (await graph.ainvoke({"problem": "Which?"}))["answer"]
    assert [request.get("n") for request in server.requests] == [4] + [None] * 4
    assert (answer.spent.calls, len(answer.candidates)) == (8, 4)


@pytest.mark.parametrize("n", [4, 8])
async def test_shared_replies_without_a_choice_stay_within_the_budget_and_the_run_gets_its_answers(n: int) -> None:
    cost = 0

    def script(request: dict[str, Any], number: int) -> Said:
        nonlocal cost
        found = choices(request, number)
        count = request.get("n") or 1
        found.body["usage"] = {"prompt_tokens": 17, "completion_tokens": 512 * count}
        cost += 17 + 512 * count
        return found if count == 1 else Said(body={**found.body, "choices": []})

    with FakeServer(script) as server:
        model, budget = openai_model("fake", server.url, "none"), Budget(max_tokens=6400)
        settings: dict[str, Any] = {"policy": "fixed", "max_samples": 8, "max_tokens": 512, "budget": budget, "n": n}
        answer = await asolve("Which?", model=model, store=":memory:", **settings)
    assert sum("n" in request for request in server.requests) == 8 / n  # what is tried again is asked for alone
    assert answer.answer == "0"
    assert answer.spent.used["max_tokens"] == cost <= 6400


async def test_a_shared_request_goes_on_until_nobody_waits_for_it() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def hanging(_: dict[str, Any]) -> object:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return None

    together = Together()
    calls = [asyncio.ensure_future(together.post({"n": 2, "seed": seed}, hanging)) for seed in (1, 2)]
    await begun.wait()
    calls[0].cancel()
    await asyncio.wait(calls[:1])
    assert not ended.is_set()
    calls[1].cancel()
    await ended.wait()


async def test_calls_that_share_a_request_that_never_left_are_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ponder.nodes.models.http.MOST_CONNECTIONS", 1)
    with FaultServer(Behaviour(rate=1, failures=("hang",))) as server:
        model = openai_model("fault", server.url, "key")
        hanging = asyncio.create_task(model.generate([HumanMessage("2 + 2?")], Request(temperature=0.7, max_tokens=64)))
        async with asyncio.timeout(60):
            while not server.log:  # noqa: ASYNC110 - the server is on another thread
                await asyncio.sleep(0.01)
        limits = Budget(max_calls=4, max_seconds=0.5)
        answer = await asolve("2 + 2?", model=model, policy="fixed", store=":memory:", n=4, retries=0, budget=limits)
        hanging.cancel()
        await asyncio.gather(hanging, return_exceptions=True)
        assert len(server.log) == 1
    assert (answer.spent.calls, answer.spent.lost, answer.stopped_because) == (0, 0, "max_seconds")
    assert {item.error for item in answer.candidates} == {"no time was left before it could begin"}


async def test_who_gives_up_before_a_shared_request_leaves_bears_none_of_its_cost() -> None:
    begun, leaves = asyncio.Event(), asyncio.Event()
    left: list[int] = []

    async def post(payload: dict[str, Any]) -> object:
        with sending() as sent:
            begun.set()
            await leaves.wait()
            sent()
            left.append(payload["n"])
        return choices(payload, 0).body

    together = Together()
    calls = [asyncio.ensure_future(together.post({"n": 3, "seed": seed}, post)) for seed in (1, 2, 3)]
    await begun.wait()
    calls[0].cancel()
    await asyncio.wait(calls[:1])
    leaves.set()
    found: list[Any] = await asyncio.gather(*calls[1:])
    assert left == [2]
    assert sum(part["usage"]["total_tokens"] for part in found) == 101 + 7 * 2


@pytest.mark.parametrize("lengths", [[1], [5, 5, 5], [1, 100, 3], [7] * 11])
def test_what_a_request_cost_is_divided_to_the_token(lengths: list[int]) -> None:
    usage = {"prompt_tokens": 12, "completion_tokens": 23, "completion_tokens_details": {"reasoning_tokens": 9}}
    parts: list[Any] = shares(usage, lengths)
    assert sum(part["prompt_tokens"] for part in parts) == 12
    assert sum(part["completion_tokens"] for part in parts) == 23
    assert all(part["completion_tokens"] >= 0 for part in parts)


def answers(part: object) -> bool:
    """Say whether it is a completion."""
    return isinstance(part, Mapping) and bool(part.get("choices"))


@pytest.mark.parametrize("nonsense", [None, "<html>", {}, {"choices": []}, {"choices": None}, {"error": "no"}])
def test_what_holds_no_choice_is_every_call_s(nonsense: object) -> None:
    assert [answers(part) for part in split(nonsense, 3)] == [False] * 3


def test_what_cannot_be_split_is_one_call_s() -> None:
    assert split({"choices": [{}]}, 3) == [{"choices": [{}]}]
