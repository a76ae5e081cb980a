"""`langgraph dev`: starts offline without a key, draws the branches, solves through the SDK, keeps our store."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_client

from ponder.nodes.events import read
from ponder.state import SQLAlchemySaver

ROOT = Path(__file__).parent.parent.parent
QUIET = {"LANGSMITH_TRACING": "false", "LANGGRAPH_CLI_NO_ANALYTICS": "1", "LANGGRAPH_NO_VERSION_CHECK": "true"}
START_SECONDS = 90


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('studio')}/ponder.db"


@pytest.fixture(scope="module")
def studio(store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        str(Path(sys.executable).parent / "langgraph"),
        "dev",
        "--no-browser",
        "--no-reload",
        "--port",
        str(port),
    ]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("OPENAI", "LANGSMITH"))}
    config = folder / "langgraph.json"
    config.write_text((ROOT / "langgraph.json").read_text().replace('"."', f'"{ROOT}"'))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--config", str(config)],
            cwd=folder,
            env=environment | QUIET | {"PONDER_STORE": store},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_ready(url, process, folder / "log")
            yield url
        finally:
            os.killpg(process.pid, signal.SIGTERM)  # the group that this fixture started
            process.wait(30)


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
    assert set(schemas["input_schema"]["properties"]) == {"problem", "messages"}
    assert {"policy", "effort", "budget"} <= set(schemas["context_schema"]["properties"])


async def test_a_tie_is_shown_as_an_interrupt_and_goes_on_with_the_choice(studio: str) -> None:
    context: Any = {"policy": "fixed", "budget": {"max_calls": 2}, "max_tokens": 96, "seed": 4, "on_tie": "ask"}
    context |= {"temperature": 0.8}  # as recorded: 34 and 28
    async with get_client(url=studio) as client:
        thread = (await client.threads.create())["thread_id"]
        asked: Any = await client.runs.wait(thread, "ponder", input={"problem": "What is 4 times 7?"}, context=context)
        finalists = asked["__interrupt__"][0]["value"]["finalists"]
        assert [item["number"] for item in finalists] == [1, 2]
        chosen: Any = await client.runs.wait(thread, "ponder", command={"resume": 2}, context=context)
    assert (chosen["answer"]["decided_by"], chosen["answer"]["spent"]["calls"]) == ("person", 2)
    assert chosen["answer"]["answer"] == finalists[1]["answer"]


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
