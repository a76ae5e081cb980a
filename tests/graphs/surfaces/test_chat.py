"""PonderChatModel: votes over tool calls, objects and answers; usage that is true; errors that say what to do."""

import asyncio
import operator
from collections.abc import Sequence
from typing import Annotated, Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.exceptions import OutputParserException
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from pydantic import BaseModel, SecretStr
from typing_extensions import TypedDict

from ponder.graphs import PonderChatModel, solve
from ponder.nodes.ports import Reply, Request
from ponder.state import ModelUnreachable, SQLAlchemySaver, UsageError
from ponder.state.budget import Usage
from ponder.state.errors import NoReply
from ponder.state.run import PERSISTED
from tests.fake_server import FakeServer, Said, completion, let_go
from tests.fakes import Cut, ScriptedModel, always, cycle, kind_of, passing

USAGE = Usage(input_tokens=10, output_tokens=5)


@tool
def add(a: float, b: float = 0) -> float:
    """Add two numbers."""
    return a + b


class City(BaseModel):
    """A city."""

    name: str
    people: int


def call(tool_name: str = "add", /, **arguments: object) -> Reply:
    return Reply("", usage=USAGE, tool_calls=[{"name": tool_name, "args": arguments, "id": "c"}])


def saying(*replies: Reply | str) -> ScriptedModel:
    return ScriptedModel(
        lambda prompt, number: "Score: 5" if kind_of(prompt) == "critique" else replies[number % len(replies)]
    )


def test_tool_calls_are_voted_on_by_name_and_arguments_and_returned_as_one_message() -> None:
    model = saying(call(b=2, a=1), call(a=9, b=9), call(a=1.0, b=2.0))
    said = (
        PonderChatModel(model=model, policy="parallel", settings={"max_samples": 6}).bind_tools([add]).invoke("1 + 2?")
    )
    assert [(each["name"], each["args"]) for each in said.tool_calls] == [("add", {"a": 1, "b": 2})]
    assert said.response_metadata["finish_reason"] == "tool_calls"
    assert said.response_metadata["ponder"]["decided_by"] == "majority"
    assert model.requests[0].form.names == ["add"]


def test_a_call_of_a_tool_that_is_not_there_or_cannot_take_its_arguments_never_wins() -> None:
    model = saying(call("subtract", a=1), call(a="one"), call(a=1))
    said = PonderChatModel(model=model, policy="parallel", settings={"max_samples": 3}).bind_tools([add]).invoke("1?")
    assert [each["args"] for each in said.tool_calls] == [{"a": 1}]


def test_where_no_candidate_calls_a_tool_that_is_there_the_agent_gets_to_see_what_was_called() -> None:
    said = PonderChatModel(model=saying(call("subtract", a=1)), policy="direct").bind_tools([add]).invoke("1?")
    assert (said.tool_calls[0]["name"], said.response_metadata["ponder"]["confidence"]) == ("subtract", 0)


def test_where_a_tool_must_be_called_words_are_no_answer() -> None:
    model = saying("I would rather talk.", call(a=1))
    bound = PonderChatModel(model=model, policy="parallel", settings={"max_samples": 2}).bind_tools(
        [add], tool_choice="any"
    )
    assert bound.invoke("1?").tool_calls[0]["args"] == {"a": 1}


def test_replies_in_words_are_one_answer_where_tools_could_be_called() -> None:
    model = saying("Hello!", "Good day.", "Hi there.")
    said = PonderChatModel(model=model).bind_tools([add]).invoke("Greet me")
    assert (said.content, model.calls, said.tool_calls) == ("Hello!", 3, [])


def test_a_cascade_asks_the_stronger_model_only_where_the_cheap_one_is_not_sure() -> None:
    cheap, strong = ScriptedModel(name="cheap"), ScriptedModel(always("7"), name="strong")
    said = PonderChatModel(model=[cheap, strong], settings={"pool": "cascade"}).invoke("What is 3 + 4?")
    assert (said.content, cheap.calls) == ("Answer: 7", 3)
    assert strong.calls > 0


def test_a_chat_with_tools_goes_to_the_model_as_it_stands() -> None:
    seen: list[Sequence[BaseMessage]] = []

    class Model(ScriptedModel):
        async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
            seen.append(messages)
            return await super().generate(messages, request)

    asked = AIMessage("", tool_calls=[{"name": "add", "args": {"a": 1}, "id": "x"}])
    chat = [SystemMessage("Be brief."), HumanMessage("Add"), asked, ToolMessage("1", tool_call_id="x")]
    PonderChatModel(model=Model(always("1")), policy="direct").bind_tools([add]).invoke(chat)
    assert [list(messages) for messages in seen] == [chat]


def test_objects_are_voted_on_and_one_that_does_not_meet_the_schema_has_no_vote() -> None:
    model = saying(
        '{"people": 9, "name": "Rome"}', '{"name": "Oslo"}', '{"name": "Oslo"}', '{"name":"Rome","people":9}'
    )
    asking = PonderChatModel(model=model, policy="parallel", settings={"max_samples": 4}).with_structured_output(City)
    assert asking.invoke("A city, please.") == City(name="Rome", people=9)
    assert '"people"' in model.prompts[0]


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
async def test_a_schema_that_the_model_never_meets_is_an_error_that_says_so(method: Any) -> None:
    model = saying('{"name": "Rome"}') if method == "json_schema" else saying(call("City", name="Rome"))
    ponder = PonderChatModel(model=model, budget={"max_calls": 4})
    with pytest.raises(OutputParserException, match=r"in 4 calls no reply met the schema.*'people'"):
        await ponder.with_structured_output(City, method=method).ainvoke("A city, please.")
    read: Any = await ponder.with_structured_output(City, method=method, include_raw=True).ainvoke("A city, please.")
    assert read["parsed"] is None
    assert "people" in str(read["parsing_error"])


def test_what_is_wrong_with_an_object_is_told_to_the_revision() -> None:
    model = ScriptedModel(
        lambda prompt, _: '{"name": "Rome", "people": 9}' if "people" in kind_and(prompt) else '{"name": "Rome"}'
    )
    asking = PonderChatModel(model=model, policy="refine").with_structured_output(City)
    assert asking.invoke("A city, please.") == City(name="Rome", people=9)
    assert model.kinds[:2] == ["sample", "improve"]


def kind_and(prompt: str) -> str:
    """Return the feedback in a prompt; empty where there is none."""
    return prompt.partition("<feedback>")[2].partition("</feedback>")[0]


def test_the_usage_is_that_of_all_calls_and_callbacks_see_it_once() -> None:
    model = FakeListChatModel(responses=["Answer: 3"])
    with get_usage_metadata_callback() as counted:
        said = PonderChatModel(model=saying("Answer: 3", "Answer: 4", "Answer: 3"), effort="fast").invoke(
            "What is 1 + 2?"
        )
        spent = said.response_metadata["ponder"]["spent"]
        assert said.usage_metadata is not None
        assert spent["calls"] >= 3
        assert said.usage_metadata["input_tokens"] == 10 * spent["calls"]
        assert said.usage_metadata["total_tokens"] == 15 * spent["calls"]
        PonderChatModel(model=model).invoke("What is 1 + 2?")
    assert list(counted.usage_metadata) == ["scripted", "FakeListChatModel"]
    assert counted.usage_metadata["scripted"]["total_tokens"] == said.usage_metadata["total_tokens"]


def test_the_usage_of_a_model_inside_is_not_counted_again() -> None:
    with FakeServer() as server, get_usage_metadata_callback() as counted:
        inner = ChatOpenAI(model="inner", base_url=server.url, api_key=SecretStr("key"))
        said = PonderChatModel(model=inner, policy="fixed", budget={"max_calls": 4}).invoke("What is 1 + 1?")
        assert said.usage_metadata is not None
        assert len(server.requests) == 4
        let_go(inner)
        assert counted.usage_metadata["inner"]["total_tokens"] == said.usage_metadata["total_tokens"] == 4 * 15


@pytest.mark.parametrize("budget", [{"max_tokens": 8000}, {"max_usd": 1.0}])
def test_what_a_run_costs_as_the_model_of_a_run_is_told_and_not_limited_by_tokens(
    budget: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PONDER_PRICES", '{"*": {"input": 1, "output": 1}}')
    model = ScriptedModel(lambda *_: Reply("Answer: 2", usage=Usage(input_tokens=900, output_tokens=100)))
    inner = PonderChatModel(model=model, policy="fixed", budget={"max_calls": 40})
    answer = solve("1 + 1?", model=inner, policy="fixed", budget={"max_calls": 2}, store=":memory:")
    assert (answer.spent.input_tokens, answer.spent.output_tokens) == (2 * 40 * 900, 2 * 40 * 100)
    with pytest.raises(UsageError, match="cannot be kept: model 'ponder:scripted'"):
        solve("1 + 1?", model=inner, policy="fixed", budget=budget, store=":memory:")


def test_langchain_s_cache_tells_configurations_apart() -> None:
    set_llm_cache(InMemoryCache())
    try:
        model = saying("Answer: 1", "Answer: 2", "Answer: 3", "Answer: 4")
        for more in ({}, {}, {"budget": {"max_calls": 1}}, {"seed": 9}, {"verifier": lambda *_: True}):
            given: dict[str, Any] = {"policy": "direct", **more}
            PonderChatModel(model=model, **given).invoke("What is 1 + 2?")
        assert model.calls == 4
    finally:
        set_llm_cache(None)


@pytest.mark.parametrize(
    ("asked", "calls"), [("Tell me about cats.", 1), ("What is 1 + 1?", 3), ("Which?\nA) red\nB) blue", 3)]
)
def test_what_cannot_be_compared_is_asked_once(asked: str, calls: int) -> None:
    model = ScriptedModel(lambda prompt, _: "Answer: A" if "A)" in prompt else "Cats. Answer: 2")
    PonderChatModel(model=model).invoke(asked)
    assert model.calls == calls
    assert (model.prompts[0] == asked) == (calls == 1)


async def test_a_call_may_set_what_the_model_has_not() -> None:
    model = ScriptedModel(always("2"))
    ponder = PonderChatModel(model=model, policy="fixed", budget={"max_calls": 2}, temperature=0.1)
    await ponder.ainvoke("What is 1 + 1?", temperature=0.9, max_tokens=7, stop=["\n"], budget={"max_calls": 5})
    assert model.calls == 5
    assert {(request.temperature, request.max_tokens) for request in model.requests} == {(0.9, 7)}
    assert model.requests[0].form.stop == ["\n"]


ORPHAN = [HumanMessage("Hi"), ToolMessage("1", tool_call_id="x")]
UNANSWERED = [
    HumanMessage("Hi"),
    AIMessage("", tool_calls=[{"name": "add", "args": {}, "id": "x"}]),
    HumanMessage("So?"),
]


@pytest.mark.parametrize(
    ("given", "keywords", "told"),
    [
        ([], {}, "the chat is empty"),
        (ORPHAN, {}, "'x' answers no call"),
        (UNANSWERED, {}, "'x' has no result"),
        ("Hi", {"top_k": 3}, "top_k=3 is unknown: the settings are policy"),
        ("Hi", {"temperature": -1}, "temperature=-1"),
        ("Hi", {"response_format": {"type": "xml"}}, "response_format .* is unknown"),
        ("Hi", {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "g"}, "tool_choice 'g'"),
        (
            "Hi",
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": 3}}}},
            "is no JSON Schema",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused_before_a_call(given: Any, keywords: dict[str, Any], told: str) -> None:
    model = ScriptedModel(always("2"))
    with pytest.raises(UsageError, match=told):
        PonderChatModel(model=model).invoke(given, **keywords)
    assert model.calls == 0


def test_an_unknown_option_and_calls_that_all_fail_are_errors() -> None:
    with pytest.raises(ValueError, match="polcy"):
        PonderChatModel(polcy="direct")  # type: ignore[call-arg]
    failing = ScriptedModel(lambda *_: passing("HTTP 503: overloaded"))
    with pytest.raises(ModelUnreachable, match="no call was answered: HTTP 503: overloaded"):
        PonderChatModel(model=failing, max_retries=0).invoke("What is 1 + 1?")
    with pytest.raises(NoReply, match=r"no call brought a candidate: HTTP 503: overloaded \(max_calls\)"):
        PonderChatModel(model=failing, max_retries=0, budget={"max_calls": 3}).invoke("What is 1 + 1?")


def saver() -> Any:
    return InMemorySaver().with_allowlist([(kind.__module__, kind.__name__) for kind in PERSISTED])


def on(thread: str) -> Any:
    return {"configurable": {"thread_id": thread}}


async def test_a_reply_inside_a_graph_goes_on_in_its_checkpoints_without_a_finished_call_made_again() -> None:
    broken = True
    model = ScriptedModel(lambda _, number: ModelUnreachable("cut") if broken and number >= 3 else "Answer: 2")
    ponder = PonderChatModel(model=model, policy="fixed", budget={"max_calls": 8}, settings={"window": 1})

    async def reply(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await ponder.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("reply", reply)
    graph.add_edge(START, "reply")
    async with SQLAlchemySaver.from_conn_string("sqlite://") as store:
        compiled: Any = graph.compile(checkpointer=store)
        with pytest.raises(ModelUnreachable, match="cut"):
            await compiled.ainvoke({"messages": [HumanMessage("What is 1 + 1?")]}, on("t"))
        broken, made = False, model.calls
        said = (await compiled.ainvoke(None, on("t")))["messages"][-1]
    spent = said.response_metadata["ponder"]["spent"]
    assert (spent["calls"], spent["lost"]) == (8, 0)
    assert (made, model.calls - made) == (8, 5)


class Both(TypedDict):
    """Two replies."""

    said: Annotated[list[str], operator.add]


async def test_two_replies_of_one_node_are_not_mixed_up_when_it_is_repeated_in_another_order() -> None:
    model = ScriptedModel(lambda prompt, _: "Answer: 2" if "1 + 1" in prompt else "Answer: 4")
    ponder, order = PonderChatModel(model=model), [1, 2]

    async def both(state: Both) -> dict[str, Any]:
        replies = await asyncio.gather(*(ponder.ainvoke(f"What is {number} + {number}?") for number in order))
        if order == [1, 2]:
            raise Cut("cut")
        return {"said": [str(reply.text) for reply in replies]}

    graph = StateGraph(Both)
    graph.add_node("both", both)
    graph.add_edge(START, "both")
    compiled: Any = graph.compile(checkpointer=saver())
    with pytest.raises(Cut):
        await compiled.ainvoke({"said": []}, on("t"))
    order.reverse()
    assert (await compiled.ainvoke(None, on("t")))["said"] == ["Answer: 4", "Answer: 2"]


async def test_a_graph_that_streams_messages_shows_the_reply_and_no_candidate() -> None:
    ponder = PonderChatModel(model=FakeListChatModel(responses=["Answer: 2"]))

    async def reply(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await ponder.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("reply", reply)
    graph.add_edge(START, "reply")
    compiled: Any = graph.compile()
    chat = {"messages": [HumanMessage("What is 1 + 1?")]}
    shown = [message.text async for message, _ in compiled.astream(chat, stream_mode="messages")]
    events = [event["type"] async for _, event in compiled.astream(chat, stream_mode="custom", subgraphs=True)]
    assert "".join(shown) == "Answer: 2"
    assert {"budget", "candidate", "assessed", "selected"} <= set(events)


def test_cycles_are_answered_alike_by_invoke_batch_and_stream() -> None:
    ponder = PonderChatModel(model=ScriptedModel(cycle("2")))
    asked = "What is 1 + 1?"
    streamed = list(ponder.stream(asked))
    said = [ponder.invoke(asked).content, *(reply.content for reply in ponder.batch([asked, asked]))]
    assert said == ["Answer: 2"] * 3
    assert (streamed[-1].content, streamed[-1].usage_metadata) == ("Answer: 2", ponder.invoke(asked).usage_metadata)


@pytest.mark.parametrize(
    ("told", "arguments"),
    [
        ([{"function": {"name": "add", "arguments": {"a": 1}}}], {"a": 1}),
        ({"id": 5, "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}, {"a": 1}),
        ([{"function": {"name": "add", "arguments": None}}], {}),
        ([{"name": "add"}], None),
        (["add"], None),
    ],
)
def test_tool_calls_are_read_as_servers_really_send_them(told: object, arguments: dict[str, Any] | None) -> None:
    body = completion(Said(None, finish="tool_calls"))
    body["choices"][0]["message"]["tool_calls"] = told
    with FakeServer(lambda *_: Said(body=body)) as server:
        bound = PonderChatModel(model="openai:f", base_url=server.url, policy="direct", max_retries=0).bind_tools(
            [sent]
        )
        if arguments is None:
            with pytest.raises(NoReply, match="no call brought a text"):
                bound.invoke("1?")
            return
        (called,) = bound.invoke("1?").tool_calls
    assert (called["name"], called["args"]) == ("add", arguments)
    assert called["id"]


sent = {"type": "function", "function": {"name": "add", "description": "Add.", "parameters": {"type": "object"}}}


def test_a_server_that_refuses_a_schema_is_told_it_in_words() -> None:
    def script(request: dict[str, Any], _: int) -> Said:
        if "response_format" in request:
            return Said(status=400, body={"error": {"message": "response_format is not supported"}})
        return Said('{"name": "Rome", "people": 9}')

    with FakeServer(script) as server:
        ponder = PonderChatModel(model="openai:f", base_url=server.url, policy="direct")
        assert ponder.with_structured_output(City).invoke("A city.") == City(name="Rome", people=9)
        assert ponder.with_structured_output(City).invoke("Another.") == City(name="Rome", people=9)
    shapes = ["response_format" in request for request in server.requests]
    assert shapes == [True, False, False]
    assert all('"people"' in request["messages"][-1]["content"] for request in server.requests)
