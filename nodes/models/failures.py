"""What went wrong with a model call, and whether trying again can help."""

import re
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime

import aiohttp
import httpx

from ...state.budget import Usage
from ...state.errors import ModelUnreachable, causes
from ..ports import CallFailed
from .between import ProxyFailed, Redirected
from .http import BadStatus, TooLong

PASSING = {408, 409, 425, 429}
"""Status codes, besides 5xx, after which the same call may succeed."""
LONGEST_WAIT = 60.0
"""Seconds; a server that asks for more is asked no more in this run."""
LONGEST_REASON = 200
"""Characters: a line of a terminal, twice."""
UNSENT = (
    *(httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol),
    *(httpx.ProxyError, aiohttp.ClientHttpProxyError, ProxyFailed, Redirected),
    *(aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError),
    *(aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError),
    *(ConnectionRefusedError, socket.gaierror, ssl.SSLCertVerificationError),
)
"""Errors from before a request arrives: nothing can have been paid."""
LOST = (httpx.TransportError, aiohttp.ClientError, ConnectionError, TimeoutError, ssl.SSLError)
"""Errors from after that. Not all of the system's are: files, memory and processes have theirs."""
BASE_URL = "--base-url"
UNKNOWN_ISSUER = {18, 19, 20, 21}
"""OpenSSL's codes for a certificate that nobody who is trusted has signed."""


class Unreadable(Exception):  # noqa: N818 - reads as the fact it states
    """A reply is not what it should be; its usage, where it reports one, was paid all the same."""

    def __init__(self, what: str, usage: Usage | None = None) -> None:
        """Say what came instead."""
        super().__init__(what)
        self.usage = usage


class ReportedError(Unreadable):
    """A reply of status 200 is an error in itself."""

    def __init__(self, error: object, usage: Usage | None) -> None:
        """Take the code and the text from it, where it has them."""
        said = error if isinstance(error, Mapping) else {"message": error}
        super().__init__(in_short(str(said.get("message") or said)), usage)
        self.code = said.get("code")
        self.status_code = self.code if isinstance(self.code, int) and self.code >= httpx.codes.BAD_REQUEST else None


def classify(error: Exception, model: str, *, answered: bool = False) -> CallFailed | ModelUnreachable:
    """Turn a provider's exception into one of ours; a model that has `answered` before has the right URL."""
    if isinstance(error, CallFailed | ModelUnreachable):
        return error
    if status := status_of(error):
        return by_status(error, status, model)
    if isinstance(error, Redirected):
        fix = f"{BASE_URL} should name the API there" if error.to else f"check {BASE_URL}"
        return ModelUnreachable(f"model {model!r}: its server {error}: {fix}")
    if any(isinstance(cause, UNSENT) for cause in causes(error)):
        why, fix = unreached(error, url_of(model))
        return CallFailed(f"model {model!r} cannot be reached ({why}): {fix}", 0.0, unreachable=True, sent=False)
    if any(isinstance(cause, LOST) for cause in causes(error)):
        return CallFailed(f"model {model!r}: the connection was lost before the reply ({reason(error)})", 0.0)
    return in_vain(error, model, answered=answered)


def in_vain(error: Exception, model: str, *, answered: bool) -> CallFailed:
    """Judge a reply that is of no use, or what an adapter raises of itself."""
    usage = getattr(error, "usage", None)
    if isinstance(error, ReportedError):
        return CallFailed(f"model {model!r} reports an error: {reason(error)}", 0.0, usage=usage)
    if isinstance(error, Unreadable | TooLong):
        told = not answered and url_of(model) == BASE_URL
        hint = f": check that {BASE_URL} is an OpenAI-compatible API" if told else ""
        said = f"gave a reply that cannot be read ({reason(error)}){hint}"
    else:
        said = "raised " + in_short(": ".join(filter(None, (type(error).__name__, str(error)))))
    return CallFailed(f"model {model!r} {said}", 0.0, unreachable=not answered, usage=usage)


def url_of(model: str) -> str:
    """Name the address of a model's server as who set it knows it."""
    return BASE_URL if model.startswith("openai:") else "its URL"


def unreached(error: Exception, url: str) -> tuple[str, str]:
    """Say why a server was not reached, and what to change."""
    if isinstance(error, ProxyFailed):
        return str(error), f"check {error.variable}, or name the host in no_proxy"
    for cause in causes(error):
        if isinstance(cause, aiohttp.ClientError):
            continue  # some are ssl's as well, but do not say what happened
        if isinstance(cause, ssl.SSLCertVerificationError):
            unknown = getattr(cause, "verify_code", None) in UNKNOWN_ISSUER  # who makes one by hand may leave that out
            fix = "if it is to be trusted, set SSL_CERT_FILE to a file with it" if unknown else f"check it and {url}"
            return f"its certificate: {getattr(cause, 'verify_message', cause)}", fix
        if isinstance(cause, ssl.SSLError | ConnectionResetError):  # while a connection is made, both end a handshake
            return str(cause) or type(cause).__name__, f"where it does not encrypt, give {url} as http://…"
    return reason(error), f"check that the server runs and {url}"


def by_status(error: Exception, status: int, model: str) -> CallFailed | ModelUnreachable:
    """Judge an HTTP status."""
    if status in {401, 403}:
        key = "OPENAI_API_KEY" if model.startswith("openai:") else "its provider's key"
        said = f"; it says: {reason(error)}" if status == httpx.codes.FORBIDDEN else ""  # which may not be the key
        return ModelUnreachable(f"model {model!r} refused the key ({status}): set {key} to a valid one{said}")
    if status in {404, 405}:
        told = url_of(model) == BASE_URL
        check = f"--model, and that {BASE_URL} ends as the server wants (…/v1)" if told else "its name and its URL"
        return ModelUnreachable(f"model {model!r} was not found ({status}): check {check}; it says: {reason(error)}")
    if status == httpx.codes.PAYMENT_REQUIRED or getattr(error, "code", None) == "insufficient_quota":
        return ModelUnreachable(f"model {model!r}: the account has no quota left: {reason(error)}")
    said = f"HTTP {status}: {reason(error)}"
    if status in PASSING or status >= httpx.codes.INTERNAL_SERVER_ERROR:
        wait = retry_after(error)
        if wait > LONGEST_WAIT:
            long = f"the server asks to wait {wait:.0f} s, longer than the {LONGEST_WAIT:g} s that a call waits"
            return CallFailed(f"{said}; {long}", status=status)
        return CallFailed(said, wait, status=status)
    return CallFailed(f"{said}: {fix_for(said)}", status=status)


def fix_for(said: str) -> str:
    """Say what to change about a request that the server refuses."""
    if re.search(r"context|too (long|large)|length", said.lower()):
        return "shorten the problem, or lower max_tokens"
    return "check --model and the settings that are sent"


def retry_after(error: Exception) -> float:
    """Return the seconds that the server asks to wait, in seconds or as a date; 0 where it asks nothing."""
    headers = error.headers if isinstance(error, BadStatus) else answered_with(error)[1]
    asked = str(headers.get("retry-after", "")) if isinstance(headers, Mapping) else ""
    try:
        seconds = float(asked)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(asked).timestamp() - time.time()
        except (ValueError, OverflowError):  # neither, or a year that no clock knows
            return 0.0
    return seconds if seconds > 0 else 0.0  # also where it is not a number


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status that a client's exception names, or one that it was made of; None where none does."""
    for cause in causes(error):
        if isinstance(cause, httpx.TransportError | aiohttp.ClientError):
            return None  # what it was made of has codes of its own
        told = [getattr(cause, "status_code", None), getattr(cause, "code", None), answered_with(cause)[0]]
        if known := [status for status in told if isinstance(status, int) and status in range(400, 600)]:
            return known[0]
    return None


def answered_with(error: BaseException) -> tuple[object, object]:
    """Return status and headers of the response that an exception holds: httpx's or requests', or botocore's."""
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):
        told = response.get("ResponseMetadata")
        about = told if isinstance(told, Mapping) else {}
        return about.get("HTTPStatusCode"), about.get("HTTPHeaders")
    return getattr(response, "status_code", None), getattr(response, "headers", None)


def refused_setting(error: Exception, settings: Sequence[str]) -> str | None:
    """Return the setting that a 400 or 422, or the client itself, complains about; None where it is something else."""
    if status_of(error) not in {400, 422} and not isinstance(error, TypeError):
        return None
    text = str(error).lower()
    return next((setting for setting in settings if setting in text), None)


def reason(error: Exception) -> str:
    """Return an exception in one short line: what the server said, where it said something."""
    body = getattr(error, "body", None)
    said = body.get("message") if isinstance(body, Mapping) else body
    return in_short(said if isinstance(said, str) and said.strip() else str(error)) or type(error).__name__


def in_short(text: str) -> str:
    """Return a text, or what a web page says, in one short line."""
    text = re.sub(r"<[^<>]*>", " ", text) if text.lstrip().startswith("<") else text
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_REASON else text[:LONGEST_REASON] + "…"
