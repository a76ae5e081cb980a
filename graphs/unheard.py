"""That no call of a run brought a reply, and why: in the same words wherever it is told."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..state.run import Answer


def unheard(answer: "Answer") -> str:
    """Say so with the last reason; empty where a call brought a reply."""
    if not all(item.error for item in answer.candidates):
        return ""
    why = f": {answer.candidates[-1].error}" if answer.candidates else ""
    return f"none of {answer.spent.calls} calls brought a reply{why} ({answer.stopped_because})"
