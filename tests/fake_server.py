"""A loopback server that speaks OpenAI's chat API, counts what it is asked, and misbehaves on demand."""

import contextlib
import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from langchain_openai import ChatOpenAI

from ponder.nodes.loop import submit
from ponder.nodes.models.http import close_client


@dataclass
class Said:
    """What the server answers."""

    text: str | None = "Answer: 2"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    """Replaces the whole body; a str is sent as HTML."""
    usage: Any = field(default_factory=lambda: {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15})
    finish: str | None = "stop"


def completion(said: Said) -> dict[str, Any]:
    """Make the body of a chat completion."""
    message = {"role": "assistant", "content": said.text}
    body = {"id": "1", "object": "chat.completion", "created": 0, "model": "fake"}
    choices = [{"index": 0, "finish_reason": said.finish, "message": message}]
    return body | {"choices": choices} | ({} if said.usage is None else {"usage": said.usage})


class FakeServer:
    """Answers what `script(request, number)` says; a hanging request waits for `release`."""

    def __init__(self, script: Callable[[dict[str, Any], int], Said] = lambda *_: Said()) -> None:
        self.script = script
        self.requests: list[dict[str, Any]] = []
        self.authorized: list[str | None] = []
        self.answered = 0
        self.changed = threading.Condition()
        self.release = threading.Event()
        self.handlers: list[threading.Thread] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                outer.answer(self)

            def handle(self) -> None:
                outer.handlers.append(threading.current_thread())
                with contextlib.suppress(ConnectionError):  # the client was killed: that is what a test is about
                    super().handle()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Keep the test's output clean."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    @property
    def counts(self) -> Counter[str]:
        """Prompt and seed -> how often they were asked."""
        return Counter(f"{r.get('seed')} {r['messages'][-1]['content']}" for r in self.requests)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        request = json.loads(handler.rfile.read(int(handler.headers["content-length"])))
        with self.changed:
            number = len(self.requests)
            self.requests.append(request)
            self.authorized.append(handler.headers["authorization"])
            self.changed.notify_all()
        said = self.script(request, number)
        body = completion(said) if said.body is None else said.body
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        handler.send_response(said.status)
        handler.send_header("content-type", "text/html" if isinstance(body, str) else "application/json")
        handler.send_header("content-length", str(len(data)))
        for name, value in said.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data)
        with self.changed:
            self.answered += 1
            self.changed.notify_all()

    def wait_for(self, condition: Callable[[Self], bool], seconds: float = 60) -> None:
        """Wait until the server has seen what the test waits for."""
        with self.changed:
            assert self.changed.wait_for(lambda: condition(self), seconds), (len(self.requests), self.answered)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        close_client(self.url)
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()
        for handler in self.handlers:  # of connections that are closed now
            handler.join(2)


def let_go(*models: ChatOpenAI) -> None:
    """Close the clients of models that synchronous code has used: the async ones live on the background loop."""
    for model in models:
        submit(model.root_async_client.close()).result()
        model.root_client.close()
