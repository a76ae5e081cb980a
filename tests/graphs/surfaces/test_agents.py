"""ponder in agents: as middleware, as their model, as a tool, and under a supervisor."""

import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware, ModelRetryMiddleware
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, Field, SecretStr

from ponder.graphs import DeliberateMiddleware, PonderChatModel, as_tool, create_ponder, preview, solve
from ponder.nodes.ports import CallFailed
from ponder.state import Answer, SQLAlchemySaver, UsageError
from tests.fake_server import FakeServer, Said, let_go
from tests.fakes import ScriptedModel, always
from tests.graphs.surfaces import killed

CHAT: Any = {"messages": [HumanMessage("Where is the parcel?")]}


@tool
def track(parcel: int) -> str:
    """Say where a parcel is."""
    return "in Oslo"


@tool
def cancel(parcel: int) -> str:
    """Cancel an order."""
    return "cancelled"


class Clerk(BaseChatModel):
    """Calls what its script names, in turn, and says what a tool has told it."""

    script: Callable[[int], tuple[str, int]]
    max_tokens: int | None = None
    asked: list[list[BaseMessage]] = Field(default_factory=list)
    bound: list[list[str]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "clerk"

    def bind_tools(self, tools: Any, **_: Any) -> Runnable[LanguageModelInput, AIMessage]:
        self.bound.append([each.name if hasattr(each, "name") else each["function"]["name"] for each in tools])
        return self.bind()

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        number = len(self.asked)
        self.asked.append(messages)
        told = [message for message in messages if isinstance(message, ToolMessage)]
        usage: Any = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
        if told:
            said = AIMessage(f"It is {told[-1].content}.", usage_metadata=usage)
        else:
            name, parcel = self.script(number)
            wanted = [{"name": name, "args": {"parcel": parcel}, "id": f"c{number}"}]
            said = AIMessage("", tool_calls=wanted, usage_metadata=usage)
        return ChatResult(generations=[ChatGeneration(message=said)])


def wavering(number: int) -> tuple[str, int]:
    """Want the wrong thing first, and then the right one twice."""
    return ("cancel", 7) if number % 3 == 0 else ("track", 7)


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_middleware_makes_an_agent_deliberate_on_its_steps(asynchronous: bool) -> None:
    clerk = Clerk(script=wavering)
    agent: Any = create_agent(clerk, [track, cancel], middleware=[DeliberateMiddleware(effort="fast")])
    chat = (await agent.ainvoke(CHAT) if asynchronous else agent.invoke(CHAT))["messages"]
    assert [message.type for message in chat] == ["human", "ai", "tool", "ai"]
    assert chat[1].tool_calls[0]["name"] == "track"
    assert chat[-1].content == "It is in Oslo."
    assert clerk.bound[0] == ["track", "cancel"]
    calls = [chat[place].response_metadata["ponder"]["spent"]["calls"] for place in (1, 3)]
    assert sum(calls) == len(clerk.asked)
    bare = create_agent(Clerk(script=wavering), [track, cancel])
    assert bare.invoke(CHAT)["messages"][1].tool_calls[0]["name"] == "cancel"


def test_it_deliberates_only_where_it_is_told_to() -> None:
    def first(request: Any) -> bool:
        return len(request.messages) == 1

    clerk = Clerk(script=wavering)
    agent: Any = create_agent(clerk, [track, cancel], middleware=[DeliberateMiddleware(first, policy="parallel")])
    chat = agent.invoke(CHAT)["messages"]
    assert "ponder" in chat[1].response_metadata
    assert "ponder" not in chat[3].response_metadata


def test_where_unsure_it_asks_twice_and_goes_on_only_where_the_two_differ() -> None:
    sure, unsure = Clerk(script=lambda _: ("track", 7)), Clerk(script=wavering)
    calls = []
    for clerk in (sure, unsure):
        deliberate = DeliberateMiddleware("unsure", settings={"temperature": 0.5})
        agent: Any = create_agent(clerk, [track, cancel], middleware=[deliberate])
        chat = agent.invoke(CHAT)["messages"]
        assert chat[1].tool_calls[0]["name"] == "track"
        calls.append(chat[1].response_metadata["ponder"]["spent"]["calls"])
    assert calls[0] == 2
    assert calls[1] > 2


@pytest.mark.parametrize(("outer", "requests"), [(True, 5), (False, 4)])
def test_tries_of_a_middleware_that_tries_again_share_one_budget(outer: bool, requests: int) -> None:
    def script(_: dict[str, Any], number: int) -> Said:
        return Said(status=400, body={"error": {"message": "no"}}) if number < 4 else Said("Answer: 2")

    with FakeServer(script) as server:
        model = ChatOpenAI(model="own", base_url=server.url, api_key=SecretStr("key"), max_retries=0)
        deliberate = DeliberateMiddleware(policy="parallel", budget={"max_calls": 4}, settings={"max_samples": 3})
        both: Any = [ModelRetryMiddleware(max_retries=5, initial_delay=0, jitter=False), deliberate]
        agent = create_agent(model, middleware=both if outer else both[::-1])
        said = agent.invoke({"messages": [HumanMessage("What is 1 + 1?")]})["messages"][-1]
        let_go(model)
    assert len(server.requests) == requests  # once the budget is used up a single call answers, if it is asked for
    assert ("Answer: 2" in said.content) == outer


def test_a_try_that_an_error_stops_has_used_the_budget_for_what_it_paid() -> None:
    def script(_: dict[str, Any], number: int) -> Said:
        return Said(status=401, body={}) if number in {6, 12} else Said(f"Answer: {number}")

    with FakeServer(script) as server:
        model = ChatOpenAI(model="own", base_url=server.url, api_key=SecretStr("key"), max_retries=0)
        deliberate = DeliberateMiddleware(
            policy="parallel", budget={"max_calls": 8}, effort="thorough", settings={"window": 1}
        )
        again: Any = ModelRetryMiddleware(max_retries=5, initial_delay=0, jitter=False)
        said = create_agent(model, middleware=[again, deliberate]).invoke({"messages": [HumanMessage("1 + 1?")]})
        let_go(model)
    assert "Answer: " in said["messages"][-1].content
    assert len(server.requests) == 6 + 1 + 2


def test_another_model_answers_where_a_middleware_further_in_falls_back_to_it() -> None:
    def script(request: dict[str, Any], _: int) -> Said:
        return Said(status=400, body={"error": {"message": "no"}}) if request["model"] == "bad" else Said("Hello.")

    with FakeServer(script) as server:
        bad, good = (
            ChatOpenAI(model=name, base_url=server.url, api_key=SecretStr("key"), max_retries=0)
            for name in ("bad", "good")
        )
        deliberate = DeliberateMiddleware(budget={"max_calls": 4}, policy="direct")
        both: Any = [deliberate, ModelFallbackMiddleware(good)]
        agent = create_agent(bad, middleware=both)
        said = agent.invoke({"messages": [HumanMessage("What is 1 + 1?")]})["messages"][-1]
        let_go(bad, good)
    assert (said.content, len(server.requests)) == ("Hello.", 2)


@pytest.mark.parametrize(
    ("limit", "calls"), [({"max_calls": 4}, 4), ({"max_tokens": 700}, None), ({"max_tokens": 9}, 2)]
)
def test_a_budget_holds_for_all_steps_of_one_run_of_the_agent(limit: dict[str, float], calls: int | None) -> None:
    clerk = Clerk(script=lambda _: ("track", 7))
    deliberate = DeliberateMiddleware(budget=limit, policy="fixed", max_tokens=16)
    agent: Any = create_agent(clerk, [track, cancel], middleware=[deliberate])
    for _ in range(2):
        clerk.asked.clear()
        chat = agent.invoke(CHAT)["messages"]
        assert chat[-1].content == "It is in Oslo."
        deliberated = [message for message in chat if "ponder" in message.response_metadata]
        spent = [message.response_metadata["ponder"]["spent"] for message in deliberated]
        used = sum(each["input_tokens"] + each["output_tokens"] for each in spent)
        assert used <= limit.get("max_tokens", 1000)
        bare = 2 - len(deliberated)
        assert len(clerk.asked) == sum(each["calls"] for each in spent) + bare
        assert calls is None or len(clerk.asked) == calls + (bare if deliberated else 0)


def test_an_agent_with_a_schema_for_its_answer_votes_on_it() -> None:
    class Place(BaseModel):
        """Where it is."""

        city: str

    class Teller(Clerk):
        def _generate(self, messages: list[BaseMessage], *given: Any, **named: Any) -> ChatResult:
            said = super()._generate(messages, *given, **named)
            cities = [{"city": "Rome"}, {"town": 1}, {"city": "Oslo"}, {"city": "Oslo"}]
            wanted = {"name": "Place", "args": cities[(len(self.asked) - 1) % 4], "id": "p"}
            message = AIMessage("", tool_calls=[wanted])
            return ChatResult(generations=[ChatGeneration(message=message)]) if said else said

    deliberate = DeliberateMiddleware(policy="parallel", settings={"max_samples": 4})
    agent: Any = create_agent(Teller(script=wavering), [], response_format=Place, middleware=[deliberate])
    assert agent.invoke(CHAT)["structured_response"] == Place(city="Oslo")


def test_it_is_the_model_of_an_agent_that_keeps_its_thread() -> None:
    with SQLAlchemySaver.from_conn_string("sqlite://") as store:
        model = PonderChatModel(model=Clerk(script=wavering), effort="fast")
        agent: Any = create_agent(model, [track, cancel], checkpointer=store)
        on: Any = {"configurable": {"thread_id": "one"}}
        agent.invoke(CHAT, on)
        chat = agent.invoke({"messages": [HumanMessage("And now?")]}, on)["messages"]
    assert [message.type for message in chat] == ["human", "ai", "tool", "ai", "human", "ai"]


def test_an_agent_whose_process_was_killed_goes_on_without_a_paid_call_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    store = f"sqlite:///{tmp_path}/ponder.db"
    with FakeServer() as server:

        def script(_: dict[str, Any], number: int) -> Said:
            if number == 4:
                server.release.wait(60)
            return Said(f"Answer: {number}")

        server.script = script
        command = [sys.executable, "-m", "tests.graphs.surfaces.killed", server.url, store]
        with subprocess.Popen(command, cwd=Path(__file__).parents[3]) as process:
            try:
                server.wait_for(lambda it: len(it.requests) == 5)
            finally:
                process.kill()
        server.release.set()
        with SQLAlchemySaver.from_conn_string(store) as saver:
            said = killed.agent(server.url, saver).invoke(None, killed.ON)["messages"][-1]
        spent = said.response_metadata["ponder"]["spent"]
        assert (spent["calls"], spent["lost"]) == (len(server.requests) - 1, 1)
        assert len(server.requests) > 5
        cut_off = f"{server.requests[4]['seed']} {server.requests[4]['messages'][-1]['content']}"
        assert {asked for asked, times in server.counts.items() if times > 1} == {cut_off}


def test_a_tool_gives_the_answer_to_the_model_and_all_of_it_to_the_program() -> None:
    solving = as_tool(ScriptedModel(always("42")), name="think")
    message = solving.invoke({"name": "think", "args": {"problem": "What is 6 * 7?"}, "id": "t", "type": "tool_call"})
    assert message.content == "42\n(confidence 0.71, by majority)"
    assert isinstance(message.artifact, Answer)
    assert message.artifact.spent.calls == 3
    silent = as_tool(ScriptedModel(lambda *_: ""), policy="direct")
    failing = as_tool(ScriptedModel(lambda *_: CallFailed("HTTP 400: bad")), budget={"max_calls": 3})
    told = "No answer was found: no call brought a candidate: HTTP 400: bad (max_calls)."
    assert failing.invoke({"problem": "What is 6 * 7?"}) == told
    assert "No answer was found in 1 calls" in silent.invoke({"problem": "What is 6 * 7?"})


async def test_an_agent_uses_the_tool() -> None:
    class Asker(Clerk):
        def _generate(self, messages: list[BaseMessage], *given: Any, **named: Any) -> ChatResult:
            if isinstance(messages[-1], ToolMessage):
                return super()._generate(messages, *given, **named)
            wanted = {"name": "ponder", "args": {"problem": "What is 6 * 7?"}, "id": "a"}
            return ChatResult(generations=[ChatGeneration(message=AIMessage("", tool_calls=[wanted]))])

    agent: Any = create_agent(Asker(script=wavering), [as_tool(ScriptedModel(always("42")))])
    assert "42" in (await agent.ainvoke(CHAT))["messages"][-1].content


def test_it_works_under_a_supervisor() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # langgraph-supervisor uses what LangGraph has deprecated
        from langgraph_supervisor import create_supervisor

        class Boss(Clerk):
            def _generate(self, messages: list[BaseMessage], *given: Any, **named: Any) -> ChatResult:
                done = any(message.name == "solver" for message in messages)
                wanted = [] if done else [{"name": "transfer_to_solver", "args": {}, "id": "b"}]
                message = AIMessage("Done." if done else "", tool_calls=wanted)
                return ChatResult(generations=[ChatGeneration(message=message)])

        solver = create_ponder(ScriptedModel(always("2")), name="solver")
        team: Any = create_supervisor([solver], model=Boss(script=wavering)).compile()  # type: ignore[list-item]
        chat = team.invoke({"messages": [HumanMessage("What is 1 + 1?")]})["messages"]
    assert "Answer: 2" in [message.content for message in chat]
    assert chat[-1].content == "Done."


ANYTHING: Any = 3


@pytest.mark.parametrize(
    ("attempt", "told"),
    [
        (lambda model: solve(ANYTHING, model=model), "problem 3 cannot be read: give a text"),
        (lambda model: preview(ANYTHING, model=model), "problem 3 cannot be read"),
        (lambda model: solve("1 + 1?", model=ANYTHING), "model '3' is no model: give local, "),
        (lambda model: solve("1 + 1?", model=model, verifier=ANYTHING), "verifier '3' is no verifier"),
        (lambda model: solve("1 + 1?", model=model, store=":memory:", thread_id=ANYTHING), "thread_id=3 cannot"),
        (lambda model: create_ponder(model).invoke({"problem": ANYTHING}), "problem 3 cannot be read"),
        (
            lambda model: create_ponder(model).invoke({"problem": "1?"}, context=cast("Any", {"x": 1})),
            "x=1 is unknown: the settings",
        ),
        (lambda model: DeliberateMiddleware(ANYTHING, model=model), "when=3 is unknown: give 'always'"),
        (lambda model: DeliberateMiddleware(effort="huge", model=model), "effort='huge' cannot be used"),
        (
            lambda model: DeliberateMiddleware(budget={"max_call": 1}),
            r"budget\.max_call=1 is unknown: did you mean .max_calls",
        ),
        (
            lambda model: PonderChatModel(model=model).with_structured_output({"type": 3}),
            "cannot be used: give a class",
        ),
    ],
)
def test_what_a_surface_cannot_use_is_said_in_a_line(attempt: Callable[[Any], object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        attempt(ScriptedModel(always("2")))
