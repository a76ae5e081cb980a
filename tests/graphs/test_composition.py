"""ponder inside other graphs, in chats, and from synchronous code."""

import asyncio
import json
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, Durability, Overwrite, RetryPolicy, Send, interrupt
from sqlalchemy import func, select
from typing_extensions import TypedDict

from ponder.graphs import PonderChatModel, aresume, asolve, create_ponder, create_ponder_graph, solve
from ponder.nodes.tally import tallying
from ponder.state import Answer, Budget, ModelUnreachable, Settings, SQLAlchemySaver, UsageError
from ponder.state.budget import Spent
from ponder.state.journal import CallJournal
from ponder.state.run import PERSISTED, RunState, RunUpdate
from ponder.state.tables import journal
from tests.fakes import Cut, ScriptedModel, always, cycle


def saver() -> Any:
    return InMemorySaver().with_allowlist([(kind.__module__, kind.__name__) for kind in PERSISTED])


def on(thread: str) -> Any:
    return {"configurable": {"thread_id": thread}}


def test_invoke_works_like_ainvoke() -> None:
    graph = create_ponder(ScriptedModel(cycle("1", "2", "3")), seed=1)
    there = graph.invoke({"problem": "What is 1 + 1?"})["answer"]
    graph = create_ponder(ScriptedModel(cycle("1", "2", "3")), seed=1)
    here = asyncio.run(graph.ainvoke({"problem": "What is 1 + 1?"}))["answer"]
    assert (there.answer, there.route, there.decided_by) == (here.answer, here.route, here.decided_by)


async def test_solve_works_where_a_loop_is_running_as_in_a_notebook() -> None:
    assert solve("What is 1 + 1?", model=ScriptedModel(always("2")), store=saver()).answer == "2"


def test_a_graph_runs_in_two_event_loops_one_after_the_other() -> None:
    graph = create_ponder(ScriptedModel(always("2")))
    for _ in range(2):
        assert asyncio.run(graph.ainvoke({"problem": "What is 1 + 1?"}))["answer"].answer == "2"


def test_the_output_is_the_answer_and_one_message() -> None:
    output = create_ponder(ScriptedModel(always("2"))).invoke({"problem": "What is 1 + 1?"})
    assert set(output) == {"answer", "messages"}
    assert [type(message) for message in output["messages"]] == [AIMessage]
    assert output["messages"][0].content == "Answer: 2"


def test_a_chat_goes_to_the_model_whole_and_gets_one_message_more() -> None:
    model = ScriptedModel(always("2"))
    chat = [SystemMessage("Be brief."), HumanMessage("Hi"), AIMessage("Hello"), HumanMessage("What is 1 + 1?")]
    output = create_ponder(model, policy="direct").invoke({"messages": chat})
    assert "What is 1 + 1?" in model.prompts[0]
    assert [message.type for message in output["messages"]] == ["system", "human", "ai", "human", "ai"]


@pytest.mark.parametrize("inside", [True, False])
async def test_the_step_limit_of_a_graph_around_bounds_none_of_a_run_s_waves(inside: bool) -> None:
    graph: Any = create_ponder(ScriptedModel(cycle("1", "2")), policy="parallel", window=1, budget={"max_calls": 20})
    if inside:
        around = StateGraph(MessagesState)
        around.add_node("ponder", graph)
        around.add_edge(START, "ponder")
        graph = around.compile()
    found = await graph.ainvoke({"messages": [HumanMessage("What is 1 + 1?")]}, {"recursion_limit": 5})
    assert str(found["messages"][-1].content).startswith("Answer: ")


def test_a_new_problem_on_an_old_thread_starts_afresh() -> None:
    model = ScriptedModel(always("2"))
    graph = create_ponder(model, checkpointer=saver())
    first = graph.invoke({"problem": "What is 1 + 1?"}, on("t"))["answer"]
    second = graph.invoke({"problem": "What is 2 + 0?"}, on("t"))["answer"]
    assert (first.spent.calls, second.spent.calls, len(second.candidates)) == (3, 3, 3)
    assert "2 + 0" in model.prompts[-1]
    third = graph.invoke({"messages": [HumanMessage("What is 0 + 2?")]}, on("t"))["answer"]
    assert third.spent.calls == 3
    assert "0 + 2" in model.prompts[-1]


def test_the_context_of_a_call_is_laid_over_the_graph_s_settings() -> None:
    graph = create_ponder(ScriptedModel(cycle("1", "2")), effort="thorough", budget=Budget(max_calls=9))
    given: Any = {"problem": "What is 1 + 1?"}
    assert graph.invoke(given, context=Settings(policy="direct"))["answer"].spent.calls == 1
    assert graph.invoke(given, context=cast("Any", {"policy": "fixed"}))["answer"].spent.calls == 9


def greet(state: MessagesState) -> dict[str, Any]:
    return {"messages": [AIMessage("Working on it.", id="greeting")]}


def ask(state: MessagesState) -> dict[str, Any]:
    return {"messages": [HumanMessage("What is 1 + 1?")]}


def test_is_a_node_of_a_synchronous_chat_graph_and_counts_nothing_twice() -> None:
    parent = StateGraph(MessagesState)
    parent.add_node("greet", greet)
    parent.add_node("ask", ask)
    parent.add_node("ponder", create_ponder(ScriptedModel(cycle("1", "2", "3"))))
    parent.add_edge(START, "greet")
    parent.add_edge("greet", "ask")
    parent.add_edge("ask", "ponder")
    parent.add_edge("ponder", END)
    messages = parent.compile(checkpointer=saver()).invoke({"messages": [HumanMessage("Hi")]}, on("t"))["messages"]
    assert [message.type for message in messages] == ["human", "ai", "human", "ai"]


class Many(TypedDict):
    problems: list[str]
    answers: Annotated[list[str | None], operator.add]


async def test_runs_in_parallel_by_send_with_differently_configured_instances() -> None:
    def node(graph: Any) -> Any:
        async def run(given: dict[str, str]) -> dict[str, list[str | None]]:
            answer: Answer = (await graph.ainvoke(given))["answer"]
            return {"answers": [answer.answer]}

        return run

    parent = StateGraph(Many)
    parent.add_node("quick", node(create_ponder(ScriptedModel(always("1"), latency=0.01), policy="direct")))
    parent.add_node("slow", node(create_ponder(ScriptedModel(always("2"), latency=0.01), policy="refine")))
    sends = [Send(name, {"problem": f"What is {i} + 1?"}) for i in range(3) for name in ("quick", "slow")]
    parent.add_conditional_edges(START, lambda _: sends, ["quick", "slow"])
    output = await parent.compile(checkpointer=saver()).ainvoke({"problems": [], "answers": []}, on("t"))
    assert output["answers"] == ["1", "2"] * 3


async def test_a_stopped_run_goes_on_in_the_parent_s_checkpoints_without_a_finished_call_made_again() -> None:
    broken = True

    model = ScriptedModel(lambda _, number: Cut("cut") if broken and number == 5 else "Answer: 2")

    class State(TypedDict, total=False):
        messages: Annotated[list[AnyMessage], operator.add]
        problem: str
        answer: Answer

    parent = StateGraph(State)
    parent.add_node("ponder", create_ponder(model, policy="fixed", budget=Budget(max_calls=8)))
    parent.add_edge(START, "ponder")
    graph = parent.compile(checkpointer=saver())
    try:
        await graph.ainvoke({"problem": "What is 1 + 1?"}, on("t"))
    except Cut as error:
        assert str(error) == "cut"  # noqa: PT017 - the graph's own error, whatever group it comes in
    else:
        raise AssertionError("the run should have been cut")
    broken = False
    made = model.calls
    answer = (await graph.ainvoke(None, on("t")))["answer"]
    assert answer.spent.calls == 8
    assert model.calls - made < 8


class Answered(MessagesState):
    answer: Answer


async def test_calls_that_a_go_before_still_makes_when_the_graph_is_resumed_are_waited_for(tmp_path: Path) -> None:
    class Beside(ScriptedModel):
        async def generate(self, messages: Any, request: Any) -> Any:
            reply = await super().generate(messages, request)
            await going.wait()
            return reply

    going, model = asyncio.Event(), Beside(cycle("1", "2", "3"))

    async def beside(state: MessagesState) -> dict[str, Any]:
        if model.calls < 4:
            while model.calls < 4:  # noqa: ASYNC110 - the fake counts, it does not signal
                await asyncio.sleep(0)
            raise KeyError("beside")
        await asyncio.sleep(0.2)  # longer than it takes to look for them
        going.set()
        return {"messages": []}

    around = StateGraph(Answered)
    around.add_node("ponder", create_ponder(model, policy="fixed", max_samples=4))
    around.add_node("beside", beside)
    around.add_edge(START, "ponder")
    around.add_edge(START, "beside")
    async with SQLAlchemySaver(f"sqlite:///{tmp_path}/ponder.db") as saver:
        graph: Any = around.compile(checkpointer=saver)
        with pytest.raises(KeyError):
            await graph.ainvoke({"messages": [HumanMessage("What is 1 + 1?")]}, on("t"))
        answer = (await graph.ainvoke(None, on("t")))["answer"]
    assert (model.calls, answer.spent.calls, answer.spent.lost) == (4, 4, 0)


@pytest.mark.parametrize("store", [saver, lambda: SQLAlchemySaver("sqlite://")])
@pytest.mark.parametrize("kind", ["itself", "wrapped", "behind another graph"])
async def test_a_node_that_is_tried_again_goes_on_with_its_run(store: Callable[[], Any], kind: str) -> None:
    def script(_: str, number: int) -> str | Exception:
        return ModelUnreachable("out of credit (403)") if number in {3, 6} else f"Answer: {number % 3}"

    model = ScriptedModel(script)
    ponder = create_ponder(model, policy="parallel", window=1, max_samples=6, budget={"max_calls": 6})

    plain = StateGraph(MessagesState)
    plain.add_node("greet", greet)
    plain.add_edge(START, "greet")
    other = plain.compile()

    async def twice(state: MessagesState) -> dict[str, Any]:
        if kind != "wrapped":
            await other.ainvoke({"messages": []})
        first = await ponder.ainvoke({"problem": "What is 1 + 1?"})
        second = await ponder.ainvoke({"problem": "What is 2 + 2?"})
        return {"messages": [f"{first['answer'].spent.calls} and {second['answer'].spent.calls}"]}

    around, node = StateGraph(MessagesState), cast("Any", ponder if kind == "itself" else twice)
    around.add_node("ponder", node, retry_policy=RetryPolicy(initial_interval=0.001))
    around.add_edge(START, "ponder")
    checkpointer = store()
    graph = around.compile(checkpointer=checkpointer)
    await graph.ainvoke({"messages": [HumanMessage("What is 1 + 1?")]}, on("t"))
    assert model.calls == 2 + (6 if kind == "itself" else 12)
    if isinstance(checkpointer, SQLAlchemySaver):
        checkpointer.close()


@pytest.mark.parametrize("skipped", [True, False])
async def test_a_node_that_is_tried_again_and_asks_something_else_is_answered_that(skipped: bool) -> None:
    def script(prompt: str, number: int) -> str | Exception:
        asked = "outline" if "Outline" in prompt else "three" if "How many" in prompt else "two"
        return ModelUnreachable("out of credit (403)") if number == 1 else f"Answer: {asked}"

    ponder, tries = create_ponder(ScriptedModel(script), policy="direct"), []

    async def node(state: MessagesState) -> dict[str, Any]:
        tries.append(state)
        first = [] if skipped and len(tries) > 1 else ["Outline?"]
        asked = [*first, "What is 1 + 1?" if len(tries) == 1 else "How many?"]
        found = [(await ponder.ainvoke({"problem": problem}))["answer"].answer for problem in asked]
        return {"messages": found[-1:]}

    around = StateGraph(MessagesState)
    around.add_node("node", node, retry_policy=RetryPolicy(initial_interval=0.001))
    around.add_edge(START, "node")
    graph = around.compile(checkpointer=saver())
    found = await graph.ainvoke({"messages": []}, on("t"))
    assert (found["messages"][-1].content, len(tries)) == ("three", 2)


async def test_what_streams_out_of_a_run_can_be_written_as_json() -> None:
    graph = create_ponder(ScriptedModel(always("2")), policy="direct", checkpointer=saver())
    parts = [part async for part in graph.astream({"problem": "1 + 1?"}, on("t"), stream_mode="debug")]
    configs = [part["payload"]["config"]["configurable"] for part in parts if part["type"] == "checkpoint"]
    assert configs
    assert "__ponder_go" in json.dumps(configs)


async def test_the_steps_can_be_streamed_from_inside_the_branches() -> None:
    graph: Any = create_ponder(ScriptedModel(cycle("1", "2", "3")))
    seen = [
        (namespace[0].partition(":")[0] if namespace else "", data["type"])
        async for namespace, data in graph.astream({"problem": "1 + 1?"}, stream_mode="custom", subgraphs=True)
    ]
    assert ("assess", "candidate") in seen
    assert ("parallel", "budget") in seen
    assert ("", "selected") in seen


@dataclass
class Tenant:
    """Another graph's context."""

    budget: str = "not ours"


@pytest.mark.parametrize("context", [Tenant(), {"user": "ann"}, None])
def test_another_graph_s_context_is_not_taken_for_settings(context: Any) -> None:
    kind: Any = None if context is None else type(context) if isinstance(context, Tenant) else Any
    parent: Any = StateGraph(MessagesState, kind)
    parent.add_node("ponder", create_ponder(ScriptedModel(always("2")), policy="direct"))
    parent.add_edge(START, "ponder")
    chat = {"messages": [HumanMessage("What is 1 + 1?")]}
    assert parent.compile().invoke(chat, context=context)["messages"][-1].content == "Answer: 2"


class Order(TypedDict, total=False):
    """A parent whose keys are others."""

    question: str
    reply: str
    approved: bool


def test_a_wrapper_brings_it_into_a_graph_with_other_keys_where_it_waits_for_a_person_and_is_gone_back_to() -> None:
    model = ScriptedModel(always("2"))
    ponder = create_ponder(model, policy="direct")

    def work(state: Order) -> dict[str, Any]:
        answer = ponder.invoke({"problem": state["question"]})["answer"]
        return {"reply": answer.answer}

    def approve(state: Order) -> dict[str, Any]:
        return {"approved": interrupt(state["reply"])}

    parent = StateGraph(Order)
    parent.add_node("work", work)
    parent.add_node("approve", approve)
    parent.add_edge(START, "work")
    parent.add_edge("work", "approve")
    graph: Any = parent.compile(checkpointer=saver())
    waiting = graph.invoke({"question": "What is 1 + 1?"}, on("t"))
    assert waiting["__interrupt__"][0].value == "2"
    assert graph.invoke(Command(resume=True), on("t"))["approved"] is True
    assert model.calls == 1
    (start,) = [past for past in graph.get_state_history(on("t")) if past.next == ("work",)]
    again = graph.invoke(None, graph.update_state(start.config, {"question": "What is 2 + 0?"}))
    assert again["__interrupt__"][0].value == "2"
    assert model.calls == 2


class Shared(TypedDict, total=False):
    """A parent that shares keys with ponder."""

    problem: str
    answer: Answer
    route: str


def after(state: Shared) -> Shared:
    return {"route": f"after {state['answer'].answer}"}


def test_it_waits_for_a_person_inside_who_changes_what_it_knows_and_goes_on_there() -> None:
    model = ScriptedModel(always("2"))
    parent = StateGraph(Shared)
    parent.add_node("ponder", create_ponder_graph(model).compile(interrupt_before=["select"]))
    parent.add_edge(START, "ponder")
    graph: Any = parent.compile(checkpointer=saver())
    assert "answer" not in graph.invoke({"problem": "What is 1 + 1?"}, on("t"))
    inner = graph.get_state(on("t"), subgraphs=True).tasks[0].state
    assert (inner.next, len(inner.values["candidates"])) == (("select",), 3)
    added = inner.values["candidates"][0].model_copy(update={"id": "9", "text": "Answer: 3", "raw": "3", "answer": "3"})
    graph.update_state(inner.config, {"candidates": [added]}, as_node="direct")
    graph.invoke(None, on("t"))  # with a doubt more, the next branch is taken, and it waits once more
    answer = graph.invoke(None, on("t"))["answer"]
    assert (answer.answer, len(answer.candidates), model.calls) == ("2", 5, 4)


def test_a_finished_run_is_gone_back_to_and_decided_anew_without_a_call() -> None:
    model = ScriptedModel(cycle("1", "2", "2", "3"))
    graph = create_ponder(model, policy="fixed", budget=Budget(max_calls=4), checkpointer=saver())
    assert graph.invoke({"problem": "What is 1 + 1?"}, on("t"))["answer"].answer == "2"
    (deciding,) = [past for past in graph.get_state_history(on("t")) if past.next == ("select",)]
    first = deciding.values["candidates"][0]
    fork = graph.update_state(deciding.config, {"candidates": Overwrite([first])})
    assert graph.invoke(None, fork)["answer"].answer == "1"
    assert graph.invoke(None, deciding.config)["answer"].answer == "2"
    assert model.calls == 4


def test_candidates_that_a_server_puts_back_as_json_are_compared_by_a_judge_like_any() -> None:
    model = ScriptedModel(cycle("1", "2", "1", "3"))
    graph = create_ponder(model, policy="parallel", max_samples=4, checkpointer=saver())
    assert graph.invoke({"problem": "Which?"}, on("t"))["answer"].answer == "1"
    assert "judge" not in model.kinds
    (deciding,) = [past for past in graph.get_state_history(on("t")) if past.next == ("select",)]
    two = [item.model_dump(mode="json") for item in deciding.values["candidates"][:2]]
    fork = graph.update_state(deciding.config, {"candidates": Overwrite(two)})
    assert graph.invoke(None, fork)["answer"].answer in {"1", "2"}
    assert model.kinds[4:] == ["judge", "judge"]


def test_a_finished_run_inside_a_graph_is_decided_anew_on_a_thread_of_its_own_and_put_back() -> None:
    model, kept = ScriptedModel(cycle("1", "2", "2", "3")), saver()
    options: dict[str, Any] = {"policy": "fixed", "budget": Budget(max_calls=4)}
    parent = StateGraph(Shared)
    parent.add_node("ponder", create_ponder(model, **options))
    parent.add_node("after", after)
    parent.add_edge(START, "ponder")
    parent.add_edge("ponder", "after")
    graph: Any = parent.compile(checkpointer=kept)
    assert graph.invoke({"problem": "What is 1 + 1?"}, on("t"))["route"] == "after 2"
    (before,) = [past for past in graph.get_state_history(on("t")) if past.next == ("ponder",)]
    place = graph.get_state(before.config, subgraphs=True).tasks[0].state.config["configurable"]["checkpoint_ns"]
    inside = graph.get_state_history({"configurable": {"thread_id": "t", "checkpoint_ns": place}})
    (deciding,) = [past for past in inside if past.next == ("select",)]
    first = deciding.values["candidates"][0]
    alone = create_ponder(model, checkpointer=kept, **options)
    fork = alone.update_state(on("fork"), {**deciding.values, "candidates": [first]}, as_node="parallel")
    answer = alone.invoke(None, fork)["answer"]
    again = graph.update_state(before.config, {"answer": answer}, as_node="ponder")
    assert graph.invoke(None, again)["route"] == "after 1"
    assert model.calls == 4


async def test_instances_that_are_sent_problems_as_nodes_stream_from_inside_under_their_own_names() -> None:
    class Several(TypedDict):
        answer: Annotated[list[Answer], operator.add]

    parent = StateGraph(Several)
    models = {"quick": ScriptedModel(always("1")), "slow": ScriptedModel(always("2"))}
    for name, model in models.items():
        graph = create_ponder(model, name=name, policy="direct" if name == "quick" else "parallel", effort="fast")
        parent.add_node(name, cast("Any", graph | (lambda output: {"answer": [output["answer"]]})))
    sends = [Send(name, {"problem": f"What is {i} + 1?"}) for i in range(2) for name in models]
    parent.add_conditional_edges(START, lambda _: sends, list(models))
    graph = cast("Any", parent.compile(checkpointer=saver()))
    spaces = {
        namespace[0].partition(":")[0]
        async for namespace, _ in graph.astream({"answer": []}, on("t"), stream_mode="custom", subgraphs=True)
    }
    assert spaces == {"quick", "slow"}
    answers = graph.get_state(on("t")).values["answer"]
    assert [answer.answer for answer in answers] == ["1", "2", "1", "2"]
    assert [answer.spent.calls for answer in answers] == [1, answers[1].spent.calls, 1, answers[1].spent.calls]


async def test_a_thread_that_another_graph_has_written_is_refused() -> None:
    parent = StateGraph(MessagesState)
    parent.add_node("greet", greet)
    parent.add_edge(START, "greet")
    kept, model = saver(), ScriptedModel(always("2"))
    await parent.compile(checkpointer=kept).ainvoke({"messages": [HumanMessage("Hi")]}, on("t"))
    with pytest.raises(UsageError, match="'t' was not written by ponder"):
        await asolve("What is 1 + 1?", model=model, store=kept, thread_id="t")
    with pytest.raises(UsageError, match="'t' was not written by ponder"):
        await aresume("t", model=model, store=kept)
    assert model.calls == 0


def log(state: RunState) -> RunUpdate:
    return {}


def test_an_uncompiled_graph_can_be_extended() -> None:
    graph = create_ponder_graph(ScriptedModel(always("2")))
    graph.add_node("log", log)
    assert {"begin", "assess", "route", "direct", "parallel", "refine", "search", "select", "log"} <= set(graph.nodes)


class LateSaver(SQLAlchemySaver):
    """Stores checkpoints only when it is told to, as a slow database does."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.told, self.reached = asyncio.Event(), asyncio.Event()

    async def aput(self, *given: Any, **named: Any) -> Any:
        await self.told.wait()
        return await super().aput(*given, **named)

    def journal(self, thread_id: str, way: Mapping[str, str]) -> CallJournal:
        self.reached.set()
        return super().journal(thread_id, way)


@pytest.mark.parametrize("durability", ["async", "exit"])
async def test_no_call_is_made_before_the_way_to_it_is_stored(tmp_path: Path, durability: Durability) -> None:
    model = ScriptedModel(always("2"))
    parent = StateGraph(MessagesState)
    parent.add_node("ponder", create_ponder(model, policy="direct"))
    parent.add_edge(START, "ponder")
    async with LateSaver(f"sqlite:///{tmp_path}/ponder.db") as late:
        chat: Any = {"messages": [HumanMessage("What is 1 + 1?")]}
        run = asyncio.create_task(parent.compile(checkpointer=late).ainvoke(chat, on("t"), durability=durability))
        if durability == "async":
            await late.reached.wait()
            for _ in range(9):  # writers wait in line: whatever the call had to write first is written
                await late.writer.submit(lambda _: None)
            assert model.calls == 0
        late.told.set()
        assert (await run)["messages"][-1].content == "Answer: 2"
        with late.reads() as connection:
            assert connection.scalar(select(func.count()).select_from(journal)) == (durability == "async")


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_compiled_without_a_checkpointer_nothing_of_a_run_is_stored_by_that_of_the_graph_around(
    tmp_path: Path, asynchronous: bool
) -> None:
    parent = StateGraph(MessagesState)
    model = ScriptedModel(always("2"))
    parent.add_node("ponder", create_ponder_graph(model, policy="parallel").compile(checkpointer=False))
    parent.add_edge(START, "ponder")
    async with SQLAlchemySaver(f"sqlite:///{tmp_path}/ponder.db") as kept:
        graph, chat = parent.compile(checkpointer=kept), cast("Any", {"messages": [HumanMessage("What is 1 + 1?")]})
        asking = graph.ainvoke(chat, on("t")) if asynchronous else asyncio.to_thread(graph.invoke, chat, on("t"))
        assert (await asking)["messages"][-1].content == "Answer: 2"
        assert {found.config["configurable"]["checkpoint_ns"] async for found in kept.alist(on("t"))} == {""}
        with kept.reads() as connection:
            assert connection.scalar(select(func.count()).select_from(journal)) == 0


@pytest.mark.parametrize("model", [ScriptedModel(always("2")), PonderChatModel(model=ScriptedModel(always("2")))])
async def test_a_tally_counts_what_the_run_counts_also_where_its_model_is_a_run(model: Any) -> None:
    with tallying() as made:
        answer = await asolve("1 + 1?", model=model, policy="fixed", max_samples=2, store=":memory:")
    assert Spent.of(made).model_dump(exclude={"seconds"}) == answer.spent.model_dump(exclude={"seconds"})
    assert answer.spent.calls == 2
