"""One HTTP client per server, shared by all runs of the process, and closed when it ends."""

import atexit
import threading

import httpx

from ..loop import background_loop, submit

MOST_CONNECTIONS = 1000
KEPT_ALIVE = 100
CLOSING_SECONDS = 5.0

clients: dict[str, httpx.AsyncClient] = {}
lock = threading.Lock()


def client_for(base_url: str) -> httpx.AsyncClient:
    """Return the client of a server; it is used on the background loop alone."""
    limits = httpx.Limits(max_connections=MOST_CONNECTIONS, max_keepalive_connections=KEPT_ALIVE)
    with lock:
        if base_url not in clients:
            # How long a call may take is decided where it is made, by the budget.
            clients[base_url] = httpx.AsyncClient(limits=limits, timeout=None, follow_redirects=True)  # noqa: S113
        return clients[base_url]


def close_client(base_url: str) -> None:
    """Close the connections to a server."""
    with lock:
        client = clients.pop(base_url, None)
    if client and background_loop().is_running():
        submit(client.aclose()).result(CLOSING_SECONDS)


@atexit.register
def close_clients() -> None:
    """Close all connections."""
    for base_url in list(clients):
        close_client(base_url)
