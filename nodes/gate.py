"""The one gate that every model call of a run passes: reserved in the ledger, at its worst case, before it starts."""

from collections.abc import Sequence

from langchain_core.messages import BaseMessage
from langgraph.types import Send

from ..state.budget import Call, Usage
from ..state.form import Form
from ..state.run import StopReason
from .estimate import length
from .prompts import form_for, prompt_for
from .view import View

TEMPLATE_TOKENS = 64
"""Most tokens that a chat template puts around the messages, its own system prompt included."""
MESSAGE_TOKENS = 8
"""Most tokens it puts around each message."""


def reserve(view: View, wanted: Sequence[Call]) -> list[Call]:
    """Return the head of `wanted` that fits allowance and budget, each call at its worst case."""
    return view.share.admit(at_worst(view, call) for call in wanted[: view.allowance])


def limit_on(view: View, wanted: Sequence[Call]) -> StopReason | None:
    """Name what keeps the first of `wanted` from being made; None where nothing does."""
    if view.allowance == 0:
        limit = view.settings.budget.max_calls
        return "max_calls" if limit is not None and view.ledger.made >= limit else "compute budget"
    return view.share.exceeded_by([at_worst(view, call) for call in wanted[:1]])


def at_worst(view: View, call: Call) -> Call:
    """Return the call with the most it can cost, as far as the run knows."""
    read, written = read_at_most(prompt_for(view, call), form_for(view, call)), call.max_tokens + view.beyond
    usd = None if view.price is None else view.price.of(Usage(input_tokens=read, output_tokens=written))
    return call.model_copy(update={"worst_tokens": read + written, "worst_usd": usd})


def read_at_most(messages: Sequence[BaseMessage], form: Form) -> int:
    """Return the most tokens that a prompt can be: no common tokenizer makes more of a text than it has bytes."""
    return TEMPLATE_TOKENS + MESSAGE_TOKENS * len(messages) + length(messages, form)


def sends(calls: Sequence[Call]) -> list[Send]:
    """Make each call a task of its own, at the node that is named like its kind; it carries only the id."""
    return [Send(call.kind, {"call_id": call.id}) for call in calls]
