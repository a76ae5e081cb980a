"""A model, and what it costs."""

from dataclasses import dataclass, field
from functools import cached_property

from ..state.budget import Call, Usage
from ..state.pricing import Price, Prices, highest, price_of
from ..state.settings import Settings
from .entry import begin
from .limits import Limits, Slot, limiter_for
from .ports import ChatModel, ModelPool


@dataclass(frozen=True)
class Caller:
    """A model, and what it costs: all that a step needs to make its calls."""

    model: ChatModel
    prices: Prices = field(default_factory=dict)

    @cached_property
    def price(self) -> Price | None:
        """What a token costs at most, whichever of several models answers; None where that is not known."""
        return highest(self.tariffs)

    @cached_property
    def pool(self) -> ModelPool | None:
        """Several models; None where there is one. To look whether an object has a protocol takes long."""
        return self.model if isinstance(self.model, ModelPool) else None

    @cached_property
    def members(self) -> tuple[str, ...]:
        """The names of several models; none where there is one."""
        return tuple(member.name for member in self.pool.members) if self.pool else ()

    @cached_property
    def tariffs(self) -> list[Price | None]:
        """The price of each of several models, or of the one; None where it is not known."""
        return [price_of(name, self.prices) for name in self.members or [self.model.name]]

    @property
    def unpriced(self) -> list[str]:
        """Those whose price is not known."""
        names = self.members or [self.model.name]
        return [name for name, price in zip(names, self.tariffs, strict=True) if price is None]

    @property
    def unlimited(self) -> list[str]:
        """Those that cannot be told how much they may write."""
        models = self.pool.members if self.pool else [self.model]
        return [model.name for model in models if not getattr(model, "is_limited", True)]

    async def begin(self, settings: Settings) -> None:
        """Wait until it is a new run's turn to begin; one whose seconds are limited begins at once."""
        if settings.budget.max_seconds is None:
            await begin(self.model.name, most_flying(self.model, settings))

    def whose_turn(self, call: Call) -> ChatModel:
        """Return the model that is asked: of a pool, the one whose turn it is."""
        return self.pool.order(call.id, call.model)[0] if self.pool else self.model

    def paid(self, usage: Usage, model: str = "") -> dict[str, object]:
        """Return what a call has cost, also in US dollars: as the dearest, where none of a pool is named."""
        named = model or ("" if self.pool else self.model.name)
        price = (price_of(named, self.prices) if named else None) or self.price
        return {"usage": usage, "usd": None if price is None else price.of(usage)}


def slot(model: ChatModel, call: Call, settings: Settings) -> Slot:
    """Return the call's place among those that all runs of the process make of a model."""
    limits = Limits(most_flying(model, settings), settings.requests_per_minute, settings.tokens_per_minute)
    return limiter_for(model.name, limits).slot(call.worst_tokens)


def most_flying(model: ChatModel, settings: Settings) -> int | None:
    """Return how many calls of a model may be in flight.

    No more are made than a model in this process works on at once: what it has not begun is not lost with it.
    """
    known = [number for number in (settings.concurrency, getattr(model, "slots", None)) if number is not None]
    return min(known, default=None)
