"""The endpoint as its clients see it: the openai client, ChatOpenAI, and those that mean no good."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr

from ponder.graphs import resume
from ponder.graphs.cli.serve import serve
from ponder.graphs.surfaces.http import default_app
from ponder.graphs.surfaces.service import Operator, Service
from ponder.graphs.surfaces.wire import Asked
from ponder.nodes.ports import Reply
from ponder.state import Budget, Settings, SQLAlchemySaver, UsageError
from ponder.state.budget import Usage
from ponder.state.errors import KeyHeld, KeySpent
from tests.fake_server import FakeServer
from tests.fakes import ScriptedModel, always, passing
from tests.graphs.surfaces.serving import Served, serving

ASKED: dict[str, Any] = {"model": "ponder/parallel", "messages": [{"role": "user", "content": "What is 1 + 1?"}]}
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "track",
        "parameters": {"type": "object", "properties": {"parcel": {"type": "integer"}}, "required": ["parcel"]},
    },
}


def script(prompt: str, number: int) -> str | Reply:
    """Call a tool where a parcel is spoken of, write JSON where a schema is, and else give an answer."""
    usage = Usage(input_tokens=10, output_tokens=5)
    if "parcel" in prompt:
        calls = [{"name": "track", "args": {"parcel": 7 if number % 3 else 8}, "id": f"c{number}", "type": "tool_call"}]
        return Reply("", usage=usage, tool_calls=calls)
    return Reply('{"city": "Oslo"}' if "JSON" in prompt else "Answer: 2", usage=usage)


@pytest.fixture(scope="module")
def model() -> ScriptedModel:
    return ScriptedModel(script)


@pytest.fixture(scope="module")
def served(model: ScriptedModel) -> Iterator[Served]:
    with serving(model) as found:
        yield found


@pytest.fixture
def client(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as found:
        yield found


def test_the_openai_client_gets_a_reply_and_the_usage_of_all_calls(client: openai.OpenAI, model: ScriptedModel) -> None:
    before = model.calls
    said = client.chat.completions.create(
        **ASKED, temperature=0.3, max_tokens=9, stop=["\n"], seed=4, extra_body={"ponder": {"budget": {"max_calls": 3}}}
    )
    made = model.calls - before
    assert (said.choices[0].message.content, said.choices[0].finish_reason) == ("Answer: 2", "stop")
    assert said.usage is not None
    assert (said.usage.prompt_tokens, said.usage.completion_tokens, made) == (30, 15, 3)
    assert {(each.temperature, each.max_tokens) for each in model.requests[before:]} == {(0.3, 9)}
    assert model.requests[-1].form.stop == ["\n"]
    assert said.model_extra is not None
    assert said.model_extra["ponder"]["stopped_because"] == "confident"


def test_it_streams_and_says_that_it_lives(served: Served, client: openai.OpenAI) -> None:
    parts = list(client.chat.completions.create(**ASKED, stream=True, stream_options={"include_usage": True}))
    text = "".join(choice.delta.content or "" for part in parts for choice in part.choices)
    usage = parts[-1].usage
    assert text == "Answer: 2"
    assert usage is not None
    assert usage.total_tokens == 15 * parts[-2].model_extra["ponder"]["spent"]["calls"]  # type: ignore[index]
    with httpx.stream("POST", f"{served.url}/v1/chat/completions", json=ASKED | {"stream": True}) as raw:
        lines = [line for line in raw.iter_lines() if line]
    assert lines[0].startswith(": ponder budget")
    assert lines[-1] == "data: [DONE]"


def test_tools_are_voted_on_and_called_and_n_runs_are_n_choices(client: openai.OpenAI, model: ScriptedModel) -> None:
    before = model.calls
    asked: Any = {"model": "ponder/fast", "messages": [{"role": "user", "content": "Where is parcel 7?"}]}
    said = client.chat.completions.create(**asked, tools=[TOOL], n=2)
    assert len(said.choices) == 2
    for choice in said.choices:
        assert choice.finish_reason == "tool_calls"
        assert choice.message.tool_calls
        assert json.loads(choice.message.tool_calls[0].function.arguments) == {"parcel": 7}  # type: ignore[union-attr]
    assert said.usage is not None
    assert said.usage.total_tokens == 15 * (model.calls - before)


async def test_chat_openai_calls_tools_streams_and_reads_objects_through_it(served: Served) -> None:
    class Place(BaseModel):
        """A place."""

        city: str

    chat = ChatOpenAI(model="ponder/fast", base_url=f"{served.url}/v1", api_key=SecretStr("none"), max_retries=0)
    called: Any = await chat.bind_tools([TOOL]).ainvoke("Where is parcel 7?")
    assert [(call["name"], call["args"]) for call in called.tool_calls] == [("track", {"parcel": 7})]
    chunks = [chunk async for chunk in chat.bind_tools([TOOL]).astream("Where is parcel 7?")]
    whole: Any = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert [call["args"] for call in whole.tool_calls] == [{"parcel": 7}]
    assert await chat.with_structured_output(Place).ainvoke("Where?") == Place(city="Oslo")
    turn: list[Any] = [
        HumanMessage("Where is parcel 7?"),
        called,
        {"role": "tool", "tool_call_id": called.tool_calls[0]["id"], "content": "Oslo"},
    ]
    assert (await chat.ainvoke([*turn, HumanMessage("Thanks. What is 1 + 1?")])).content == "Answer: 2"
    await chat.root_async_client.close()


def test_its_models_are_the_efforts_and_the_policies(client: openai.OpenAI) -> None:
    names = {each.id for each in client.models.list()}
    assert {"ponder", "ponder/balanced", "ponder/parallel", "ponder/adaptive"} <= names
    assert client.models.retrieve("ponder/balanced").id == "ponder/balanced"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt")


def test_of_an_unknown_setting_a_request_is_told_those_that_it_may_set(served: Served) -> None:
    answer = httpx.post(f"{served.url}/v1/chat/completions", json={**ASKED, "ponder": {"colour": "red"}})
    listed = answer.json()["error"]["message"].removeprefix("colour='red' is unknown: the settings are ").split(", ")
    theirs = {"concurrency", "requests_per_minute", "tokens_per_minute", "calibration", "write_tests"}
    assert set(listed) == Settings.model_fields.keys() - theirs - {"on_tie", "ask_below"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"model": "gpt-5"}, "model 'gpt-5' does not exist"),
        ({"messages": []}, "messages: "),
        ({"messages": [{"role": "tool", "content": "1", "tool_call_id": "x"}]}, "'x' answers no call"),
        ({"top_p": 0.5}, "top_p=0.5 is not supported"),
        ({"n": 99}, "n: "),
        ({"n": 4, "ponder": {"budget": {"max_calls": 3}}}, "max_calls=3 is too little for n=4"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "fly"}}}, "tool_choice 'fly'"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": 3}}}}, "is no JSON Schema"),
        ({"ponder": {"polcy": "direct"}}, "polcy='direct' is unknown: did you mean 'policy'? The settings are"),
        ({"ponder": {"policy": "luck"}}, "policy 'luck' is unknown"),
        ({"ponder": {"verifier": "py:os:system"}}, "verifier 'py:os:system' is not allowed here"),
        ({"ponder": {"verifier": "regex:(a+)+$"}}, "is not allowed here"),
        ({"ponder": {"budget": {"max_tokens": 1}}}, "is too small for one call"),
        ({"ponder": {"on_tie": "ask"}}, "on_tie='ask' cannot be used here"),
        ({"ponder": {"ask_below": 0.5}}, "ask_below=0.5 cannot be used here"),
        ({"ponder": {"concurrency": 9}}, "'concurrency' is not a request's to set"),
        ({"ponder": {"window": 1000}}, "window=1000 is too many at once: give at most 64"),
        ({"ponder": {"write_tests": 1}}, "'write_tests' is not a request's to set"),
        ({"ponder": {"assessor": "learned:prices.toml"}}, "'learned:prices.toml' is not a request's to set"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_cannot_be_used_is_a_400_that_says_what(
    served: Served, model: ScriptedModel, change: dict[str, Any], told: str, stream: bool
) -> None:
    before = model.calls
    answer = httpx.post(f"{served.url}/v1/chat/completions", json={**ASKED, **change, "stream": stream})
    said = answer.text if stream and answer.status_code == 200 else answer.json()["error"]["message"]
    assert told in said
    assert answer.status_code == (200 if said is answer.text else 400)
    assert model.calls == before


@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
@pytest.mark.parametrize("body", ['{"model":', "[1]", ""])
def test_a_body_that_is_no_request_is_told_what_one_is(served: Served, body: str, kind: str) -> None:
    answer = httpx.post(f"{served.url}/v1/chat/completions", content=body, headers={"content-type": kind})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "the body is no JSON object: send one, as application/json"


def test_a_schema_that_the_model_never_meets_is_answered_by_what_came_closest_and_says_so(served: Served) -> None:
    wanted = {"type": "object", "properties": {"city": {"type": "integer"}}, "required": ["city"]}
    asked = {**ASKED, "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": wanted}}}
    answer = httpx.post(f"{served.url}/v1/chat/completions", json=asked | {"ponder": {"max_samples": 2}})
    said = answer.json()
    assert (answer.status_code, said["choices"][0]["message"]["content"]) == (200, '{"city": "Oslo"}')
    assert (said["ponder"]["answer"], said["ponder"]["confidence"]) == (None, 0)


def test_an_allowed_verifier_decides() -> None:
    with serving(ScriptedModel(lambda _, number: f"Answer: {number}"), verifiers=("regex:[3-9]",)) as served:
        asked = ASKED | {"ponder": {"verifier": "regex:[3-9]"}}
        said = httpx.post(f"{served.url}/v1/chat/completions", json=asked).json()
    assert (said["ponder"]["decided_by"], said["ponder"]["answer"]) == ("verified", "3")


def test_a_body_of_10_mb_is_refused_whether_it_says_so_or_not(served: Served) -> None:
    body = json.dumps({**ASKED, "messages": [{"role": "user", "content": "x" * 10_000_000}]}).encode()
    url, kind = f"{served.url}/v1/chat/completions", {"content-type": "application/json"}

    def unannounced() -> Iterator[bytes]:
        yield from (body[start : start + 65536] for start in range(0, len(body), 65536))

    for content in (body, unannounced()):
        try:
            answer = httpx.post(url, content=content, headers=kind)
        except httpx.WriteError:  # refused while it was still being sent
            continue
        assert answer.status_code == 413
        assert "4194304" in answer.json()["error"]["message"]
    assert served.service.flying == 0


def test_a_key_is_asked_for_and_held_to_its_budget() -> None:
    with serving(ScriptedModel(script), keys=("one", "two"), per_key=Budget(max_calls=5)) as served:
        url = f"{served.url}/v1/chat/completions"
        asked = ASKED | {"ponder": {"policy": "fixed", "budget": {"max_calls": 4}}}

        def status(key: str | None) -> int:
            headers = {} if key is None else {"authorization": f"Bearer {key}"}
            return httpx.post(url, json=asked, headers=headers).status_code

        assert [status(None), status("three"), httpx.get(f"{served.url}/v1/models").status_code] == [401] * 3
        assert [status("one"), status("one"), status("one")] == [200, 200, 429]
        assert served.service.keys.accounts["one"].spent["max_calls"] == 5
        assert status("two") == 200
        assert httpx.get(f"{served.url}/readyz").json()["status"] == "ready"


async def test_what_a_key_has_spent_outlives_the_server_calls_under_way_included(tmp_path: Path) -> None:
    decided: dict[str, Any] = {"keys": ("one", "two"), "per_key": Budget(max_calls=5)}
    decided |= {"store": f"sqlite:///{tmp_path}/ponder.db"}
    asked = ASKED | {"ponder": {"policy": "fixed", "budget": {"max_calls": 3}}}

    async def status(served: Served, key: str = "one") -> int:
        headers = {"authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(timeout=60) as client:
            return (await client.post(f"{served.url}/v1/chat/completions", json=asked, headers=headers)).status_code

    with serving(ScriptedModel(script), **decided) as served:
        assert await status(served) == 200
    slow = ScriptedModel(script, latency=60)
    with serving(slow, **decided) as served:
        assert served.service.keys.accounts["one"].spent == {"max_calls": 3, "max_tokens": 45, "max_usd": 0}
        asking = asyncio.create_task(status(served))
        await until(lambda: slow.flying == 2)
        await asyncio.to_thread(served.service.saver.writer.run, lambda _: None)  # type: ignore[union-attr]
        with serving(ScriptedModel(script), **decided) as another:  # as after a kill: nothing was settled
            found = another.service.keys.accounts["one"].spent
            assert found["max_calls"] == 5
            assert found["max_tokens"] > 45 + 2 * 512
            assert [await status(another), await status(another, "two")] == [429, 200]
        asking.cancel()
        await until(lambda: served.service.flying == 0)


def test_requests_at_once_keep_the_budget_of_their_key_and_of_the_operator() -> None:
    model = ScriptedModel(script, latency=0.05)
    most = Settings(budget=Budget(max_calls=2), max_tokens=9)
    with serving(model, keys=("one",), per_key=Budget(max_calls=5), per_request=most) as served:
        found: list[int] = []

        def ask() -> None:
            asked = ASKED | {"max_tokens": 99, "ponder": {"policy": "fixed", "budget": {"max_calls": 9}}}
            headers = {"authorization": "Bearer one"}
            found.append(httpx.post(f"{served.url}/v1/chat/completions", json=asked, headers=headers).status_code)

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert model.calls == served.service.keys.accounts["one"].spent["max_calls"] <= 5
    assert sorted(set(found)) == [200, 429]
    assert {request.max_tokens for request in model.requests} == {9}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_goes_away_ends_its_calls_and_they_are_counted(stream: bool) -> None:
    model = ScriptedModel(always("2"), latency=60)
    with serving(model) as served:
        async with httpx.AsyncClient() as client:
            asking = asyncio.create_task(
                client.post(f"{served.url}/v1/chat/completions", json={**ASKED, "stream": stream})
            )
            await until(lambda: model.flying == 4)
            asking.cancel()
            await until(lambda: model.flying == 0 and served.service.flying == 0)
        spent = served.service.keys.accounts[""].spent
    assert model.calls == spent["max_calls"] == 4
    assert spent["max_tokens"] > 4 * 512


async def test_a_key_pays_for_each_attempt_of_a_request_that_is_cut_off() -> None:
    model = ScriptedModel(lambda *_: passing("HTTP 503"), latency=0.01)
    service = Service(Operator(model=model, keys=("one",)))
    asking = asyncio.create_task(service.answer(asked(retries=9), "Bearer one"))
    await until(lambda: model.calls >= 12)
    asking.cancel()
    await asyncio.wait({asking})
    spent = service.keys.accounts["one"].spent
    assert spent["max_calls"] == model.calls
    assert spent["max_tokens"] <= model.most_flying * 1000  # a refusal costs nothing, what was cut off its worst


async def test_a_key_pays_the_worst_case_of_lost_calls_and_holds_no_more_than_requests_can_make() -> None:
    model = ScriptedModel(always("2"), latency=60)
    service = Service(Operator(model=model, keys=("one",), per_key=Budget(max_calls=1000)))
    # All at once: a request that held all of the key's calls would turn the others away.
    await asyncio.gather(*(service.answer(asked(call_timeout=0.2, retries=0), "Bearer one") for _ in range(3)))
    spent = service.keys.accounts["one"].spent
    assert spent["max_calls"] == model.calls == 12
    assert spent["max_tokens"] > 512 * 12


async def test_a_request_without_a_limit_leaves_tokens_and_dollars_of_its_key_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PONDER_PRICES", '{"scripted": {"input": 1, "output": 1}}')
    model = ScriptedModel(script, latency=0.05)
    for limit in (Budget(max_tokens=200_000), Budget(max_usd=0.2)):
        service = Service(Operator(model=model, keys=("one",), per_key=limit))
        found = await asyncio.gather(*(service.answer(asked(max_compute_budget=10), "Bearer one") for _ in range(8)))
        assert {answer.answer for (_, answer), *_ in found} == {"2"}
        assert sum(service.keys.accounts["one"].held.values()) == pytest.approx(0)


async def test_a_limit_in_dollars_does_not_keep_a_key_from_a_model_that_costs_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PONDER_PRICES", '{"scripted": {"input": 0, "output": 0}}')
    service = Service(Operator(model=ScriptedModel(script), keys=("one",), per_key=Budget(max_usd=1)))
    [(_, answer)] = await service.answer(asked(), "Bearer one")
    assert (answer.answer, answer.spent.usd) == ("2", 0)


async def test_a_request_has_the_budget_that_it_asks_for_where_its_key_has_it() -> None:
    model = ScriptedModel(lambda _, number: Reply(f"Answer: {number}", usage=Usage(input_tokens=60, output_tokens=512)))
    spent = []
    for limit in (Budget(), Budget(max_tokens=10_000_000)):
        service = Service(Operator(model=model, keys=("one",), per_key=limit))
        chosen = {"policy": "refine", "budget": {"max_calls": 20, "max_tokens": 400_000}}
        [(_, answer)] = await service.answer(asked(**chosen), "Bearer one")
        spent.append(answer.spent.calls)
    assert spent[0] == spent[1] > 10


async def test_what_two_runs_of_a_request_lack_because_others_hold_it_is_held() -> None:
    model = ScriptedModel(script, latency=60)
    service = Service(Operator(model=model, keys=("one",), per_key=Budget(max_calls=5)))
    first = asyncio.create_task(service.answer(asked(budget={"max_calls": 4}), "Bearer one"))
    await until(lambda: model.flying == 4)
    with pytest.raises(KeyHeld):
        await service.answer(asked().model_copy(update={"n": 2}), "Bearer one")
    first.cancel()
    await asyncio.wait({first})


async def test_what_other_requests_hold_is_no_quota_that_is_spent_and_less_than_a_call_is() -> None:
    model = ScriptedModel(script, latency=60)
    service = Service(Operator(model=model, keys=("one",), per_key=Budget(max_tokens=5000)))
    first = asyncio.create_task(service.answer(asked(max_samples=40), "Bearer one"))
    await until(lambda: model.flying == 4)
    with pytest.raises(KeyHeld, match=r"max_tokens=5000 of this key is held by requests .*: try again when"):
        await service.answer(asked(), "Bearer one")
    first.cancel()
    await asyncio.wait({first})
    service.keys.accounts["one"].spent["max_tokens"] = 4990
    with pytest.raises(KeySpent, match=r"is spent: 10 is left, and a call may cost \d+") as spent:
        await service.answer(asked(), "Bearer one")
    assert not isinstance(spent.value, KeyHeld)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tokens=st.integers(600, 20_000),
    requests=st.integers(1, 6),
    policy=st.sampled_from(["direct", "parallel", "search"]),
)
async def test_what_a_key_costs_never_passes_its_limit(tokens: int, requests: int, policy: str) -> None:
    model = ScriptedModel(lambda *_: Reply("Answer: 2", usage=Usage(input_tokens=60, output_tokens=512)))
    service = Service(Operator(model=model, keys=("one",), per_key=Budget(max_tokens=tokens)))
    runs = (service.answer(asked(policy=policy), "Bearer one") for _ in range(requests))
    outcomes = await asyncio.gather(*runs, return_exceptions=True)
    assert all(not isinstance(outcome, BaseException) or isinstance(outcome, KeySpent) for outcome in outcomes)
    assert service.keys.accounts["one"].spent["max_tokens"] <= tokens


def asked(**chosen: Any) -> Asked:
    """Ask under settings."""
    return Asked.model_validate(ASKED | {"ponder": {"max_samples": 4, **chosen}})


async def until(holds: Any) -> None:
    """Wait for what another thread does."""
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


def test_too_many_at_once_are_told_to_come_back() -> None:
    model = ScriptedModel(always("2"), latency=60)
    with serving(model, most_requests=1) as served:
        url = f"{served.url}/v1/chat/completions"
        with httpx.Client() as client, client.stream("POST", url, json=ASKED | {"stream": True}) as held:
            lines = held.iter_lines()
            assert next(lines)
            refused = httpx.post(url, json=ASKED)
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
            assert httpx.get(f"{served.url}/readyz").status_code == 503


@pytest.mark.parametrize(("stream", "status"), [(False, 503), (True, 200)])
def test_a_model_that_fails_is_an_error_of_the_server_behind(stream: bool, status: int) -> None:
    failing = ScriptedModel(lambda *_: passing("HTTP 500: down"))
    with serving(failing, per_request=Settings(retries=0)) as served:
        answer = httpx.post(f"{served.url}/v1/chat/completions", json={**ASKED, "stream": stream})
        spent = served.service.keys.accounts[""].spent
    assert answer.status_code == status
    assert "no call was answered: HTTP 500: down" in answer.text
    assert (spent["max_calls"], spent["max_tokens"]) == (failing.calls, 0)


def test_with_a_store_a_run_is_kept_and_can_be_asked_for_again(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/ponder.db"
    model = ScriptedModel(always("2"))
    with serving(model, store=store) as served:
        said = httpx.post(f"{served.url}/v1/chat/completions", json=ASKED).json()
    assert resume(said["ponder"]["thread_id"], store=store, model=model).answer == "2"
    assert model.calls == said["ponder"]["spent"]["calls"]


def test_a_run_of_a_server_whose_model_the_environment_names_is_resumed_by_its_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = f"sqlite:///{tmp_path}/ponder.db"
    with FakeServer() as behind:
        for name, value in {
            "PONDER_MODEL": "openai:served",
            "OPENAI_BASE_URL": behind.url,
            "OPENAI_API_KEY": "k",
        }.items():
            monkeypatch.setenv(name, value)
        with serving(None, store=store) as served:
            said = httpx.post(f"{served.url}/v1/chat/completions", json=ASKED).json()
        assert resume(said["ponder"]["thread_id"], store=store).answer == "2"


def test_a_server_that_stops_lets_a_request_end() -> None:
    model = ScriptedModel(always("2"), latency=0.2)
    found: list[int] = []
    with serving(model) as served:
        url = f"{served.url}/v1/chat/completions"
        asking = threading.Thread(target=lambda: found.append(httpx.post(url, json=ASKED).status_code))
        asking.start()
        while not model.flying:
            time.sleep(0.01)
    asking.join()
    assert found == [200]


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_that_outlasts_a_server_is_told_so_and_counted_and_can_be_resumed(
    stream: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model, store = ScriptedModel(always("2"), latency=60), f"sqlite:///{tmp_path}/ponder.db"
    found: list[httpx.Response] = []
    with serving(model, store=store, keys=("one",), per_key=Budget(max_calls=9), grace=0) as served:
        url, headers = f"{served.url}/v1/chat/completions", {"authorization": "Bearer one"}
        asked = {**ASKED, "stream": stream}
        asking = threading.Thread(target=lambda: found.append(httpx.post(url, json=asked, headers=headers)))
        asking.start()
        while not model.flying:
            time.sleep(0.01)
    asking.join()
    assert (found[0].status_code, "the server stops" in found[0].text) == (200 if stream else 503, True)
    assert not [record for record in caplog.records if record.exc_info]
    assert served.service.keys.accounts["one"].spent["max_calls"] == model.calls
    model.latency = 0
    with SQLAlchemySaver.from_conn_string(store) as saver:
        thread = saver.list_threads()[0]
        assert resume(thread, store=saver, model=model).answer == "2"


def test_what_cannot_be_served_is_said_before_it_is() -> None:
    with pytest.raises(UsageError, match=r"host '0\.0\.0\.0' is open to others: give --api-key"):
        serve(host="0.0.0.0")  # noqa: S104 - which is what is refused
    with pytest.raises(UsageError, match="verifier 'magic' cannot be used"):
        serve(allow_verifier=["magic"])


def test_keys_of_the_environment_have_commas_or_spaces_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PONDER_API_KEY", "one,two three")
    default_app.cache_clear()
    assert list(default_app().state.service.keys.accounts) == ["one", "two", "three"]
    default_app.cache_clear()


NAMES = st.sampled_from([*Asked.model_fields, "top_p", "logit_bias", "user"])
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=5) | NAMES, part, max_size=3),
    max_leaves=6,
)
PLAUSIBLE: dict[str, Any] = {
    "messages": [
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "user", "content": [{"type": "x"}]},
    ],
    "tools": [TOOL | {"function": {"name": "f", "parameters": {"$ref": "http://127.0.0.1:9/x"}}}],
    "response_format": {"type": "json_schema", "json_schema": {"schema": {"$ref": "#"}}},
    "ponder": {"budget": {"max_calls": 2}, "max_samples": 3},
    "temperature": 0.5,
    "n": 2,
}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_sent_is_no_error_of_the_server(served: Served, data: st.DataObject) -> None:
    change = data.draw(st.dictionaries(NAMES, JSON, max_size=2))
    kept = data.draw(st.sets(st.sampled_from(sorted(PLAUSIBLE))))
    body = {**ASKED, **{name: PLAUSIBLE[name] for name in kept}, **change}
    kind = {"content-type": "application/json"}
    content = json.dumps(body).encode("utf-8", "surrogatepass")
    answer = httpx.post(f"{served.url}/v1/chat/completions", content=content, headers=kind, timeout=30)
    assert answer.status_code < 500, (body, answer.text)


def test_the_operator_says_how_many_calls_are_in_flight_for_all_requests() -> None:
    model = ScriptedModel(always("2"), latency=0.01)
    with serving(model, per_request=Settings(concurrency=3)) as served:
        asked = {**ASKED, "ponder": {"policy": "fixed", "max_samples": 8}}
        url = f"{served.url}/v1/chat/completions"
        with ThreadPoolExecutor() as pool:
            statuses = list(pool.map(lambda _: httpx.post(url, json=asked).status_code, range(3)))
    assert (statuses, model.calls, model.most_flying) == ([200] * 3, 24, 3)
