"""A reward model behind HTTP scores a candidate: vLLM's `/score`, `/classify` and `/pooling`.

`/score` and `/classify` give a probability, of the last class; `/pooling` gives a reward per token, of which the last
one is taken and squeezed into 0 to 1, or, from a process reward model, a probability per step, of which the lowest is.
"""

import json
import math
import os
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import httpx
from langchain_core.messages import BaseMessage

from ...state.budget import Usage
from ...state.errors import UsageError
from ...state.run import Candidate, Problem, Reply, Verdict
from ..estimate import estimate
from ..models.failures import LONGEST_WAIT, PASSING, UNSENT, retry_after
from ..models.http import BadStatus, TooLong, post
from ..models.usage import believable, count
from ..ports import Asking, CallFailed, Request
from ..prompts import SCORED
from .grading import Grading

ENDPOINTS = ("score", "classify", "pooling")
MOST_REWARD = 1000.0
"""A reward that is larger, either way, is none."""
AGAIN_SECONDS = 1.0
RUNS = "check that the server runs, and its URL"
KEY = "PONDER_REWARD_KEY"
"""In the environment: a bearer's key, or USER:PASSWORD."""
FIXES = {**dict.fromkeys((401, 403), f"set {KEY} to a valid key"), **dict.fromkeys((404, 405), RUNS)}


@dataclass(frozen=True)
class RewardModel(Grading):
    """Asks a server; it is a verifier, and the model that this verifier asks."""

    url: str
    served: str = ""
    """The model's name at the server; empty: the only one there."""

    def __post_init__(self) -> None:
        try:
            url = httpx.URL(self.url)
        except (httpx.InvalidURL, ValueError) as error:
            raise UsageError(f"this is no URL: {error}") from error
        if url.userinfo:  # a run is stored with the spec of its verifier
            raise UsageError(
                f"the URL on {url.host!r} holds a password: set {KEY}=USER:PASSWORD, and leave it out there"
            )
        if url.query:
            raise UsageError(f"the URL on {url.host!r} has a query behind it: leave it out; a key is {KEY}")
        if url.scheme not in {"http", "https"} or not url.host or self.endpoint_name not in ENDPOINTS:
            known = ", ".join(f"/{name}" for name in ENDPOINTS)
            raise UsageError(f"{self.url!r} is no scoring endpoint: give http://HOST/PATH that ends with {known}")

    @property
    def endpoint_name(self) -> str:
        """Which of vLLM's it is."""
        return httpx.URL(self.url).path.rstrip("/").rpartition("/")[2]

    @property
    def name(self) -> str:
        """What prices and logs call it."""
        return f"reward:{self.served or httpx.URL(self.url).netloc.decode()}"

    @property
    def model(self) -> "RewardModel":
        """Who is asked."""
        return self

    @property
    def awaits(self) -> str:
        """What the model is asked by: nothing."""
        return SCORED

    @property
    def asking(self) -> Asking:
        """It asks a model."""
        return self

    def read(self, problem: Problem, candidate: Candidate, reply: str) -> Verdict:
        """Turn the server's figures into a score; what is none is a failed verdict."""
        try:
            score = score_of(self.endpoint_name, json.loads(reply))
        except (ValueError, TypeError, LookupError, OverflowError) as error:
            return Verdict.failure(f"the reward model gave no score ({error}): {reply[:200]}", "weak")
        return Verdict(score=score, feedback=f"the reward model gives it {score:.3f}", kind="weak")

    async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
        """Ask the server; the reply's text is what it says of the candidate, as JSON."""
        try:
            said = await self.post(self.body(messages))
        except CallFailed as error:
            if error.sent and error.status is None:  # what it has cost, nobody knows
                error.usage = estimate(messages, request)
            raise
        found = said.get("usage")
        tokens = count(found.get("prompt_tokens")) if isinstance(found, dict) else None
        usage = None if tokens is None else believable(Usage(input_tokens=tokens), messages, request)
        # What it says is no text that a model has written: without a report the prompt alone is counted.
        return Reply(json.dumps(said.get("data")), usage=usage or estimate(messages, request, ""))

    def body(self, messages: Sequence[BaseMessage]) -> dict[str, object]:
        """Write the request."""
        named = {"model": self.served} if self.served else {}
        *before, problem, answer = [{"role": role_of(item), "content": str(item.text)} for item in messages]
        if self.endpoint_name == "score":
            return {**named, "text_1": problem["content"], "text_2": answer["content"]}
        return {**named, "messages": [*before, problem, answer]}

    async def post(self, body: dict[str, object]) -> dict[str, Any]:
        """Send it.

        Raises:
            CallFailed: the server did not answer, or refused.

        """
        key = os.environ.get(KEY, "").strip()
        way = f"Basic {b64encode(key.encode()).decode()}" if ":" in key else f"Bearer {key}"
        try:
            said = await post(self.url, self.url, body, {"Authorization": way} if key else {})
        except UNSENT as error:
            raise CallFailed(
                f"{self.name} cannot be reached ({kind(error)}): {RUNS}", AGAIN_SECONDS, sent=False
            ) from error
        except aiohttp.ClientError as error:
            raise CallFailed(f"{self.name}: the connection was lost ({kind(error)})", AGAIN_SECONDS) from error
        except BadStatus as error:
            raise self.refused(error) from error
        except TooLong as error:
            raise CallFailed(f"{self.name} answered {error}") from error
        if isinstance(said, str):
            raise CallFailed(f"{self.name} answered something that is no JSON: {RUNS}")
        return said if isinstance(said, dict) else {}

    def refused(self, error: BadStatus) -> CallFailed:
        """Judge an HTTP status."""
        status, wait = error.status_code, max(AGAIN_SECONDS, retry_after(error))
        passing = status in PASSING or status >= httpx.codes.INTERNAL_SERVER_ERROR
        fix = "" if passing else f": {FIXES.get(status, 'check what the model takes')}"
        again = wait if passing and wait <= LONGEST_WAIT else None
        return CallFailed(f"{self.name}: HTTP {status}{fix}", again, status=status)


def kind(error: BaseException) -> str:
    """Name an error; its words may repeat the URL."""
    return type(error).__name__


def role_of(message: BaseMessage) -> str:
    """Name a message's author as the API does."""
    return {"human": "user", "ai": "assistant"}.get(message.type, message.type)


def score_of(endpoint: str, data: Any) -> float:
    """Return the score, 0 to 1, in what an endpoint gives for one text.

    Raises:
        ValueError, TypeError, LookupError: there is none.

    """
    if endpoint == "score":
        return probability(data[0]["score"])
    if endpoint == "classify":
        return probability(data[0]["probs"][-1])
    rows = data[0]["data"]
    rows = [row if isinstance(row, list) else [row] for row in rows]
    if len(rows[-1]) == 1:
        return squeezed(rows[-1][0])
    return min(probability(row[-1]) for row in rows)


def probability(value: object) -> float:
    """Return a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{value!r} is not from 0 to 1")
    return float(value)


def squeezed(value: object) -> float:
    """Return the logistic function of a reward."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= MOST_REWARD:
        raise ValueError(f"{value!r} is no reward")
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(value) / (1 + math.exp(value))
