"""What a run may spend (`Budget`), what it has spent (`Spent`), and the arithmetic between the two.

Every model call of a run leaves one `Call` in its ledger: first as `reserved`, at its worst case, then settled with
what the server reported. Limits are checked against the ledger alone, so that a repeated task, a fork or a resume
cannot count twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import fsum
from typing import Literal, NamedTuple, Self, get_args

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveFloat, PositiveInt

from .errors import UsageError

CallState = Literal["reserved", "unmade", "lost", "dropped", "failed", "done"]
"""`unmade`: time ran out before it began; `lost`: nobody knows how it ended; `dropped`: its vote was not awaited."""
Limit = Literal["max_calls", "max_tokens", "max_usd", "max_seconds"]
CallKind = Literal["rate", "probe", "sample", "critique", "revise", "expand", "step", "judge", "tests", "grade"]
"""`judge` compares two candidates, `grade` is a verifier that asks a model about one."""


class Budget(BaseModel):
    """Hard limits of one run; None is no limit of that kind."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_calls: PositiveInt | None = None
    """Model calls of every kind: samples, critiques, judges, retries."""
    max_tokens: PositiveInt | None = None
    """Input and output tokens together."""
    max_usd: PositiveFloat | None = None
    """US dollars, by the user's price table; the model's price must be known."""
    max_seconds: PositiveFloat | None = None
    """Seconds in which at least one call is in flight or waits to be; a pause between crash and resume is none."""

    def within(self, most: "Budget") -> "Budget":
        """Return the lower one of each limit."""
        both = [self.model_dump(exclude_none=True), most.model_dump(exclude_none=True)]
        names = both[0].keys() | both[1].keys()
        return Budget.model_validate({name: min(each[name] for each in both if name in each) for name in names})

    def left(self, used: Mapping[str, float]) -> dict[str, float]:
        """Return what is left of each limit: 0 or less where it is used up."""
        return {name: limit - used.get(name, 0) for name, limit in self.model_dump(exclude_none=True).items()}

    def share(self, runs: int) -> "Budget":
        """Return the part of each of several runs; seconds pass for all of them at once.

        Raises:
            UsageError: there is not enough for so many.

        """
        limits = self.model_dump(exclude_none=True)
        parts = {name: limit if name == "max_seconds" else limit / runs for name, limit in limits.items()}
        whole = {name: int(part) if name in {"max_calls", "max_tokens"} else part for name, part in parts.items()}
        if small := [name for name, part in whole.items() if not part]:
            raise UsageError(f"{small[0]}={limits[small[0]]} is too little for n={runs}: raise it, or lower n")
        return Budget.model_validate(whole)


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
    model: str = ""
    """Which of several models is asked; empty: whose turn it is."""
    state: CallState = "reserved"
    worst_tokens: NonNegativeInt = 0
    """Most tokens the call can cost: the prompt's bytes and max_tokens."""
    worst_usd: float | None = None
    """Most US dollars the call can cost; None where no price is known."""
    max_tokens: PositiveInt = 512
    """Output tokens the call may use."""
    temperature: float = 0.0
    usage: Usage = Usage()
    usd: float | None = None
    """What it cost; None where no price is known."""
    started: float = 0.0
    """Unix time in seconds at which it began, or began to wait for its turn."""
    seconds: float = 0.0
    error: str = ""
    stopped: bool = False
    """It was paid and stopped the run, since no call could succeed: no failed attempt, a resumed run makes the next."""
    retry_after: float | None = None
    """Seconds to wait before the call is tried again; None is never."""
    reply: str = ""
    """The text of a critique, rating or judgement; a sample's text is in its candidate."""

    @property
    def worst_usage(self) -> Usage:
        """The most it can use."""
        read = max(0, self.worst_tokens - self.max_tokens)
        return Usage(input_tokens=read, output_tokens=self.max_tokens, estimated=True)

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
        anew = {"state": "reserved", "error": "", "stopped": False, "started": 0.0, "seconds": 0.0}
        return self.model_copy(update={"id": retry, **anew})


class CallKey(NamedTuple):
    """What names a call in the journal."""

    place: str
    """The run, and the place in it."""
    request: str
    """All that makes its reply what it is."""


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
    """Seconds in which at least one call was in flight or waited to be."""
    lost: NonNegativeInt = 0
    """Calls cut off by a crash, a cancellation or a settled vote, counted at their worst case against the limits."""
    lost_tokens: NonNegativeInt = 0
    """That worst case, in tokens; in no other sum."""
    lost_usd: float = 0.0
    """And in US dollars, where a price is known."""
    estimated: NonNegativeInt = 0
    """Calls whose tokens the server did not report, or not believably: counted by the length of their texts."""

    @classmethod
    def of(cls, calls: Iterable[Call]) -> Self:
        """Add up a ledger."""
        calls = tuple(calls)
        settled = [call.usage for call in calls if call.settled]
        usd = [call.usd for call in calls if call.settled]
        lost = [call for call in calls if call.state in {"reserved", "lost", "dropped"}]
        return cls(
            calls=len(settled),
            usd=fsum(filter(None, usd)) if usd and None not in usd else None,
            input_tokens=sum(usage.input_tokens for usage in settled),
            output_tokens=sum(usage.output_tokens for usage in settled),
            reasoning_tokens=sum(usage.reasoning_tokens for usage in settled),
            cached_tokens=sum(usage.cached_tokens for usage in settled),
            seconds=busy_seconds(calls),
            estimated=sum(usage.estimated for usage in settled),
            lost=len(lost),
            lost_tokens=sum(map(cost, lost)),
            lost_usd=fsum(cost_usd(call) or 0 for call in lost),
        )

    @classmethod
    def sum(cls, several: Sequence[Self]) -> Self:
        """Add up what several runs have spent, the seconds of each included."""
        names = cls.model_fields.keys() - {"usd"}
        usd = [each.usd for each in several if each.usd is not None]
        known = fsum(usd) if len(usd) == len(several) else None
        return cls.model_validate(
            {name: sum(getattr(each, name) for each in several) for name in names} | {"usd": known}
        )

    @property
    def used(self) -> dict[str, float]:
        """What counts against each limit, lost calls at their worst case."""
        return {
            "max_calls": self.calls + self.lost,
            "max_tokens": self.input_tokens + self.output_tokens + self.lost_tokens,
            "max_usd": (self.usd or 0.0) + self.lost_usd,
            "max_seconds": self.seconds,
        }


@dataclass(frozen=True)
class Ledger:
    """A budget beside the calls made under it; what they come to is added up once."""

    budget: Budget
    calls: Sequence[Call]

    @cached_property
    def made(self) -> int:
        """Calls that were begun."""
        return sum(call.state != "unmade" for call in self.calls)

    @cached_property
    def tokens(self) -> int:
        """Tokens they count for."""
        return sum(map(cost, self.calls))

    @cached_property
    def seconds(self) -> float:
        """Active seconds so far."""
        return busy_seconds(self.calls)

    def seconds_left(self) -> float | None:
        """Active seconds left, or None where they are not limited."""
        limit = self.budget.max_seconds
        return None if limit is None else limit - self.seconds

    def admit(self, wanted: Iterable[Call]) -> list[Call]:
        """Return the longest head of `wanted` that fits, each call at its worst case; the rest is not looked at."""
        admitted: list[Call] = []
        for call in wanted:
            if self.exceeded_by([*admitted, call]):
                break
            admitted.append(call)
        return admitted

    def exceeded_by(self, more: Sequence[Call]) -> Limit | None:
        """Name the limit that further calls, each at its worst case, could break; None where all fit."""
        budget, left = self.budget, self.seconds_left()
        if left is not None and left <= 0:
            return "max_seconds"
        if budget.max_calls is not None and self.made + len(more) > budget.max_calls:
            return "max_calls"
        if budget.max_tokens is not None and self.tokens + sum(map(cost, more)) > budget.max_tokens:
            return "max_tokens"
        if budget.max_usd is not None:
            usd = [cost_usd(call) for call in (*self.calls, *more)]
            # What is not known cannot be held to a limit; a run that begins or is resumed without a price is refused.
            if None in usd or fsum(filter(None, usd)) > budget.max_usd:
                return "max_usd"
        return None


def cost(call: Call) -> int:
    """Tokens a call counts for: what was used, or the worst case while it is not settled."""
    if call.settled:
        return call.usage.input_tokens + call.usage.output_tokens
    return 0 if call.state == "unmade" else call.worst_tokens


def cost_usd(call: Call) -> float | None:
    """US dollars a call counts for, likewise."""
    if call.settled:
        return call.usd
    return 0 if call.state == "unmade" else call.worst_usd


def busy_seconds(calls: Iterable[Call]) -> float:
    """Measure the union of the calls' spans."""
    total, until = 0.0, 0.0
    for start, end in sorted((call.started, call.started + call.seconds) for call in calls):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total
