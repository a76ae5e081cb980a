"""Ask for a better version of a candidate, or for another one that avoids its mistakes."""

from dataclasses import dataclass

from langchain_core.runnables import RunnableConfig

from ..state.run import BranchOutput
from . import prompts
from .call import CallRef, task_of
from .critique import feedback_on, find
from .ports import ChatModel, Verifier
from .propose import propose


@dataclass(frozen=True)
class Revise:
    """Ask the model to improve on a candidate by the feedback on it."""

    model: ChatModel
    verifier: Verifier | None = None
    prompt: str = prompts.REVISE

    async def __call__(self, ref: CallRef, config: RunnableConfig) -> BranchOutput:
        task = task_of(ref, config)
        parent = find(task.view, task.call.parents[0])
        feedback = feedback_on(task.view, parent)
        messages = prompts.improve(self.prompt, task.view.problem, parent, feedback.words if feedback else "")
        return await propose(self.model, self.verifier, messages, task)
