"""What a caller may set: validated once, at the edge, kept in the state so that a resumed run goes on alike."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveInt, ValidationError

from .budget import Budget
from .errors import UsageError

Effort = Literal["low", "fast", "balanced", "thorough"]
Level = Literal["low", "medium", "high", "very_high"]

PRESETS: dict[Effort, tuple[float, int]] = {
    "low": (0.75, 4),
    "fast": (0.80, 8),
    "balanced": (0.90, 16),
    "thorough": (0.95, 40),
}
"""Effort -> the stop threshold of the vote, and the most samples."""


class Settings(BaseModel):
    """How one problem is to be solved; also the graph's `context_schema`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: str = "adaptive"
    """`adaptive`, `cumulative`, `fixed`, or the name of a branch."""
    effort: Effort = "balanced"
    """Fills `threshold` and `max_samples` where they are not set."""
    assessor: str = Field(default="probe", pattern=r"^(probe|ask|fixed:([0-9]|10)(\.[0-9]+)?)$")
    """`probe`, `ask`, or `fixed:N` with the difficulty N from 0 to 10."""
    budget: Budget = Budget()
    threshold: float | None = Field(default=None, gt=0.5, lt=1)
    """The vote has settled when its leader holds a true lead with this probability."""
    max_samples: PositiveInt | None = None
    """Most samples of the parallel branch, probes included."""
    max_compute_budget: PositiveInt = 100
    """Upper end of difficulty x 10, in calls."""
    probes: PositiveInt = 3
    window: PositiveInt = 4
    """Samples of the parallel branch that are in flight at once."""
    max_rounds: PositiveInt = 3
    """Critique and revision rounds of the refine branch."""
    max_iterations: PositiveInt = 10
    """Expansions of the search branch."""
    temperature: NonNegativeFloat | None = None
    """None: 0.7, and 0 where one answer is asked for."""
    max_tokens: PositiveInt = 512
    """Output tokens of one call."""
    retries: int = Field(default=2, ge=0)
    """Further attempts of a call that failed for a passing reason; each counts as a call."""
    call_timeout: float = Field(default=120.0, gt=0)
    """Seconds one call may take."""
    concurrency: PositiveInt | None = 64
    """Calls of the model in flight at once, of all runs of the process that set the same limits."""
    requests_per_minute: PositiveInt | None = None
    """Likewise."""
    tokens_per_minute: PositiveInt | None = None
    """Likewise; a call counts at its worst case until it has ended."""
    seed: int | None = None
    """Makes a run repeatable where the model honours seeds."""

    @property
    def stop_threshold(self) -> float:
        """The threshold in force."""
        return self.threshold if self.threshold is not None else PRESETS[self.effort][0]

    @property
    def sample_cap(self) -> int:
        """The most samples in force."""
        return self.max_samples if self.max_samples is not None else PRESETS[self.effort][1]


def parse_settings(**values: object) -> Settings:
    """Validate, with an error of one line that names the value.

    Raises:
        UsageError: a value is out of its range or unknown.

    """
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise UsageError(explain(error)) from None


def explain(error: ValidationError) -> str:
    """Put the first complaint into one line: the name, the value, the rule."""
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"]))
    return f"{name}={first['input']!r} cannot be used: {first['msg'].lower()}"
