"""The OpenAI-compatible adapter against a loopback server that misbehaves."""

import asyncio
import base64
import json
import logging
import select
import socket
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import cached_property
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_openai import ChatOpenAI
from pydantic import SecretStr, create_model

from ponder.graphs import asolve, create_ponder, solve
from ponder.graphs.models import as_model
from ponder.nodes.call import NO_TIME
from ponder.nodes.models.http import close_client
from ponder.nodes.models.openai import openai_model
from ponder.nodes.ports import CallFailed, Reply, Request
from ponder.state import Budget, ModelUnreachable, UsageError
from ponder.state.form import Form
from tests.fake_server import FakeServer, Said

ASKED = Request(temperature=0.7, max_tokens=64, seed=3)


async def ask(url: str, request: Request = ASKED) -> Reply:
    return await openai_model("fake", url, "key").generate([HumanMessage("What is 1 + 1?")], request)


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (Said(status=401, body={"error": {"message": "bad key"}}), "refused the key (401): set OPENAI_API_KEY"),
        (
            Said(status=403, body={"error": {"message": "not in your country"}}),
            "refused the key (403): set OPENAI_API_KEY to a valid one; it says: not in your country",
        ),
        (
            Said(status=404, body={"error": {"message": "no model"}}),
            "check --model, and that --base-url ends as the server wants (…/v1); it says: no model",
        ),
        (Said(status=429, body={"error": {"message": "pay", "code": "insufficient_quota"}}), "no quota left"),
    ],
)
async def test_what_no_second_try_can_mend_says_what_to_set(said: Said, says: str) -> None:
    with FakeServer(lambda *_: said) as server:
        with pytest.raises(ModelUnreachable) as caught:
            await ask(server.url)
        assert len(server.requests) == 1
    assert says in str(caught.value)
    assert "'openai:fake'" in str(caught.value)


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        (Said(status=429, body={}, headers={"retry-after": "7"}), 7.0),
        (Said(status=429, body={}, headers={"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}), 0.0),
        (Said(status=429, body={}, headers={"retry-after": "9999"}), None),
        (Said(status=500, body={}), 0.0),
        (Said(status=503, body="<html>busy</html>"), 0.0),
        (Said(status=400, body={"error": {"message": "too long"}}), None),
    ],
)
async def test_a_failed_call_says_when_to_try_again(said: Said, wait: float | None) -> None:
    with FakeServer(lambda *_: said) as server, pytest.raises(CallFailed) as caught:
        await ask(server.url)
    assert caught.value.retry_after == wait
    assert not caught.value.unreachable


@pytest.mark.parametrize(
    "said", [Said(body="<html>welcome</html>"), Said(body={"choices": []}), Said(body={}), Said(body=[1])]
)
async def test_nonsense_is_a_failed_call_that_names_the_url_as_the_suspect(said: Said) -> None:
    with FakeServer(lambda *_: said) as server, pytest.raises(CallFailed, match="--base-url") as caught:
        await ask(server.url)
    assert caught.value.unreachable


async def test_a_server_that_is_down_is_unreachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(CallFailed, match="cannot be reached") as caught:
            await ask(f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
    assert caught.value.unreachable


async def test_a_host_that_does_not_answer_is_unreachable_and_nothing_is_paid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ponder.nodes.models.http.CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        select.select([], fillers[:1], [], 30)  # a busy kernel takes its time to fill the queue
        url = f"http://127.0.0.1:{full.getsockname()[1]}/v1"
        model = openai_model("fake", url, "key")
        with pytest.raises(ModelUnreachable, match="cannot be reached"):
            await asolve("1 + 1?", model=model, policy="direct", store=":memory:", retries=0, call_timeout=0.1)
        close_client(url)
        for filler in fillers:
            filler.close()


async def test_settings_are_sent_and_tokens_are_read() -> None:
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    with FakeServer(lambda *_: Said(usage=usage)) as server:
        reply = await ask(server.url)
        sent = server.requests[0]
    assert (sent["temperature"], sent["max_tokens"], sent["seed"], sent["logprobs"]) == (0.7, 64, 3, True)
    assert reply.usage is not None
    assert reply.usage.model_dump() == {
        "input_tokens": 10,
        "output_tokens": 5,
        "reasoning_tokens": 3,
        "cached_tokens": 4,
        "estimated": False,
    }


async def test_a_password_in_the_url_is_sent_and_neither_logged_nor_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with FakeServer() as server:
        await ask(server.url.replace("//", "//me:hunter%402@"))
        assert server.authorized == ["Basic " + base64.b64encode(b"me:hunter@2").decode()]
    with pytest.raises(CallFailed, match="cannot be reached") as unreachable:
        await ask("http://me:hunter2@127.0.0.1:1/v1")
    assert "hunter" not in caplog.text + str(unreachable.value)
    with pytest.raises(UsageError, match="--base-url is not a URL"):
        await ask("http://me:hunter2@host:port/v1")


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": -5, "completion_tokens": 2, "total_tokens": -3}])
async def test_missing_or_absurd_usage_is_no_usage(usage: Any) -> None:
    with FakeServer(lambda *_: Said(usage=usage)) as server:
        assert (await ask(server.url)).usage is None


@pytest.mark.parametrize(
    ("said", "text", "finish"),
    [
        (Said(text=None), "", "stop"),
        (Said(finish=None), "Answer: 2", "stop"),
        (Said(finish="length"), "Answer: 2", "length"),
        (Said(finish="content_filter"), "Answer: 2", "error"),
        (Said(finish="whatever"), "Answer: 2", "other"),
        (Said(headers={"content-security-policy": "x" * 60_000}), "Answer: 2", "stop"),
    ],
)
async def test_odd_replies_are_read_as_they_are(said: Said, text: str, finish: str) -> None:
    with FakeServer(lambda *_: said) as server:
        reply = await ask(server.url)
    assert (reply.text, reply.finish) == (text, finish)


async def test_a_setting_that_the_server_refuses_is_left_out_from_then_on() -> None:
    def script(request: dict[str, Any], _: int) -> Said:
        if "logprobs" in request:
            return Said(status=400, body={"error": {"message": "logprobs are not supported"}})
        return Said()

    with FakeServer(script) as server:
        model = openai_model("fake", server.url, "key")
        for _ in range(2):
            await model.generate([HumanMessage("1 + 1?")], ASKED)
        assert ["logprobs" in request for request in server.requests] == [True, False, False]


def test_one_model_serves_two_event_loops_and_a_thread() -> None:
    with FakeServer() as server:
        model = openai_model("fake", server.url, "key")
        for _ in range(2):
            asyncio.run(model.generate([HumanMessage("1 + 1?")], ASKED))
        assert solve("1 + 1?", model=model, policy="direct", store=":memory:").answer == "2"


async def test_an_outage_ends_the_run_after_its_retries_with_the_thread_kept() -> None:
    with FakeServer(lambda *_: Said(body="<html>")) as server:
        model = openai_model("fake", server.url, "key")
        with pytest.raises(ModelUnreachable, match="cannot be read"):
            solve("1 + 1?", model=model, policy="direct", store=":memory:")
        assert len(server.requests) == 3


def test_any_langchain_chat_model_serves() -> None:
    model = FakeListChatModel(responses=["Answer: 2"])
    answer = solve("What is 1 + 1?", model=model, store=":memory:")
    assert (answer.answer, answer.spent.calls) == ("2", 3)
    assert all(candidate.usage.estimated for candidate in answer.candidates)


@pytest.mark.parametrize("field", ["max_output_tokens", "num_predict", "max_new_tokens"])
def test_a_model_is_told_the_most_output_tokens_whatever_its_provider_calls_them(field: str) -> None:
    told: list[int | None] = []

    class Writer(FakeListChatModel):
        def _call(self, *args: Any, **kwargs: Any) -> str:
            told.append(getattr(self, field))
            return super()._call(*args, **kwargs)

    named: type[Writer] = create_model("Named", __base__=Writer, **{field: (int | None, None)})  # type: ignore[call-overload]
    budget = {"max_tokens": 4000}
    solve("1 + 1?", model=named(responses=["Answer: 2"]), max_tokens=77, budget=budget, store=":memory:")
    assert set(told) == {77}


@pytest.mark.parametrize("budget", [{"max_tokens": 4000}, {"max_usd": 1.0}])
def test_tokens_cannot_be_limited_of_a_model_that_cannot_be_told_how_many(budget: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=r"=\S+ cannot be kept: model \S+ has no field for the most output tokens"):
        solve("1 + 1?", model=FakeListChatModel(responses=["Answer: 2"]), budget=budget, store=":memory:")


@pytest.mark.parametrize("own", [None, False, True], ids=["named", "own", "own that streams"])
async def test_a_call_of_a_graph_that_is_streamed_is_no_stream_whose_usage_nobody_tells(own: bool | None) -> None:
    with FakeServer() as server:
        more: dict[str, Any] = {"streaming": True} if own else {}
        mine = ChatOpenAI(model="own", base_url=server.url, api_key=SecretStr("key"), **more)
        given: dict[str, Any] = {"base_url": server.url} if own is None else {}
        graph = create_ponder("openai:fake" if own is None else mine, policy="direct", **given)
        parts = [part async for part in graph.astream({"problem": "1 + 1?"}, stream_mode=["values", "messages"])]
        answer = next(data["answer"] for mode, data in reversed(parts) if mode == "values")
        assert (answer.spent.input_tokens, answer.spent.output_tokens, answer.spent.estimated) == (10, 5, 0)
        assert any(mode == "messages" and data[0].content == "Answer: 2" for mode, data in parts)
        await mine.root_async_client.close()


async def test_no_more_is_one_of_a_model_that_has_no_setting_for_it() -> None:
    class Streams(FakeListChatModel):
        async def _astream(self, *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
            yield ChatGenerationChunk(message=AIMessageChunk(content="Answer: 3"))

    graph = create_ponder(Streams(responses=["Answer: 2"]), policy="direct", retries=0)
    parts = [part async for part in graph.astream({"problem": "1 + 1?"}, stream_mode=["values", "messages"])]
    assert parts[-1][1]["answer"].answer == "2"


async def test_a_model_that_blocks_takes_none_of_the_threads_that_others_wait_for() -> None:
    freed = threading.Event()

    class Stuck(FakeListChatModel):
        def _call(self, *_: Any, **__: Any) -> str:
            freed.wait(60)
            return "Answer: 2"

    limits: dict[str, Any] = {"call_timeout": 0.05, "retries": 0, "budget": {"max_calls": 40}}
    answer = await asolve("1 + 1?", model=Stuck(responses=[]), policy="fixed", store=":memory:", **limits)
    assert (answer.answer, answer.spent.lost) == (None, 40)
    assert await asyncio.to_thread(lambda: "the pool is free") == "the pool is free"
    freed.set()


class Closed(BaseRateLimiter):
    """Lets so many requests pass."""

    def __init__(self, passing: int) -> None:
        self.passing = passing

    def acquire(self, *, blocking: bool = True) -> bool:
        raise NotImplementedError

    async def aacquire(self, *, blocking: bool = True) -> bool:
        self.passing -= 1
        while self.passing < 0:
            await asyncio.Event().wait()
        return True


async def test_a_call_that_the_model_s_own_rate_limiter_holds_back_is_not_made_and_costs_nothing() -> None:
    model = FakeListChatModel(responses=["Answer: 2"], rate_limiter=Closed(3))
    answer = await asolve("1 + 1?", model=model, policy="fixed", budget={"max_calls": 5, "max_seconds": 0.5})
    assert (answer.text, answer.spent.calls, answer.stopped_because) == ("Answer: 2", 3, "max_seconds")
    assert [candidate.error for candidate in answer.candidates].count(NO_TIME) == 2


def test_a_failure_that_caused_itself_is_one() -> None:
    class Down(FakeListChatModel):
        def _call(self, *_: Any, **__: Any) -> str:
            error = ConnectionError("down")
            raise error from error

    answer = solve("1 + 1?", model=Down(responses=[]), policy="direct", budget=Budget(max_calls=1), store=":memory:")
    assert "the connection was lost before the reply (down)" in answer.candidates[0].error


class Provider(FakeListChatModel):
    """A model of a provider's package: its class names its fields, and wraps its client's errors."""

    model: str = "large"
    raised: Any = None
    asked: Any = None
    """Takes what each call was given."""

    def _call(self, *_: Any, **given: Any) -> str:
        if self.asked is not None:
            self.asked.append(given)
        if self.raised is not None:
            raise RuntimeError("the provider failed") from self.raised
        return super()._call(*_, **given)

    def bind_tools(self, tools: Any, *, tool_choice: Any = None, **given: Any) -> Any:
        return self.bind(tools=tools, tool_choice=tool_choice, **given)


def test_an_object_is_called_by_the_name_of_its_model_and_watched_at_its_server() -> None:
    class Placed(Provider):
        base_url: str = "http://one"

    one, two = as_model(Placed(responses=[])), as_model(Placed(responses=[], model="small", base_url="http://two"))
    assert (one.name, two.name) == ("large", "small")
    assert (one.endpoint, two.endpoint) == ("large http://one", "small http://two")  # type: ignore[attr-defined]


async def test_a_status_is_found_in_what_a_provider_s_exception_was_made_of() -> None:
    class RefusedError(Exception):
        code = 401

    with pytest.raises(ModelUnreachable, match="refused the key"):
        await as_model(Provider(responses=[], raised=RefusedError())).generate([HumanMessage("1 + 1?")], ASKED)


async def test_a_model_is_told_of_tools_in_the_words_that_all_of_langchain_s_know() -> None:
    said: list[Any] = []
    model = as_model(Provider(responses=["Answer: 2"], asked=said))
    for choice in ("required", "none"):
        form = Form(tools=[{"type": "function", "function": {"name": "add", "parameters": {}}}], tool_choice=choice)
        await model.generate([HumanMessage("1 + 1?")], replace(ASKED, form=form))
    assert (said[0]["tool_choice"], "tools" in said[1]) == ("any", False)


def test_a_sample_is_none_of_langchain_s_cache() -> None:
    set_llm_cache(InMemoryCache())
    try:
        said: list[Any] = []
        for _ in range(2):
            solve("1 + 1?", model=Provider(responses=["Answer: 2"], asked=said), policy="direct", store=":memory:")
        assert len(said) == 2
    finally:
        set_llm_cache(None)


async def test_a_client_that_a_model_made_before_is_not_that_of_its_copies() -> None:
    class Client(Provider):
        max_retries: int = 2

        @cached_property
        def client(self) -> int:
            return self.max_retries

        def _call(self, *_: Any, **__: Any) -> str:
            return f"Answer: {self.client}"

    mine = Client(responses=[])
    assert mine.client == 2
    assert (await as_model(mine).generate([HumanMessage("1 + 1?")], ASKED)).text == "Answer: 0"
    assert mine.client == 2


async def test_a_model_that_blocks_keeps_its_caller_s_callbacks_on_their_loop() -> None:
    loops: set[Any] = set()

    class Hears(AsyncCallbackHandler):
        async def on_llm_end(self, *_: Any, **__: Any) -> None:
            loops.add(asyncio.get_running_loop())

    await as_model(Provider(responses=["Answer: 2"], callbacks=[Hears()])).generate([HumanMessage("1 + 1?")], ASKED)
    assert loops == {asyncio.get_running_loop()}


async def test_a_model_that_its_owner_has_stream_with_its_usage_still_streams() -> None:
    with FakeServer() as server:
        mine = ChatOpenAI(model="own", base_url=server.url, api_key=SecretStr("key"), streaming=True, stream_usage=True)
        with pytest.raises(ModelUnreachable):  # this server cannot
            await asolve("1 + 1?", model=mine, policy="direct", retries=0, store=":memory:")
        assert server.requests[0]["stream_options"] == {"include_usage": True}
        await mine.root_async_client.close()


async def test_a_stream_that_breaks_off_is_no_reply_and_is_paid() -> None:
    about = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "own"}
    choices = [
        {"index": 0, "delta": {"content": "Answer: 12"}, "finish_reason": None},
        {"index": 0, "delta": {}, "finish_reason": "stop"},
    ]
    parts = [f"data: {json.dumps({**about, 'choices': [choice]})}\n\n" for choice in choices]
    used = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    counted = f"data: {json.dumps({**about, 'choices': [], 'usage': used})}\n\n"
    streams = [parts[0], "".join(parts), parts[0] + counted]  # the last is of a server that says only what it has cost
    with FakeServer(lambda _, number: Said(body=streams[number])) as server:
        mine = ChatOpenAI(model="own", base_url=server.url, api_key=SecretStr("key"), streaming=True, stream_usage=True)
        with pytest.raises(CallFailed, match="the stream ended before the reply") as caught:
            await as_model(mine).generate([HumanMessage("1 + 11?")], ASKED)
        for _ in streams[1:]:
            assert (await as_model(mine).generate([HumanMessage("1 + 11?")], ASKED)).text == "Answer: 12"
        await mine.root_async_client.close()
    assert caught.value.sent
    assert caught.value.usage


@pytest.mark.parametrize("before", ["", "x" * 175])
async def test_the_key_of_a_user_s_own_model_that_a_server_repeats_is_not_told(before: str) -> None:
    key = "sk-very-secret-and-longer-than-what-is-shown-of-a-message"
    said = Said(status=500, body={"error": {"message": f"{before} Bearer {key}"}})
    with FakeServer(lambda *_: said) as server:
        mine = ChatOpenAI(model="own", base_url=server.url, api_key=SecretStr(key))
        with pytest.raises(CallFailed, match=r"Bearer \*\*\*") as caught:
            await as_model(mine).generate([HumanMessage("1 + 1?")], ASKED)
        await mine.root_async_client.close()
    assert "very" not in str(caught.value)


@pytest.mark.parametrize("form", ["bind", "with_fallbacks"])
def test_what_is_made_of_a_model_is_no_model(form: str) -> None:
    model = Provider(responses=["Answer: 2"])
    made = model.bind(stop=["x"]) if form == "bind" else model.with_fallbacks([model])
    with pytest.raises(UsageError, match="is no model: give"):
        solve("1 + 1?", model=made, store=":memory:")  # type: ignore[arg-type]


def test_a_missing_key_and_a_missing_package_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(ModelUnreachable, match="set OPENAI_API_KEY"):
        solve("1 + 1?", model="openai:gpt-5", store=":memory:")
    with pytest.raises(ModelUnreachable, match="holds a line break"):
        openai_model("gpt-5", api_key="two\nkeys")
    with pytest.raises(UsageError, match="model 'gpt-5' is unknown: give local, "):
        as_model("gpt-5")


async def test_another_server_or_key_in_the_environment_is_asked_from_the_next_call_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = as_model("openai:fake")
    with FakeServer() as one, FakeServer() as other:
        for server, key in ((one, "first-key"), (other, "first-key"), (other, "second-key"), (one, "first-key")):
            monkeypatch.setenv("OPENAI_BASE_URL", server.url)
            monkeypatch.setenv("OPENAI_API_KEY", key)
            await model.generate([HumanMessage("1 + 1?")], ASKED)
    assert one.authorized == ["Bearer first-key"] * 2
    assert other.authorized == ["Bearer first-key", "Bearer second-key"]


async def test_a_callers_own_client_does_not_try_again_by_itself_beside_the_budget() -> None:
    def busy(_: dict[str, Any], number: int) -> Said:
        return Said() if number % 2 else Said(status=503, body={})

    with FakeServer(busy) as server:
        model = ChatOpenAI(model="own", base_url=server.url, api_key=SecretStr("key"), max_retries=3)
        answer = await asolve("1 + 1?", model=model, policy="fixed", budget={"max_calls": 4}, store=":memory:")
        assert (len(server.requests), answer.spent.calls) == (4, 4)
        assert model.max_retries == model.root_async_client.max_retries == 3  # it stays as it was
        await model.root_async_client.close()
