"""Who may ask, and what each key may still spend."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from ...nodes.events import Event
from ...state.budget import Budget, Call, Spent, cost, cost_usd

if TYPE_CHECKING:
    from ...state.checkpointer import SQLAlchemySaver
    from ...state.spending import Amounts

log = logging.getLogger("ponder.serve")
Keep = Callable[["Amounts"], None]

LIMITS = ("max_calls", "max_tokens", "max_usd")
"""What a key is held to; seconds are a request's own."""


class KeyUnknown(Exception):  # noqa: N818 - reads as the fact it states
    """The key is none of the operator's."""


class KeySpent(Exception):  # noqa: N818
    """What the key may spend is spent, or held by requests that are under way."""


@dataclass
class Bill:
    """What one request may spend, and has spent as far as its events tell."""

    budget: Budget
    calls: dict[str, Call] = field(default_factory=dict)
    settled: Spent | None = None
    """What its runs report at their end; None: they were cut off."""
    keep: Keep | None = None
    """Stores what is spent more."""
    kept: dict[str, float] = field(default_factory=lambda: dict.fromkeys(LIMITS, 0.0))

    def note(self, run: int, event: Event) -> None:
        """Take in what a run tells: calls that begin, at their worst case, and candidates with what they cost."""
        for call in event.calls if event.type == "budget" else ():
            self.calls[f"{run} {call.candidate_id}"] = call
        if event.type == "budget":
            self.store()
        if event.type == "candidate" and (begun := self.calls.get(f"{run} {event.candidate.id}")):
            done = begun.model_copy(update={"state": "done", "usage": event.candidate.usage, "usd": begun.worst_usd})
            self.calls[f"{run} {event.candidate.id}"] = done

    def store(self) -> None:
        """Keep what is spent now: of a server that is killed, the calls that it has begun, at their worst case."""
        if self.keep is not None:
            total = self.total()
            self.keep({name: total[name] - self.kept[name] for name in LIMITS})
            self.kept = total

    def total(self) -> dict[str, float]:
        """Return what counts; calls that nobody waited for count at their worst case."""
        if self.settled is not None:
            tokens = self.settled.input_tokens + self.settled.output_tokens
            calls = self.settled.calls + self.settled.lost
            return {"max_calls": calls, "max_tokens": tokens, "max_usd": self.settled.usd or 0.0}
        known = self.calls.values()
        usd = sum(cost_usd(call) or 0.0 for call in known)
        return {"max_calls": len(known), "max_tokens": sum(map(cost, known)), "max_usd": usd}


@dataclass
class Account:
    """One key, and what it has spent: by the store, where there is one, else since the server started."""

    limit: Budget
    spent: dict[str, float] = field(default_factory=lambda: dict.fromkeys(LIMITS, 0.0))
    held: dict[str, float] = field(default_factory=lambda: dict.fromkeys(LIMITS, 0.0))
    """By requests that are under way: their budgets."""
    keep: Keep | None = None

    @contextmanager
    def billed(self, asked: Budget) -> Iterator[Bill]:
        """Hold a request's budget, no more than is left, while it runs; then charge what it has spent.

        Raises:
            KeySpent: nothing is left.

        """
        wanted: Mapping[str, float | None] = asked.model_dump()
        given: dict[str, float] = {}
        for name, limit in self.limit.model_dump(include=set(LIMITS), exclude_none=True).items():
            left = limit - self.spent[name] - self.held[name]
            if left <= 0:
                raise KeySpent(f"{name}={limit} of this key is spent, or held by requests that are under way")
            own = wanted[name]
            given[name] = left if own is None else min(left, own)
        bill = Bill(Budget.model_validate({**wanted, **given}), keep=self.keep)
        for name, amount in given.items():
            self.held[name] += amount
        try:
            yield bill
        finally:
            for name, amount in given.items():
                self.held[name] -= amount
            for name, amount in bill.total().items():
                self.spent[name] += amount
            bill.store()


@dataclass
class Keys:
    """All accounts; without keys there is one, which needs none."""

    accounts: dict[str, Account]

    @classmethod
    def of(cls, keys: tuple[str, ...], limit: Budget) -> "Keys":
        """Open an account for each key."""
        return cls({key: Account(limit) for key in keys or ("",)})

    async def restore(self, saver: "SQLAlchemySaver") -> None:
        """Go on from what the store knows, and keep what is spent in it."""
        from ...state.spending import add, spent_by

        for key, account in self.accounts.items():
            account.spent = await saver.threaded(saver.write, partial(spent_by, key=key))

            def keep(amounts: "Amounts", key: str = key) -> None:
                saver.writer.submit(partial(add, key=key, amounts=amounts)).add_done_callback(report)

            account.keep = keep

    @property
    def open(self) -> bool:
        """Whether anybody may ask."""
        return "" in self.accounts

    def account(self, authorization: str) -> Account:
        """Return the account of a request's `Authorization`.

        Raises:
            KeyUnknown: it names none.

        """
        if self.open:
            return self.accounts[""]
        given = authorization.removeprefix("Bearer ").strip().encode()
        found = [account for key, account in self.accounts.items() if secrets.compare_digest(key.encode(), given)]
        if not found:
            raise KeyUnknown("the API key is missing or wrong: send it as `Authorization: Bearer KEY`")
        return found[0]


def report(stored: "asyncio.Future[None]") -> None:
    """Say in the log that what a key has spent could not be stored; this process remembers it."""
    if not stored.cancelled() and (error := stored.exception()):
        log.warning("what a key has spent was not stored: %s", error)


def sum_of(spent: list[Spent]) -> Spent:
    """Add up what several runs have spent."""
    usd = [each.usd for each in spent]
    return Spent(
        calls=sum(each.calls for each in spent),
        lost=sum(each.lost for each in spent),
        input_tokens=sum(each.input_tokens for each in spent),
        output_tokens=sum(each.output_tokens for each in spent),
        usd=None if None in usd else sum(filter(None, usd)),
    )
