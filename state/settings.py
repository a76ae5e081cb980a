"""What a caller may set: validated once, at the edge, kept in the state so that a resumed run goes on alike."""

from collections.abc import Collection
from difflib import get_close_matches
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveInt, ValidationError

from .budget import Budget
from .calibration import Calibration
from .errors import UsageError

Effort = Literal["low", "fast", "balanced", "thorough"]
Search = Literal["best_first", "beam", "ab_mcts"]
Level = Literal["low", "medium", "high", "very_high"]

LONGEST = 80
"""Characters of a value that an error repeats."""
ASSESSORS = "probe, ask, logprob, learned:FILE, or fixed:N with the difficulty N from 0 to 10"

PRESETS: dict[Effort, tuple[float, int, float]] = {
    "low": (0.75, 4, 1 / 3),
    "fast": (0.80, 8, 1 / 3),
    "balanced": (0.90, 40, 2 / 7),
    "thorough": (0.96, 40, 0.0),
}
"""Effort -> the stop threshold of the vote, the most samples, and the quorum.

Where answers agree, `balanced` is to lose half a point to the vote of 40 samples at an eighth of its calls, and
`thorough` 0.3 points at a sixth; where they scatter, `balanced` is to beat the vote of 8 with less.
"""


INPUTS = {"boolean": "boolean", "integer": "number", "number": "number", "string": "text", "object": "json"}
"""Type of a value -> how a form asks for it."""
BOUNDS = {"minimum": "min", "exclusiveMinimum": "min", "maximum": "max", "exclusiveMaximum": "max"}


def hint(schema: dict[str, Any]) -> None:
    """Say how a form is to ask for each setting, in the words of LangGraph's platform."""
    for field in schema["properties"].values():
        kind = {**field, **next((part for part in field.get("anyOf", ()) if part.get("type") != "null"), {})}
        hinted = {"type": INPUTS[kind.get("type", "object")], "default": field.get("default")}
        if "enum" in kind:
            hinted |= {"type": "select", "options": [{"label": value, "value": value} for value in kind["enum"]]}
        hinted |= {BOUNDS[name]: value for name, value in kind.items() if name in BOUNDS}
        if kind.get("type") == "integer" and "exclusiveMinimum" in kind:
            hinted["min"] += 1
        field["x_oap_ui_config"] = hinted | {"description": field.get("description", "")}


class Settings(BaseModel):
    """How one problem is to be solved; also the graph's `context_schema`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, json_schema_extra=hint)

    policy: str = "adaptive"
    """`adaptive`, `cumulative`, `fixed`, or a branch: `direct`, `parallel`, `refine` or `search`."""
    effort: Effort = "balanced"
    """Fills `threshold`, `max_samples` and `quorum` where they are not set."""
    assessor: str = Field(
        default="probe",
        pattern=r"^(probe|ask|logprob|learned:.+|fixed:([0-9](\.[0-9]+)?|10(\.0+)?))$",
        description=ASSESSORS,
    )
    calibration: Calibration | None = None
    """What `learned:FILE` has read from its file."""
    sure: float = Field(default=0.9, gt=0, lt=1)
    """`logprob` believes a first answer whose tokens had this probability, as a geometric mean."""
    pool: Literal["deal", "cascade"] = "deal"
    """How several models share the calls: in turn; or the first probes, and each window asks the next one up."""
    budget: Budget = Budget()
    """Limits that hold: `max_calls`, `max_tokens`, `max_usd`, `max_seconds`."""
    threshold: float | None = Field(default=None, gt=0.5, lt=1)
    """The vote has settled when its leader holds a true lead with this probability."""
    max_samples: PositiveInt | None = None
    """Most samples of the parallel branch, probes included."""
    quorum: float | None = Field(default=None, ge=0, lt=1)
    """Share of the candidates that the leader must exceed for sampling to go on; 0 is never to give up."""
    max_compute_budget: PositiveInt = 100
    """Upper end of difficulty x 10, in calls."""
    probes: PositiveInt = 3
    """Samples that `probe` compares."""
    window: PositiveInt = 4
    """Most samples of the parallel branch, or attempts of `ab_mcts`, that are in flight at once; `fixed` sends all."""
    max_rounds: PositiveInt = 3
    """Critique and revision rounds of the refine branch, in each of its chains."""
    max_iterations: PositiveInt = 10
    """Rounds of the search branch, each of several calls."""
    patience: PositiveInt = 3
    """Rounds of the search branch without a better score that end it."""
    search: Search = "best_first"
    """How the search branch chooses what to work on; `beam` works step by step."""
    beam_width: PositiveInt = 3
    """Partial solutions that `beam` keeps."""
    temperature: NonNegativeFloat | None = None
    """None: 0.7, and 0 where one answer is asked for."""
    max_tokens: PositiveInt = 512
    """Output tokens of one call."""
    n: PositiveInt = 1
    """Most samples of one prompt that one request asks for, where the server can; each is a call nevertheless."""
    retries: int = Field(default=2, ge=0)
    """Further attempts of a call that failed for a passing reason; each counts as a call."""
    call_timeout: float = Field(default=120.0, gt=0)
    """Seconds one call may take."""
    concurrency: PositiveInt | None = 64
    """Calls of the model in flight at once, of all runs of the process that set the same number."""
    requests_per_minute: PositiveInt | None = None
    """Calls of the model that begin in a minute, likewise of all runs that set the same number."""
    tokens_per_minute: PositiveInt | None = None
    """Tokens of the model in a minute, likewise; a call counts at its worst case until it has ended."""
    self_rated: bool = False
    """Ask how sure the model is of its answer; it weighs votes where the server gives no log-probabilities."""
    on_tie: Literal["judge", "ask"] = "judge"
    """Who decides where answers are tied for most votes: a judge where confidences do not, or a person who is asked."""
    semantic: bool = False
    """Of free texts take the one most like the others, by embeddings on this machine (extra `semantic`), no judge's."""
    ask_below: float = Field(default=0.0, ge=0, le=1)
    """A person is asked, too, where answers differ and the choice has a confidence below this."""
    write_tests: int = Field(default=0, ge=0)
    """Calls that write tests for programs where there is no verifier; the programs then run in the sandbox."""
    seed: int | None = None
    """Makes a run repeatable where the model honours seeds."""

    @property
    def chosen(self) -> dict[str, Any]:
        """What was set, and is not left at its default."""
        return {name: getattr(self, name) for name in self.model_fields_set}

    @property
    def learned(self) -> Calibration | None:
        """The calibration in force."""
        return self.calibration if self.assessor.startswith("learned") else None

    @property
    def may_ask(self) -> str:
        """The setting by which a person may be asked; empty where nobody is."""
        return "on_tie='ask'" if self.on_tie == "ask" else f"ask_below={self.ask_below:g}" if self.ask_below else ""

    @property
    def stop_threshold(self) -> float:
        """The threshold in force."""
        return self.threshold if self.threshold is not None else PRESETS[self.effort][0]

    @property
    def sample_cap(self) -> int:
        """The most samples in force."""
        return self.max_samples if self.max_samples is not None else PRESETS[self.effort][1]

    @property
    def least_share(self) -> float:
        """The quorum in force."""
        return self.quorum if self.quorum is not None else PRESETS[self.effort][2]


def parse_settings(hidden: Collection[str] = (), /, **values: object) -> Settings:
    """Validate, with an error of one line that names the value; it lists no settings that are hidden from the caller.

    Raises:
        UsageError: a value is out of its range or unknown.

    """
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise UsageError(explain(error, hidden)) from None


def explain(error: ValidationError, hidden: Collection[str] = ()) -> str:
    """Put the first complaint into one line: the name, the value, the rule."""
    first = error.errors()[0]
    name, value = ".".join(map(str, first["loc"])), repr(first["input"])
    value = value if len(value) <= LONGEST else f"{value[:LONGEST]}…"
    if first["type"] == "extra_forbidden":
        return f"{name}={value} is unknown: {known_beside(*map(str, first['loc']), hidden=hidden)}"
    rule = f"give {ASSESSORS}" if name == "assessor" else first["msg"].lower()
    return f"{name}={value} cannot be used: {rule}"


CALLED = {"max_output": "max_tokens"}
"""Settings by the names of their options, where these differ."""


def known_beside(*place: str, hidden: Collection[str] = ()) -> str:
    """Say what may stand where a name is unknown: what comes closest to it, and all there is."""
    kind, fields = ("limits", Budget.model_fields) if place[0] == "budget" else ("settings", Settings.model_fields)
    known = [name for name in fields if name not in hidden]
    meant = [f"budget={{{name!r}: …}}" for name in place[:1] if name in Budget.model_fields]
    meant += map(repr, [CALLED[place[-1]]] if place[-1] in CALLED else get_close_matches(place[-1], known, 1))
    listed = f"the {kind} are {', '.join(known)}"
    return f"did you mean {meant[0]}? T{listed[1:]}" if meant else listed
