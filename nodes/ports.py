"""What the steps need from outside: a chat model, a verifier."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from langchain_core.messages import BaseMessage

from ..state.budget import CallKey, CallKind, Usage
from ..state.form import PLAIN, Form
from ..state.run import Asked, Candidate, Problem, Reply, Verdict

__all__ = [
    "Asked",
    "Asking",
    "CallFailed",
    "ChatModel",
    "Embedder",
    "Journal",
    "JournalKeeper",
    "ModelPool",
    "Reply",
    "Request",
    "Verifier",
]


@dataclass(frozen=True)
class Request:
    """How a model is to be sampled."""

    temperature: float
    max_tokens: int
    """Most output tokens."""
    seed: int | None = None
    timeout: float = 120.0
    """Seconds that it may take; it is cancelled sooner where the budget leaves less."""
    place: str = ""
    """The call's place in the run, with its attempt: a pool of models chooses by it."""
    model: str = ""
    """The member of a pool that is asked for it; empty: whose turn it is."""
    kind: CallKind = "sample"
    """What the call is for."""
    form: Form = PLAIN
    """What the reply may be, beyond a text."""
    n: int = 1
    """Calls of one prompt that may share a request."""
    hand_over: "Callable[[ChatModel], Awaitable[None]] | None" = field(default=None, compare=False, repr=False)
    """Waits for the turn of another model, which stands in: each has limits of its own."""


class CallFailed(Exception):  # noqa: N818 - control flow between a model and its caller
    """One call failed; the run goes on."""

    def __init__(
        self,
        message: str,
        retry_after: float | None = None,
        *,
        unreachable: bool = False,
        sent: bool = True,
        status: int | None = None,
        usage: Usage | None = None,
        model: str = "",
    ) -> None:
        """Say why, when to try again (seconds; None is never), whether the model was reached at all, and what was paid.

        A call that was not `sent` cost nothing; `status` is the HTTP status, `usage` what the server reported
        although its reply is of no use, and `model` the member of a pool that was asked.
        """
        super().__init__(message)
        self.retry_after = retry_after
        self.unreachable = unreachable
        self.sent = sent
        self.status = status
        self.usage = usage
        self.model = model


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


@runtime_checkable
class ModelPool(Protocol):
    """Several models behind one `ChatModel`."""

    @property
    def members(self) -> Sequence[ChatModel]:
        """The models."""
        ...

    def order(self, place: str, model: str = "") -> Sequence[ChatModel]:
        """Return the members in the order in which they are asked for the call at a place, or by its wish."""
        ...


class Verifier(Protocol):
    """Checks one candidate."""

    async def verify(self, problem: Problem, candidate: Candidate) -> Verdict:
        """Judge the candidate; an exception is a failed verdict."""
        ...


class Embedder(Protocol):
    """Turns texts into vectors that are the nearer the more the texts say the same: local and free, so no call."""

    def check(self) -> None:
        """Refuse, before the first call, what it lacks.

        Raises:
            UsageError: what is missing, and how to get it.

        """
        ...

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return a vector of length 1 for each text, or zeros."""
        ...


class Asking(Protocol):
    """A verifier that asks a model, in a call of kind `grade` that passes the gate like any other.

    Its `verify` gives a verdict that awaits the model's; with that one in its place, it is asked once more.
    """

    @property
    def asking(self) -> "Asking | None":
        """Itself; None where of several verifiers none asks a model."""
        ...

    @property
    def model(self) -> ChatModel | None:
        """Who is asked; None is the run's own model."""
        ...

    @property
    def awaits(self) -> str:
        """What its verdict awaits: a judge's rubric, or the word for a reward model."""
        ...

    def read(self, problem: Problem, candidate: Candidate, reply: str) -> Verdict:
        """Make a verdict of what the model said; nonsense is a failed one."""
        ...

    def settled(self, verdict: Verdict) -> Verifier:
        """Return the verifier with the model's verdict in the model's place."""
        ...


class Begun(Protocol):
    """What is known of a call at the moment somebody wants to make it."""

    @property
    def first(self) -> bool:
        """Nobody has begun it before: it is the caller's to make."""
        ...

    @property
    def asked(self) -> Asked | None:
        """How it ended; None, unless `first`, is a call that was lost."""
        ...

    @property
    def at(self) -> float:
        """Unix time in seconds at which a lost one began."""
        ...

    @property
    def seconds(self) -> float:
        """The most that it can have been under way; 0 where the lease does not tell when its process ended."""
        ...


class Journal(Protocol):
    """Remembers model calls from before they begin, so that none is paid twice."""

    async def begin(self, key: CallKey) -> Begun:
        """Write down that a call begins, unless it was begun before."""
        ...

    async def finish(self, key: CallKey, asked: Asked) -> None:
        """Write down how a call ended."""
        ...

    async def forget(self, key: CallKey) -> None:
        """Strike out a call that never reached the model."""
        ...


@runtime_checkable
class JournalKeeper(Protocol):
    """A checkpointer that keeps a journal; ponder's own is one."""

    def journal(self, thread_id: str, way: Mapping[str, str]) -> Journal:
        """Return the journal of a step: the thread, and the checkpoint in each namespace on the way to it."""
        ...
