"""What the steps need from outside: a chat model, a verifier."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from langchain_core.messages import BaseMessage

from ..state.budget import Usage
from ..state.run import Candidate, Finish, Problem, Verdict


@dataclass(frozen=True)
class Request:
    """How a model is to be sampled."""

    temperature: float
    max_tokens: int
    """Most output tokens."""
    seed: int | None = None
    timeout: float = 120.0
    """Seconds."""


@dataclass(frozen=True)
class Reply:
    """What a model said."""

    text: str
    finish: Finish = "stop"
    usage: Usage | None = None
    """None: the server reported nothing."""
    mean_logprob: float | None = None
    """Mean natural log-probability of the text's tokens; None where the server gives none."""


class CallFailed(Exception):  # noqa: N818 - control flow between a model and its caller
    """One call failed; the run goes on."""

    def __init__(self, message: str, retry_after: float | None = None, *, unreachable: bool = False) -> None:
        """Say why, when to try again (seconds; None is never) and whether the model was reached at all."""
        super().__init__(message)
        self.retry_after = retry_after
        self.unreachable = unreachable


class ChatModel(Protocol):
    """A model that answers a chat."""

    @property
    def name(self) -> str:
        """What candidates name as their model."""
        ...

    async def generate(self, messages: Sequence[BaseMessage], request: Request) -> Reply:
        """Answer once.

        Raises:
            CallFailed: this call failed, another may not.
            ModelUnreachable: no call can succeed until the caller changes something.

        """
        ...


class Verifier(Protocol):
    """Checks one candidate."""

    async def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        """Judge the candidate; an exception is a failed verdict."""
        ...
