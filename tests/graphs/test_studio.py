"""`langgraph dev`: starts offline without a key, draws the branches, solves through the SDK, keeps our store."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.pregel.remote import RemoteGraph
from langgraph_sdk import get_client, get_sync_client
from langgraph_sdk.errors import NotFoundError

from ponder.nodes.events import read
from ponder.state import SQLAlchemySaver

ROOT = Path(__file__).parent.parent.parent
QUIET = {"LANGSMITH_TRACING": "false", "LANGGRAPH_CLI_NO_ANALYTICS": "1", "LANGGRAPH_NO_VERSION_CHECK": "true"}
START_SECONDS = 90


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('studio')}/ponder.db"


@dataclass
class Server:
    """A development server that can be killed and started again."""

    folder: Path
    port: int
    store: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("OPENAI", "LANGSMITH"))}
        config = self.folder / "langgraph.json"
        config.write_text((ROOT / "langgraph.json").read_text().replace('"."', f'"{ROOT}"'))
        command = [str(Path(sys.executable).parent / "langgraph"), "dev", "--no-browser", "--no-reload"]
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port), "--config", str(config)],
                cwd=self.folder,
                env=environment | QUIET | {"PONDER_STORE": self.store},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until_ready(self.url, self.process, self.folder / "log")

    def end(self, how: signal.Signals) -> None:
        os.killpg(self.process.pid, how)  # the group that it started
        self.process.wait(30)


@pytest.fixture(scope="module")
def server(store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(tmp_path_factory.mktemp("server"), port, store)
    try:
        server.start()
        yield server
    finally:
        server.end(signal.SIGTERM)


@pytest.fixture
def studio(server: Server) -> str:
    return server.url


def wait_until_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(START_SECONDS * 2):
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(f"{url}/ok", timeout=5).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        try:
            process.wait(0.5)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError(log.read_text())


async def test_the_branches_are_drawn_and_the_knobs_are_described(studio: str) -> None:
    async with get_client(url=studio) as client:
        (assistant,) = await client.assistants.search()
        graph = await client.assistants.get_graph(assistant["assistant_id"], xray=True)
        nodes = {str(node["id"]) for node in graph["nodes"]}
        steps = {"assess:probe", "direct:sample", "parallel:sample", "refine:revise", "search:expand", "judge:judge"}
        assert {"begin", "route", "select", *steps} <= nodes
        schemas: Any = await client.assistants.get_schemas(assistant["assistant_id"])
    about = {node["id"]: node["metadata"]["about"] for node in graph["nodes"] if "about" in node.get("metadata", {})}
    assert about["select"].startswith("Choose among all candidates")
    assert set(schemas["input_schema"]["properties"]) == {"problem", "messages"}
    knobs = {name: field["x_oap_ui_config"] for name, field in schemas["context_schema"]["properties"].items()}
    assert {knobs[name]["type"] for name in ("effort", "ask_below", "semantic", "policy", "budget")} == {
        *("select", "number", "boolean", "text", "json"),
    }
    assert {option["value"] for option in knobs["effort"]["options"]} == {"low", "fast", "balanced", "thorough"}
    assert (knobs["window"]["min"], knobs["ask_below"]["max"]) == (1, 1)
    assert all(knob["description"] for knob in knobs.values())
    names = {(edge["source"], edge["target"]): edge.get("data") for edge in graph["edges"]}
    assert names["route", "refine:__start__"] == "high"


async def test_a_preset_is_an_assistant_and_what_cannot_be_used_is_said(studio: str) -> None:
    preset: Any = {"policy": "fixed", "budget": {"max_calls": 2}, "max_tokens": 8}
    async with get_client(url=studio) as client:
        quick = (await client.assistants.create("ponder", context=preset, name="quick"))["assistant_id"]
        asked: Any = {"input": {"problem": {"text": "What is 4 times 7?"}}}
        preset_used: Any = await client.runs.wait(None, quick, **asked)
        laid_over: Any = await client.runs.wait(None, quick, **asked, context={"policy": "direct"})
        assert [run["answer"]["spent"]["calls"] for run in (preset_used, laid_over)] == [2, 1]
        for given, context, told in (
            ({"problem": "Hi"}, {"policy": "luck"}, "policy 'luck' is unknown"),
            ({"problem": {"text": "Hi", "verifier": "py:os:system"}}, {}, "'py:os:system' is not taken from a request"),
        ):
            wrong: Any = {"input": given, "context": context, "raise_error": False}
            refused: Any = await client.runs.wait(None, "ponder", **wrong)
            assert told in refused["__error__"]["message"]


def test_a_graph_elsewhere_has_it_as_a_node(studio: str) -> None:
    graph = StateGraph(MessagesState)
    with get_sync_client(url=studio) as client:
        graph.add_node("ponder", RemoteGraph("ponder", sync_client=client))
        graph.add_edge(START, "ponder")
        graph.add_edge("ponder", END)
        asked: Any = {"messages": [("human", "What is 3 times 3?")]}
        context: Any = {"policy": "direct", "max_tokens": 8}
        chat = graph.compile().invoke(asked, context=context)
    assert [message.type for message in chat["messages"]] == ["human", "ai"]


async def test_doubt_asks_a_person_and_the_run_is_gone_back_to_for_another_candidate(studio: str) -> None:
    context: Any = {"policy": "fixed", "budget": {"max_calls": 3}, "max_tokens": 96, "seed": 4, "ask_below": 1}
    context |= {"temperature": 0.8}  # as recorded: 35, 52 and one without an answer
    async with get_client(url=studio) as client:
        thread = (await client.threads.create())["thread_id"]
        asked: Any = {"input": {"problem": "What is 15 plus 27?"}, "context": context}
        doubted: Any = await client.runs.wait(thread, "ponder", **asked)
        assert [item["number"] for item in doubted["__interrupt__"][0]["value"]["finalists"]] == [1, 2]
        chosen: Any = await client.runs.wait(thread, "ponder", command={"resume": 1})
        assert chosen["answer"]["decided_by"] == "person"
        history = await client.threads.get_history(thread)
        deciding: Any = next(state for state in history if state["next"] == ["select"])
        (other,) = [
            item for item in deciding["values"]["candidates"] if item["raw"] not in {chosen["answer"]["answer"], None}
        ]
        only: Any = {"candidates": {"__overwrite__": [other]}}
        fork: Any = await client.threads.update_state(
            thread, only, checkpoint_id=deciding["checkpoint"]["checkpoint_id"]
        )
        anew: Any = await client.runs.wait(thread, "ponder", checkpoint=fork["checkpoint"])
    assert (anew["answer"]["answer"], anew["answer"]["spent"]["calls"]) == (other["raw"], 3)


async def test_it_streams_the_events_that_every_reader_of_a_run_is_told(studio: str) -> None:
    context: Any = {"policy": "direct", "max_tokens": 32}
    asked: Any = {"input": {"problem": "What is 2 times 2?"}, "context": context, "stream_mode": "custom"}
    async with get_client(url=studio) as client:
        parts = [part async for part in client.runs.stream(None, "ponder", stream_subgraphs=True, **asked)]
    events = [read(part.data) for part in parts if part.event.startswith("custom")]
    assert [event.type for event in events] == ["budget", "candidate", "finished", "voted", "selected"]


async def test_the_endpoint_for_openai_s_clients_is_there_too(studio: str) -> None:
    asked = {
        "model": "ponder/direct",
        "messages": [{"role": "user", "content": "What is 4 times 7?"}],
        "max_tokens": 32,
    }
    async with httpx.AsyncClient(base_url=studio, timeout=120) as client:
        assert "ponder/balanced" in (await client.get("/v1/models")).text
        said = (await client.post("/v1/chat/completions", json=asked)).json()
    assert said["ponder"]["spent"]["calls"] == 1
    assert said["usage"]["total_tokens"] > 0


async def test_a_problem_and_a_chat_are_solved_on_one_thread_in_our_store(studio: str, store: str) -> None:
    context: Any = {"policy": "direct", "max_tokens": 48}
    async with get_client(url=studio) as client:
        thread = (await client.threads.create())["thread_id"]
        solved: Any = await client.runs.wait(thread, "ponder", input={"problem": "What is 4 times 7?"}, context=context)
        chat: Any = {"messages": [{"role": "user", "content": "What is 3 times 3?"}]}
        chatted: Any = await client.runs.wait(thread, "ponder", input=chat, context=context)
        history = await client.threads.get_history(thread)
    assert solved["answer"]["spent"]["calls"] == 1
    assert solved["answer"]["thread_id"] == thread
    assert [message["type"] for message in chatted["messages"]] == ["ai", "human", "ai"]
    assert len(history) > 4

    def read() -> str:
        with SQLAlchemySaver.from_conn_string(store) as saver:
            found = saver.get_tuple({"configurable": {"thread_id": thread}})
        assert found is not None
        return str(found.checkpoint["channel_values"]["problem"].text)

    assert await asyncio.to_thread(read) == "What is 3 times 3?"


async def test_a_server_that_is_killed_goes_on_with_its_run_and_repeats_no_finished_call(server: Server) -> None:
    context: Any = {"policy": "fixed", "budget": {"max_calls": 10}, "max_tokens": 48, "seed": 4}
    asked: Any = {"input": {"problem": "What is 15 plus 27?"}, "context": context}
    async with get_client(url=server.url) as client:
        thread = (await client.threads.create())["thread_id"]
        run = await client.runs.create(thread, "ponder", **asked)
        done: list[Any] = []
        while not done:
            state: Any = await client.threads.get_state(thread, subgraphs=True)
            inner = [task["state"]["values"] for task in state["tasks"] if task.get("state")]
            done = [call for values in inner for call in values.get("calls", []) if call["state"] == "done"]
        await asyncio.to_thread(server.end, signal.SIGKILL)
        await asyncio.to_thread(server.start)
    async with get_client(url=server.url) as client:
        try:
            await client.runs.get(thread, run["run_id"])
        except NotFoundError:  # the development server writes its own lists every ten seconds, ponder's store at once
            await client.threads.create(thread_id=thread, if_exists="do_nothing")
            run = await client.runs.create(thread, "ponder", input=None, context=context)
        ended: Any = await client.runs.join(thread, run["run_id"])
        kept: Any = await client.threads.get_state(thread)
    assert ended["answer"]["spent"]["calls"] + ended["answer"]["spent"]["lost"] == 10
    times = {call["id"]: call["started"] for call in kept["values"]["calls"]}
    assert all(times[call["id"]] == call["started"] for call in done)
