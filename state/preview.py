"""What a run may cost, told before its first call."""

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

N = TypeVar("N", int, float)


class Range(BaseModel, Generic[N]):
    """From `low` to `high`, both included."""

    model_config = ConfigDict(frozen=True)

    low: N
    high: N


class Preview(BaseModel):
    """The least and the most that a run can come to, in which every call is answered.

    A call that fails is tried again, and that comes on top: at most `retries` further calls each, within the budget.
    """

    model_config = ConfigDict(frozen=True)

    calls: Range[int]
    """Model calls of every kind."""
    input_tokens: Range[int]
    output_tokens: Range[int]
    """Tokens, reasoning included."""
    usd: Range[float] | None
    """US dollars, by the user's price table; None where it has no price for a model that is asked."""
    branches: dict[str, Range[int]]
    """Step (`assess`, a branch, `select`, where ties are judged) -> its calls.

    Not all are at their ends in one run. Where `max_compute_budget` is lowered, one may leave more to another than is
    told here; the sum holds.
    """
