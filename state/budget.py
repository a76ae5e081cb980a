"""What a run may spend (`Budget`), what it has spent (`Spent`), and the arithmetic between the two.

Every model call of a run leaves one `Call` in its ledger: first as `reserved`, at its worst case, then settled with
what the server reported. Limits are checked against the ledger alone, so that a repeated task, a fork or a resume
cannot count twice.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt

CallState = Literal["reserved", "lost", "failed", "done"]
CallKind = Literal["rate", "probe", "sample", "critique", "revise", "expand", "judge"]


class Budget(BaseModel):
    """Hard limits of one run; None is no limit of that kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_calls: PositiveInt | None = None
    """Model calls of every kind: samples, critiques, judges, retries."""
    max_tokens: PositiveInt | None = None
    """Input and output tokens together."""
    max_seconds: PositiveFloat | None = None
    """Seconds in which at least one call is in flight; a pause between crash and resume does not count."""


class Usage(BaseModel):
    """Tokens of one call, as the server reported them."""

    model_config = ConfigDict(frozen=True)

    input_tokens: NonNegativeInt = 0
    output_tokens: NonNegativeInt = 0
    reasoning_tokens: NonNegativeInt = 0
    """Part of `output_tokens`."""
    cached_tokens: NonNegativeInt = 0
    """Part of `input_tokens`."""
    estimated: bool = False
    """True where the server reported nothing and the text's length was used."""


class Call(BaseModel):
    """One model call: reserved before it starts, settled when it ends, lost where nobody knows how it ended."""

    model_config = ConfigDict(frozen=True)

    id: str
    """The place in the run: step, branch, round, index, attempt; equal places are equal calls."""
    kind: CallKind
    branch: str
    strategy: str = ""
    """Name of the prompting strategy, for samples."""
    parents: tuple[str, ...] = ()
    """Ids of the candidates this call works on."""
    state: CallState = "reserved"
    worst_tokens: NonNegativeInt = 0
    """Most tokens the call can cost: the prompt's estimate and max_tokens."""
    max_tokens: PositiveInt = 512
    """Output tokens the call may use."""
    temperature: float = 0.0
    usage: Usage = Usage()
    started: float = 0.0
    """Unix time in seconds."""
    seconds: float = 0.0
    error: str = ""
    retry_after: float | None = None
    """Seconds to wait before the call is tried again; None is never."""
    reply: str = ""
    """The text of a critique, rating or judgement; a sample's text is in its candidate."""

    @property
    def candidate_id(self) -> str:
        """The id of the candidate that this call makes: its place without the attempt."""
        return self.id.partition("#")[0]

    @property
    def attempt(self) -> int:
        """0 for the first try."""
        return int(self.id.partition("#")[2] or 0)

    @property
    def settled(self) -> bool:
        """Whether what it cost is known."""
        return self.state in {"failed", "done"}

    @property
    def rank(self) -> tuple[int, float, str]:
        """Of two records of one call the higher one is the later one."""
        return (get_args(CallState).index(self.state), self.started, self.reply)

    def again(self) -> Self:
        """Return the same call, reserved as its next attempt."""
        retry = f"{self.candidate_id}#{self.attempt + 1}"
        return self.model_copy(
            update={"id": retry, "state": "reserved", "usage": Usage(), "started": 0.0, "seconds": 0.0}
        )


class Spent(BaseModel):
    """What a run has cost."""

    model_config = ConfigDict(frozen=True)

    calls: NonNegativeInt = 0
    input_tokens: NonNegativeInt = 0
    output_tokens: NonNegativeInt = 0
    reasoning_tokens: NonNegativeInt = 0
    cached_tokens: NonNegativeInt = 0
    usd: float | None = None
    """None: no price is known for the model."""
    seconds: float = 0.0
    """Seconds in which at least one call was in flight."""
    lost: NonNegativeInt = 0
    """Calls that a crash or a cancellation cut off, counted at their worst case against the limits."""

    @classmethod
    def of(cls, calls: Iterable[Call]) -> Self:
        """Add up a ledger."""
        calls = tuple(calls)
        settled = [call.usage for call in calls if call.settled]
        return cls(
            calls=len(settled),
            input_tokens=sum(usage.input_tokens for usage in settled),
            output_tokens=sum(usage.output_tokens for usage in settled),
            reasoning_tokens=sum(usage.reasoning_tokens for usage in settled),
            cached_tokens=sum(usage.cached_tokens for usage in settled),
            seconds=busy_seconds(calls),
            lost=len(calls) - len(settled),
        )


class Ledger(BaseModel):
    """A budget beside the calls made under it."""

    model_config = ConfigDict(frozen=True)

    budget: Budget = Field(default_factory=Budget)
    calls: tuple[Call, ...] = ()

    def seconds_left(self) -> float | None:
        """Active seconds left, or None where they are not limited."""
        limit = self.budget.max_seconds
        return None if limit is None else limit - busy_seconds(self.calls)

    def admit(self, wanted: Sequence[Call]) -> list[Call]:
        """Return the longest head of `wanted` that fits, each call at its worst case."""
        left = self.seconds_left()
        if left is not None and left <= 0:
            return []
        admitted = list(wanted)
        if self.budget.max_calls is not None:
            admitted = admitted[: max(0, self.budget.max_calls - len(self.calls))]
        if self.budget.max_tokens is not None:
            tokens = self.budget.max_tokens - sum(map(cost, self.calls))
            while admitted and sum(map(cost, admitted)) > tokens:
                admitted.pop()
        return admitted


def cost(call: Call) -> int:
    """Tokens a call counts for: what was used, or the worst case while it is not settled."""
    if call.settled:
        return call.usage.input_tokens + call.usage.output_tokens
    return call.worst_tokens


def busy_seconds(calls: Iterable[Call]) -> float:
    """Measure the union of the calls' spans."""
    total, until = 0.0, 0.0
    for start, end in sorted((call.started, call.started + call.seconds) for call in calls):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total
