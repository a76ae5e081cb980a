"""The endpoint on a free port of loopback, in a thread of its own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from ponder.graphs.surfaces.http import create_app
from ponder.graphs.surfaces.service import Operator, Service


@dataclass
class Served:
    """Where it is, and what it knows."""

    url: str
    service: Service


@contextmanager
def serving(model: Any, *, grace: int = 5, **decided: Any) -> Iterator[Served]:
    """Serve a model until the block ends."""
    app = create_app(Operator(model=model, **decided))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=grace))
    started = threading.Event()
    begin = server.startup

    async def startup(*given: Any, **named: Any) -> None:
        await begin(*given, **named)
        started.set()

    server.startup = startup  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert started.wait(30)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Served(f"http://127.0.0.1:{port}", app.state.service)
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()
