"""Who may ask, and what each key may still spend."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from ...nodes.events import Event
from ...state.budget import Budget, Call, Spent
from ...state.errors import KeyHeld, KeySpent, KeyUnknown

if TYPE_CHECKING:
    from ...state.checkpointer import SQLAlchemySaver
    from ...state.spending import Amounts

log = logging.getLogger("ponder.serve")
Keep = Callable[["Amounts"], None]

ROOM = 2
"""How much more than the first call a later one may cost, whose prompt holds what was said before."""
LIMITS = ("max_calls", "max_tokens", "max_usd")
"""What a key is held to; seconds are a request's own."""


@dataclass
class Bill:
    """What one request may spend, and has spent as far as its events tell."""

    budget: Budget
    calls: dict[str, list[Call]] = field(default_factory=dict)
    """Run and candidate -> each attempt at its call."""
    settled: Spent | None = None
    """What its runs have spent; None: they go on, or the server was killed."""
    keep: Keep | None = None
    """Stores what is spent more."""
    kept: dict[str, float] = field(default_factory=lambda: dict.fromkeys(LIMITS, 0.0))

    def note(self, run: int, event: Event) -> None:
        """Take in what a run tells: calls that begin, at their worst case, and candidates with what they cost."""
        for call in event.calls if event.type == "budget" else ():
            self.calls.setdefault(f"{run} {call.candidate_id}", []).append(call)
        if event.type == "budget":
            self.store()
        # Whether a call that brought nothing has cost something, its candidate does not say.
        if event.type == "candidate" and not event.candidate.error:
            attempts = self.calls[f"{run} {event.candidate.id}"]
            paid = {"state": "done", "usage": event.candidate.usage, "usd": attempts[-1].worst_usd}
            attempts[-1] = attempts[-1].model_copy(update=paid)

    def store(self) -> None:
        """Keep what is spent now: of a server that is killed, the calls that it has begun, at their worst case."""
        if self.keep is not None:
            total = self.total()
            self.keep({name: total[name] - self.kept[name] for name in LIMITS})
            self.kept = total

    def total(self) -> dict[str, float]:
        """Return what counts; calls that nobody waited for count at their worst case."""
        return (self.settled or Spent.of(chain.from_iterable(self.calls.values()))).used


@dataclass
class Account:
    """One key, and what it has spent: by the store, where there is one, else since the server started."""

    limit: Budget
    spent: dict[str, float] = field(default_factory=lambda: dict.fromkeys(LIMITS, 0.0))
    held: dict[str, float] = field(default_factory=lambda: dict.fromkeys(LIMITS, 0.0))
    """By requests that are under way: their budgets."""
    keep: Keep | None = None

    @contextmanager
    def billed(self, asked: Budget, calls: int, worst: Call, runs: int = 1) -> Iterator[Bill]:
        """Hold a request's budget while it runs; then charge what it has spent.

        Of what it does not limit itself that is enough for all calls that its runs may make: with more, one request
        would keep all others of the key away. What is held is its budget, which cannot be passed; what is free need
        not be held.

        Raises:
            KeySpent: what is left is too little for one call.
            KeyHeld: it would do, but requests that are under way hold it.

        """
        unspent = self.limit.left(self.spent)
        left = self.limit.left({name: self.spent[name] + self.held[name] for name in LIMITS})
        once = {name: amount for name, amount in Spent.of([worst]).used.items() if name in left}
        for name, one in once.items():
            about = f"{name}={getattr(self.limit, name):g} of this key"
            if unspent[name] < one or unspent[name] <= 0:
                raise KeySpent(f"{about} is spent: {unspent[name]:g} is left, and a call may cost {one:g}")
            if left[name] < min(one * runs, unspent[name]):
                raise KeyHeld(f"{about} is held by requests that are under way: try again when they have ended")
            if one and getattr(asked, name) is None:
                left[name] = min(left[name], calls * one * (1 if name == "max_calls" else ROOM))
        bill = Bill(asked.within(Budget.model_validate(left)), keep=self.keep)
        given: dict[str, float] = bill.budget.model_dump(include={name for name, one in once.items() if one})
        for name, amount in given.items():
            self.held[name] += amount
        try:
            yield bill
        finally:
            for name, amount in given.items():
                self.held[name] -= amount
            total = bill.total()
            for name in LIMITS:
                self.spent[name] += total[name]
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


def listed(text: str) -> tuple[str, ...]:
    """Return the keys of a text, in which commas or spaces stand between them."""
    return tuple(text.replace(",", " ").split())


def report(stored: "asyncio.Future[None]") -> None:
    """Say in the log that what a key has spent could not be stored; this process remembers it."""
    if not stored.cancelled() and (error := stored.exception()):
        log.warning("what a key has spent was not stored: %s", error)
