"""What stands between this process and a server: whose certificates are trusted, the user's proxy, redirects."""

import os
import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import httpx

from ...state.errors import ModelNotSetUp

MOST_REDIRECTS = 3
"""Requests of one call: a server that moved may add its slash, its scheme or its host, each in a step of its own."""
AT_PROXY = (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError, aiohttp.ClientConnectorDNSError)
"""What happens at a proxy where there is one: it is the proxy who finds out where the server is."""


class Redirected(aiohttp.ClientError):
    """A server sends requests elsewhere, in a way that drops them; or in a circle."""

    def __init__(self, to: str = "") -> None:
        """Say where to; empty: in a circle."""
        super().__init__(f"redirects to {to}" if to else "redirects in a circle")
        self.to = to


@dataclass(frozen=True)
class Proxy:
    """The user's proxy, and the variable that names it."""

    url: str
    variable: str


class ProxyFailed(aiohttp.ClientError):
    """The user's proxy let no request through."""

    def __init__(self, proxy: Proxy, why: object) -> None:
        """Name it, without its password."""
        parts = urlsplit(proxy.url)
        super().__init__(f"the proxy {parts.scheme}://{parts.netloc.rpartition('@')[2]} of {proxy.variable}: {why}")
        self.variable = proxy.variable


def proxy_for(url: str) -> Proxy | None:
    """Return the user's proxy for a URL; aiohttp's own way also takes passwords from a file that they are not for."""
    parts, known = urlsplit(url), urllib.request.getproxies()
    if urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    kind = next((kind for kind in (parts.scheme, "all") if known.get(kind)), None)
    if kind is None:
        return None
    names = f"{kind}_proxy", f"{kind}_proxy".upper()
    variable = next((name for name in names if os.environ.get(name)), names[0])
    return Proxy(known[kind] if "://" in known[kind] else f"http://{known[kind].lstrip('/')}", variable)


def trust(url: str) -> ssl.SSLContext:
    """Return whom to trust as a server; httpx knows where the certificates are, also where the system has none.

    Raises:
        ModelNotSetUp: those that the user names cannot be read, and the URL asks for them.

    """
    named = next((name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)), None)
    try:
        if named == "SSL_CERT_DIR":
            for folder in os.environ[named].split(os.pathsep):
                Path(folder).stat()  # OpenSSL would find out late, and say that it trusts nobody
        return httpx.create_ssl_context()
    except OSError as error:
        if named is None or urlsplit(url).scheme != "https":
            return ssl.create_default_context()
        raise ModelNotSetUp(
            f"{named} names {os.environ[named]!r}, which cannot be read ({error.strerror}): "
            f"set it to where certificates are, or unset it"
        ) from error


@contextmanager
def passage(server: str) -> Iterator[None]:
    """Tell what goes wrong on the way to a server from what goes wrong there.

    Raises:
        Redirected: the way leads in a circle.
        ProxyFailed: it ends at the user's proxy.

    """
    try:
        yield
    except aiohttp.TooManyRedirects as error:
        raise Redirected from error
    except AT_PROXY as error:
        proxy = proxy_for(server)
        if proxy is None:
            raise
        why = f"{error.status} {error.message}" if isinstance(error, aiohttp.ClientResponseError) else error.strerror
        raise ProxyFailed(proxy, why) from error


def check_arrived(response: aiohttp.ClientResponse, server: str, url: str) -> None:
    """Refuse a reply to what is not the request any more, or one that is the proxy's.

    Raises:
        Redirected: the request was dropped on the way, as browsers do at a status of 301 to 303.
        ProxyFailed: the proxy wants to know who asks.

    """
    if response.method != aiohttp.hdrs.METH_POST:
        to = str(response.url.with_user(None).with_query(None).with_fragment(None))
        place = server.rstrip("/")
        to = to.removesuffix(url.removeprefix(place))
        raise Redirected("" if to == place else to)
    if response.status == httpx.codes.PROXY_AUTHENTICATION_REQUIRED and (proxy := proxy_for(server)):
        raise ProxyFailed(proxy, f"{response.status} {response.reason}")
