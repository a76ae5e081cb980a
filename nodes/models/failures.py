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
from .http import BadStatus

PASSING = {408, 409, 425, 429}
"""Status codes, besides 5xx, after which the same call may succeed."""
LONGEST_WAIT = 60.0
"""Seconds; a server that asks for more is asked no more in this run."""
LONGEST_REASON = 200
"""Characters: a line of a terminal, twice."""
UNSENT = (
    *(httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol),
    *(aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError),
    *(aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError),
    *(ConnectionRefusedError, socket.gaierror, ssl.SSLCertVerificationError),
)
"""Errors from before a request leaves: nothing can have been paid."""


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
    if any(isinstance(cause, UNSENT) for cause in causes(error)):
        return CallFailed(
            f"model {model!r} cannot be reached ({reason(error)}): check that the server runs and --base-url",
            retry_after=0.0,
            unreachable=True,
            sent=False,
        )
    if any(isinstance(cause, httpx.TransportError | aiohttp.ClientError | OSError) for cause in causes(error)):
        return CallFailed(f"model {model!r}: the connection was lost before the reply ({reason(error)})", 0.0)
    usage = getattr(error, "usage", None)
    if isinstance(error, ReportedError):
        return CallFailed(f"model {model!r} reports an error: {reason(error)}", 0.0, usage=usage)
    hint = "" if answered else ": check that --base-url is an OpenAI-compatible API"
    return CallFailed(
        f"model {model!r} gave a reply that cannot be read ({reason(error)}){hint}",
        retry_after=0.0,
        unreachable=not answered,
        usage=usage,
    )


def by_status(error: Exception, status: int, model: str) -> CallFailed | ModelUnreachable:
    """Judge an HTTP status."""
    if status in {401, 403}:
        key = "OPENAI_API_KEY" if model.startswith("openai:") else "its provider's key"
        said = f"; it says: {reason(error)}" if status == httpx.codes.FORBIDDEN else ""  # which may not be the key
        return ModelUnreachable(f"model {model!r} refused the key ({status}): set {key} to a valid one{said}")
    if status in {404, 405}:
        return ModelUnreachable(
            f"model {model!r} was not found ({status}): check --model, and that --base-url ends as the server wants "
            f"(…/v1); it says: {reason(error)}"
        )
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
    headers = (
        error.headers if isinstance(error, BadStatus) else getattr(getattr(error, "response", None), "headers", {})
    )
    asked = headers.get("retry-after", "")
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
        response = getattr(cause, "response", None)
        told = [getattr(cause, name, None) for name in ("status_code", "code")]
        told.append(getattr(response, "status_code", None))
        if known := [status for status in told if isinstance(status, int) and status in range(400, 600)]:
            return known[0]
    return None


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
