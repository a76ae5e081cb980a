"""What a run began with, in the metadata of its checkpoints: its thread alone is enough to resume it."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple

from ..state.errors import UsageError

G = TypeVar("G")

MASK = "***@"
"""In a stored URL, where user and password were."""
MODEL, BASE_URL, VERIFIER, SETTINGS = "ponder_model", "ponder_base_url", "ponder_verifier", "ponder_settings"
"""Keys of the metadata; the first checkpoint has them, so that a run can be killed at once."""
OBJECT = "object"
"""Stands there for a model or verifier that was given as an object and cannot be stored."""


def origin_of(model: object, base_url: str | None, verifier: object, settings: str) -> dict[str, str]:
    """Return the metadata of a run: what the environment says is written down as well, since it may say else later."""
    named = {
        MODEL: name_of(model) or os.environ.get("PONDER_MODEL") or "local",
        BASE_URL: masked(base_url or os.environ.get("OPENAI_BASE_URL")),
        VERIFIER: name_of(verifier),
        SETTINGS: settings,
    }
    return {key: value for key, value in named.items() if value}


async def recorded(saver: BaseCheckpointSaver[Any], stored: CheckpointTuple) -> dict[str, Any]:
    """Return the metadata of a run: who changes its state by hand writes a checkpoint without."""
    kept = {MODEL, BASE_URL, VERIFIER, SETTINGS}
    about = stored.metadata
    if MODEL not in about:
        place = {name: stored.config["configurable"][name] for name in ("thread_id", "checkpoint_ns")}
        async for earlier in saver.alist({"configurable": place}):
            if MODEL in earlier.metadata:
                about = earlier.metadata
                break
    return {key: value for key, value in about.items() if key in kept}


def name_of(given: object) -> str | None:
    """Return a name as it is, a spec and a list of names as JSON (metadata holds no lists), an object by its word."""
    if isinstance(given, Mapping):
        return json.dumps(given)
    if isinstance(given, Sequence) and not isinstance(given, str):
        return json.dumps(list(given)) if all(isinstance(name, str) for name in given) else OBJECT
    return given if given is None or isinstance(given, str) else OBJECT


def check_url(url: str) -> None:
    """Refuse what is no URL of a server.

    Raises:
        UsageError: no request could ever be sent to it.

    """
    if not re.match("https?://[^/?#]", url, re.IGNORECASE):
        raise UsageError(f"base_url={masked(url)!r} cannot be used: give one such as http://localhost:8000/v1")
    bare, mark, _ = url.partition("?")
    if mark:  # which may be a key: it is not repeated
        raise UsageError(f"base_url={masked(bare)!r} has a query behind it: leave it out; a key is OPENAI_API_KEY")


def masked(url: str | None) -> str | None:
    """Return a URL as it may be stored: without user and password."""
    scheme, _, rest = (url or "").rpartition("://")
    user = rest.partition("/")[0].rpartition("@")[0]
    return f"{scheme}://{MASK}{rest[len(user) + 1 :]}" if user else url


def unmasked(url: str | None) -> str | None:
    """Return a stored URL, unless it had a password that the environment does not have either."""
    now = os.environ.get("OPENAI_BASE_URL")
    if url and MASK in url:
        if masked(now) == url:
            return now
        raise UsageError(f"the run asked {url}: its user and password are not stored, give the base URL again")
    return url


def recalled(given: G | None, origin: dict[str, Any], key: str, word: str) -> G | Any:
    """Return what was given, else what the run began with."""
    stored = origin.get(key)
    if given is None and stored == OBJECT:
        raise UsageError(f"this run began with a {word} object, which is not stored: give resume(…, {word}=…)")
    if given is None and stored and stored.startswith("["):
        return json.loads(stored)
    return stored if given is None else given
