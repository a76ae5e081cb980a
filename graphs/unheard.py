"""That no call of a run brought a candidate, and why: in the same words wherever it is told."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..state.run import Answer


def unheard(answer: "Answer") -> str:
    """Say so with the last reason; empty where a call brought one."""
    if not all(item.error for item in answer.candidates):
        return ""
    why = f": {answer.candidates[-1].error}" if answer.candidates else ""
    return f"no call brought a candidate{why} ({answer.stopped_because})"
