"""What a run tells while it runs: LangGraph's `custom` stream, typed."""

from typing import Literal

from langgraph.config import get_stream_writer
from pydantic import BaseModel, ConfigDict

from ..state.budget import Call
from ..state.run import Assessment, Candidate, Selection
from .telemetry import announce


class Event(BaseModel):
    """One thing that happened; `type` says which fields are set."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    type: Literal["budget", "assessed", "candidate", "finished", "voted", "escalated", "selected"]
    branch: str = ""
    calls: list[Call] = []
    """`budget`: the calls just admitted."""
    allowed: int = 0
    """`budget`: the most calls the run may make."""
    votes: dict[str, int] = {}
    """`voted`: answer, as it was written -> candidates that gave it, most first."""
    candidate: Candidate | None = None
    assessment: Assessment | None = None
    """`assessed`, `escalated`."""
    selection: Selection | None = None
    """`voted`, `escalated`, `selected`."""
    reason: str = ""
    """`finished`: why the branch ended."""


def emit(event: Event) -> None:
    """Send an event to whoever streams the run, and to the log."""
    announce(event)
    get_stream_writer()(event.model_dump(mode="json", exclude_defaults=True) | {"type": event.type})
