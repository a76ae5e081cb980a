"""What went wrong with a model call, and whether trying again can help."""

from collections.abc import Sequence

import httpx

from ...state.errors import ModelUnreachable
from ..ports import CallFailed

PASSING = {408, 409, 425, 429}
"""Status codes, besides 5xx, after which the same call may succeed."""
LONGEST_WAIT = 60.0
"""Seconds; a server that asks for more is asked no more in this run."""


def classify(error: Exception, model: str) -> CallFailed | ModelUnreachable:
    """Turn a provider's exception into one of ours, by its HTTP status or its kind."""
    if isinstance(error, CallFailed | ModelUnreachable):
        return error
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return by_status(error, status, model)
    if is_connection_error(error):
        return CallFailed(
            f"model {model!r} cannot be reached ({reason(error)}): check that the server runs and --base-url",
            retry_after=0.0,
            unreachable=True,
        )
    return CallFailed(
        f"model {model!r} gave a reply that cannot be read ({reason(error)}): "
        "check that --base-url is an OpenAI-compatible API",
        retry_after=0.0,
        unreachable=True,
    )


def by_status(error: Exception, status: int, model: str) -> CallFailed | ModelUnreachable:
    """Judge an HTTP status."""
    if status in {401, 403}:
        return ModelUnreachable(f"model {model!r} refused the key ({status}): set OPENAI_API_KEY to a valid one")
    if status == httpx.codes.NOT_FOUND:
        return ModelUnreachable(
            f"model {model!r} was not found (404): check --model, and that --base-url ends as the server wants (…/v1)"
        )
    if getattr(error, "code", None) == "insufficient_quota":
        return ModelUnreachable(f"model {model!r}: the account has no quota left: {reason(error)}")
    if status in PASSING or status >= httpx.codes.INTERNAL_SERVER_ERROR:
        wait = retry_after(error)
        return CallFailed(f"HTTP {status}: {reason(error)}", None if wait > LONGEST_WAIT else wait)
    return CallFailed(f"HTTP {status}: {reason(error)}")


def retry_after(error: Exception) -> float:
    """Return the seconds that the server asks to wait; 0 where it asks nothing."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    try:
        return max(0.0, float(headers.get("retry-after", 0)))
    except ValueError:  # the header may also be a date
        return 0.0


def is_connection_error(error: BaseException) -> bool:
    """Say whether the network, not the server, failed."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, httpx.TransportError | OSError):
        cause = cause.__cause__ or cause.__context__
    return cause is not None


def refused_setting(error: Exception, settings: Sequence[str]) -> str | None:
    """Return the setting that a 400 or 422 complains about; None where it is about something else."""
    if getattr(error, "status_code", None) not in {400, 422}:
        return None
    text = str(error).lower()
    return next((setting for setting in settings if setting in text), None)


def reason(error: Exception) -> str:
    """Return an exception in one short line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:200] + "…"  # noqa: PLR2004 - a line of a terminal, twice
