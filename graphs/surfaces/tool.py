"""ponder as a tool of any agent: it hands over one hard problem and gets one answer, with how sure that is."""

from typing import Annotated, Any

from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, Field

from ...state.run import Answer
from ..app import create_ponder
from ..models import ModelLike
from ..unheard import unheard

DESCRIPTION = """Solve one hard, self-contained problem by thinking about it several times and comparing the results.
It sees nothing of this conversation: put everything it needs into the problem."""


class Input(BaseModel):
    """What the agent gives."""

    problem: Annotated[str, Field(description="The whole problem, with all that is needed to solve it.")]


def as_tool(
    model: ModelLike | None = None, *, name: str = "ponder", description: str = DESCRIPTION, **options: Any
) -> BaseTool:
    """Return a tool that solves; options are those of `create_ponder`, and the whole `Answer` is its artifact.

    In an agent with a checkpointer a solve is stored with it, and goes on with it where the process was killed.
    """
    graph: Any = create_ponder(model, name=name, **options)

    def solve(problem: str) -> tuple[str, Answer]:
        answer: Answer = graph.invoke({"problem": problem})["answer"]
        return said(answer), answer

    async def asolve(problem: str) -> tuple[str, Answer]:
        answer: Answer = (await graph.ainvoke({"problem": problem}))["answer"]
        return said(answer), answer

    return StructuredTool.from_function(
        func=solve,
        coroutine=asolve,
        name=name,
        description=description,
        args_schema=Input,
        response_format="content_and_artifact",
    )


def said(answer: Answer) -> str:
    """Write an answer for the model that asked."""
    if answer.answer is None:
        why = f": {told}" if (told := unheard(answer)) else ""
        return f"No answer was found{why or f' in {answer.spent.calls} calls ({answer.stopped_because})'}."
    return f"{answer.answer}\n(confidence {answer.confidence:.2f}, by {answer.decided_by})"
