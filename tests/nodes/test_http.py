"""Connections to a server: used again, not too many, given back whatever happens, and through the user's proxy."""

import asyncio
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from ponder.graphs import asolve
from ponder.nodes.models.http import close_client
from ponder.nodes.models.openai import openai_model
from ponder.nodes.ports import CallFailed, Reply, Request
from ponder.state import ModelUnreachable, UsageError
from ponder.state.errors import ModelNotSetUp
from tests.fake_server import FakeServer, Said
from tests.fault_server import Behaviour, FaultServer

FORKED = """
import os, signal
from ponder.graphs import solve
from tests.fault_server import FaultServer

def answer(server):
    return solve("2 + 2?", model="openai:fault", base_url=server.url, store=":memory:", policy="direct").answer

with FaultServer() as server:
    assert answer(server)
    if not (child := os.fork()):
        signal.alarm(30)
        assert answer(server)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert answer(server)
    assert len(server.play.connected) == 1  # which was used again
"""


ONCE = Request(temperature=0.7, max_tokens=64)


async def ask(server: FaultServer, calls: int = 1) -> list[Reply]:
    model = openai_model("fault", server.url, "key")
    return await asyncio.gather(*(model.generate([HumanMessage("What is 2 + 2?")], ONCE) for _ in range(calls)))


async def until_connected(server: FaultServer, connections: int) -> None:
    async with asyncio.timeout(60):
        while len(server.play.connected) != connections:  # noqa: ASYNC110 - the server is on another thread
            await asyncio.sleep(0.01)


async def test_calls_one_after_another_share_a_connection() -> None:
    with FaultServer() as server:
        for _ in range(5):
            await ask(server)
        assert len(server.play.connected) == 1


async def test_as_many_connections_as_calls_in_flight_and_they_are_used_again() -> None:
    with FaultServer(Behaviour(latency=0.1, spread=0)) as server:
        for _ in range(3):
            await ask(server, 8)
        assert len(server.play.connected) == 8


async def test_connections_that_nobody_needs_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ponder.nodes.models.http.KEPT_ALIVE_SECONDS", 0.1)
    with FaultServer() as server:
        await ask(server, 8)
        await until_connected(server, 0)


@pytest.mark.parametrize("failure", ["hang", "cut", "error"])
async def test_a_call_that_fails_or_is_cancelled_gives_its_connection_back(
    failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ponder.nodes.models.http.MOST_CONNECTIONS", 1)
    with FaultServer(Behaviour(rate=1, failures=(failure,))) as server:
        task = asyncio.create_task(ask(server))
        async with asyncio.timeout(60):
            while not server.log:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        if failure == "hang":
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        server.play.behaviour = Behaviour()
        async with asyncio.timeout(60):
            assert await ask(server, 3)


@pytest.mark.parametrize(("most", "expected"), [(None, ("done", 1, 0)), (0.3, ("unmade", 0, 0))])
async def test_a_call_that_waits_for_a_connection_is_not_late_before_it_is_sent(
    most: float | None, expected: tuple[str, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ponder.nodes.models.http.MOST_CONNECTIONS", 1)
    with FaultServer(Behaviour(rate=1, failures=("hang",))) as server:
        hanging = asyncio.create_task(ask(server))
        async with asyncio.timeout(60):
            while not server.log:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        server.play.behaviour = Behaviour()
        limits: dict[str, Any] = {"call_timeout": 1, "retries": 0, "budget": {"max_calls": 1, "max_seconds": most}}
        model = openai_model("fault", server.url, "key")
        admitted = asyncio.Event()
        solve = asolve(
            "2 + 2?", model=model, policy="fixed", store=":memory:", on_event=lambda _: admitted.set(), **limits
        )
        solving = asyncio.create_task(solve)
        await admitted.wait()
        await asyncio.wait([solving], timeout=1.7)
        assert (len(server.log), solving.done()) == (1, most is not None)
        hanging.cancel()
        answer = await solving
        await asyncio.gather(hanging, return_exceptions=True)
    state = "unmade" if "before it could begin" in answer.candidates[0].error else "done"
    assert (state, answer.spent.calls, answer.spent.lost) == expected


async def test_the_users_proxy_is_used_but_for_hosts_and_ports_that_want_none(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with FaultServer() as server:
        monkeypatch.setenv("HTTP_PROXY", server.url.removesuffix("/v1"))
        model = openai_model("fault", "http://model.invalid/v1", "key")
        reply = await model.generate([HumanMessage("What is 2 + 2?")], ONCE)
        close_client("http://model.invalid/v1")
        assert (len(server.log), "are together" in reply.text) == (1, True)
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("NO_PROXY", server.url.split("/")[2])
        await ask(server)
    assert not caplog.messages


async def test_a_proxy_that_lets_nobody_through_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ponder.nodes.models.http.REACH_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{silent.getsockname()[1]}")
        model = openai_model("fault", "https://model.invalid/v1", "key")
        with pytest.raises(CallFailed, match=r"cannot be reached \(no connection within 0\.2 s\)") as caught:
            async with asyncio.timeout(60):
                await model.generate([HumanMessage("2 + 2?")], ONCE)
        close_client("https://model.invalid/v1")
    assert not caught.value.sent


async def failed(url: str) -> CallFailed | ModelUnreachable:
    """Ask a server that cannot be reached; return what is said of that."""
    with pytest.raises((CallFailed, ModelUnreachable)) as caught:
        await openai_model("fault", url, "key").generate([HumanMessage("2 + 2?")], ONCE)
    close_client(url)
    return caught.value


REFUSED = "Connect call failed ('127.0.0.1', 1)"


@pytest.mark.parametrize(
    ("scheme", "variable", "proxy", "why"),
    [
        ("http", "http_proxy", "http://me:hunter2@{}", "407 Proxy Authentication Required"),
        ("https", "HTTPS_PROXY", "http://me:hunter2@{}", "501 Unsupported method ('CONNECT')"),
        ("http", "http_proxy", "127.0.0.1:1", REFUSED),
        ("https", "ALL_PROXY", "http://me:hunter2@127.0.0.1:1", REFUSED),
    ],
)
async def test_a_proxy_that_lets_nobody_through_is_named_with_its_variable_and_without_its_password(
    scheme: str, variable: str, proxy: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeServer(lambda *_: Said(status=407, body="<html>")) as server:
        place = server.url.split("/")[2]
        monkeypatch.setenv(variable, proxy.format(place))
        found = await failed(f"{scheme}://model.invalid/v1")
        shown = f"http://{proxy.rpartition('@')[2].rpartition('/')[2].format(place)}"
    assert str(found) == (
        f"model 'openai:fault' cannot be reached (the proxy {shown} of {variable}: {why}): "
        f"check {variable}, or name the host in no_proxy"
    )
    assert isinstance(found, CallFailed)
    assert (found.sent, found.unreachable, found.usage) == (False, True, None)


@pytest.mark.parametrize("proxy", ["ftp://127.0.0.1:1", "http://[::1", "socks5://127.0.0.1:1"])
def test_a_proxy_that_is_none_is_a_value_that_cannot_be_used(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(UsageError, match=r"a proxy of the environment cannot be used \(.+\): check http_proxy, "):
        openai_model("fault", "http://model.invalid/v1", "key")


@pytest.mark.parametrize("status", [302, 307])
async def test_a_server_that_redirects_in_a_circle_is_left_at_once_and_nothing_is_paid(status: int) -> None:
    with FakeServer() as server:
        server.script = lambda *_: Said(status=status, body="", headers={"location": f"{server.url}/chat/completions"})
        model = openai_model("fault", server.url, "key")
        with pytest.raises(ModelUnreachable, match=r"its server redirects in a circle: check --base-url"):
            await asolve("1 + 1?", model=model, policy="direct", store=":memory:")
        assert len(server.requests) <= 3


@pytest.mark.parametrize("path", ["/other/v1/chat/completions", "/login"])
async def test_a_redirect_that_drops_the_request_says_where_the_server_is(path: str) -> None:
    with FakeServer() as server:
        place = server.url.removesuffix("/v1")
        server.script = lambda *_: Said(status=301, body="", headers={"location": place + path + "?next=1"})
        found = await failed(server.url)
    to = place + path.removesuffix("/chat/completions")
    assert str(found) == f"model 'openai:fault': its server redirects to {to}: --base-url should name the API there"
    assert isinstance(found, ModelUnreachable)


async def test_a_redirect_that_keeps_the_request_is_followed() -> None:
    with FakeServer() as server:
        place = {"location": f"{server.url}/there"}
        server.script = lambda _, number: Said() if number else Said(status=308, body="", headers=place)
        assert (await openai_model("fault", server.url, "key").generate([HumanMessage("2?")], ONCE)).text == "Answer: 2"


async def test_a_server_that_closes_at_the_first_bytes_of_a_handshake_may_not_encrypt() -> None:
    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    async with await asyncio.start_server(close, "127.0.0.1", 0) as server:
        found = await failed(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
    assert "[None]" not in str(found)
    assert str(found).endswith("): where it does not encrypt, give --base-url as http://…")


async def test_a_server_that_does_not_encrypt_has_another_scheme() -> None:
    with FakeServer() as server:
        found = await failed(server.url.replace("http:", "https:"))
    assert "[None]" not in str(found)
    assert str(found).startswith("model 'openai:fault' cannot be reached ([SSL: ")
    assert str(found).endswith("): where it does not encrypt, give --base-url as http://…")


STALE = [("SSL_CERT_FILE", "/no/such.pem"), ("SSL_CERT_FILE", __file__), ("SSL_CERT_DIR", "/no/such")]


@pytest.mark.parametrize(("variable", "path"), STALE)
async def test_certificates_that_cannot_be_read_are_named_where_a_server_is_asked_over_https(
    variable: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, path)
    with pytest.raises(ModelNotSetUp, match=rf"^{variable} names '{path}', .* \(.+\): set it .*, or unset it$"):
        openai_model("fault", "https://127.0.0.1:1/v1", "key")
    with FaultServer() as server:
        assert await ask(server)


async def test_a_call_cancelled_at_any_moment_leaves_no_connection_that_the_next_one_waits_for() -> None:
    with FaultServer(Behaviour(latency=0.002, spread=0)) as server:
        for moment in range(60):
            calls = [asyncio.create_task(ask(server)) for _ in range(3)]
            for _ in range(moment):
                await asyncio.sleep(0)
            await asyncio.sleep(moment / 10_000)
            for _ in range(2):  # twice: what cleans up after the first may be cancelled by the second
                for call in calls:
                    call.cancel()
                await asyncio.sleep(0)
            await asyncio.gather(*calls, return_exceptions=True)
        async with asyncio.timeout(60):
            assert len(await ask(server, 8)) == 8


def test_a_process_that_was_forked_has_a_loop_and_connections_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKED]
    subprocess.run(command, check=True, timeout=90, cwd=Path(__file__).parents[2])
