"""Ask a person which answer is right, on a tie or in doubt: LangGraph's `interrupt` stops the run, a reply goes on.

The step runs again from its start when the reply is there; it makes no call, so nothing is paid twice.
"""

from langchain_core.runnables import RunnableConfig
from langgraph.types import interrupt

from ..state.errors import UsageError
from ..state.question import Finalist, Question
from ..state.run import Candidate, Selection
from .selectors import EVIDENCE
from .selectors.ballot import elected, refutes, spokesman, tied
from .selectors.judge import FINALISTS
from .task import CHECKPOINTER
from .view import View
from .vote import tally


def is_tie(view: View) -> bool:
    """Say whether several answers have the most votes, and nothing but votes speaks for them."""
    return len(tied(view)) > 1 and not any(rule(view) for rule in EVIDENCE)


def rivals(view: View, selection: Selection) -> list[Candidate]:
    """Return who speaks for each of the answers with most votes where a choice is in doubt; none where it is not."""
    if selection.confidence >= view.settings.ask_below:
        return []
    votes = [item for item in view.votes if not refutes(item)]
    found = [spokesman(votes, answer) for answer in tally(votes)]
    return found[:FINALISTS] if len(found) > 1 else []


def ask(view: View, finalists: list[Candidate]) -> Selection:
    """Return the choice of a person; a reply that names no finalist is answered with the question."""
    question = put(view, finalists)
    form = {"type": "integer", "minimum": 1, "maximum": len(finalists)}
    while True:
        reply: object = interrupt(question.model_dump(mode="json"), response_schema=form)
        number = int(reply) if isinstance(reply, int | str) and str(reply).strip().isdecimal() else 0
        if 0 < number <= len(finalists):
            return elected(view, finalists[number - 1], "person", 0)
        question = question.model_copy(update={"error": f"{reply!r} is none of the numbers 1 to {len(finalists)}"})


def put(view: View, finalists: list[Candidate]) -> Question:
    """Write the question."""
    counts = tally(view.votes)
    listed = [
        Finalist(number=number, answer=item.raw or "", votes=int(counts[item.answer or ""]), text=item.text)
        for number, item in enumerate(finalists, 1)
    ]
    return Question(problem=view.problem.text, finalists=listed)


def check_asking(view: View, config: RunnableConfig) -> None:
    """Refuse to ask where no checkpointer could keep the run meanwhile."""
    if (setting := view.settings.may_ask) and not config.get("configurable", {}).get(CHECKPOINTER):
        raise UsageError(f"{setting} needs a checkpointer, which keeps the run while it waits: compile with one")
