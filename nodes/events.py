"""What a run tells while it runs: LangGraph's `custom` stream, one class for each type of event.

`solve(on_event=…)`, the command line, the endpoint, Studio and any reader of the graph's stream are told the same.
"""

from typing import Annotated, Any, Literal

from langgraph.config import get_stream_writer
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ..state.budget import Call
from ..state.run import Assessment, Candidate, Selection, StopReason
from .telemetry import announce


def whole(schema: dict[str, Any]) -> None:
    """Say that version and type are always sent; what has its default is not."""
    schema["required"] = ["version", "type", *schema.get("required", [])]


class Told(BaseModel):
    """What all events have in common."""

    model_config = ConfigDict(frozen=True, json_schema_extra=whole)

    version: Literal[1] = 1
    """Within a version fields and types are added, and none is changed or taken away."""


class Replaced(Told):
    """The thread held a finished run, which a new problem takes the place of."""

    type: Literal["replaced"] = "replaced"
    answer: str | None
    """What that run had answered."""


class Admitted(Told):
    """Calls were admitted by the budget, and are on their way."""

    type: Literal["budget"] = "budget"
    branch: str
    calls: list[Call]
    allowed: int
    """The most calls the run may make."""


class Assessed(Told):
    """The problem was assessed."""

    type: Literal["assessed"] = "assessed"
    assessment: Assessment


class Arrived(Told):
    """A candidate is there, with its verdict; once more where a model has graded it."""

    type: Literal["candidate"] = "candidate"
    branch: str
    candidate: Candidate


class Finished(Told):
    """A branch has ended."""

    type: Literal["finished"] = "finished"
    branch: str
    reason: str


class Voted(Told):
    """The votes were counted."""

    type: Literal["voted"] = "voted"
    votes: dict[str, int]
    """Answer, as it was written -> candidates that gave it, most first."""
    selection: Selection


class Escalated(Told):
    """The choice is open, and the run goes on to a branch further up."""

    type: Literal["escalated"] = "escalated"
    branch: str
    assessment: Assessment
    selection: Selection


class Selected(Told):
    """The run has ended."""

    type: Literal["selected"] = "selected"
    selection: Selection
    reason: StopReason


Event = Annotated[
    Replaced | Admitted | Assessed | Arrived | Finished | Voted | Escalated | Selected, Field(discriminator="type")
]
"""One thing that happened; its `type` says which."""
EVENTS: TypeAdapter[Event] = TypeAdapter(Event)


def read(data: object) -> Event:
    """Read an event as it comes from the stream."""
    return EVENTS.validate_python(data)


def schema() -> dict[str, Any]:
    """Return the JSON schema of the events."""
    return EVENTS.json_schema()


def emit(event: Event) -> None:
    """Send an event to whoever streams the run, and to the log."""
    announce(event)
    always = {"version": event.version, "type": event.type}
    get_stream_writer()(always | event.model_dump(mode="json", exclude_defaults=True))
