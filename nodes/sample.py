"""Ask for one solution, with one prompting strategy."""

from dataclasses import dataclass

from langchain_core.runnables import RunnableConfig

from ..state.run import BranchOutput
from . import prompts
from .call import CallRef, task_of
from .ports import ChatModel, Verifier
from .propose import propose


@dataclass(frozen=True)
class Sample:
    """Ask the model once for a solution."""

    model: ChatModel
    verifier: Verifier | None = None

    async def __call__(self, ref: CallRef, config: RunnableConfig) -> BranchOutput:
        task = task_of(ref, config)
        messages = prompts.solve(task.view.problem, task.call.strategy)
        return await propose(self.model, self.verifier, messages, task)
