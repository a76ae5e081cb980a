"""Ask the model how hard the problem is."""

from dataclasses import dataclass

from langchain_core.runnables import RunnableConfig

from ..state.run import BranchOutput
from . import prompts
from .call import CallRef, ask, settled, task_of
from .ports import ChatModel


@dataclass(frozen=True)
class Rate:
    """Ask the model for a difficulty from 1 to 10."""

    model: ChatModel

    async def __call__(self, ref: CallRef, config: RunnableConfig) -> BranchOutput:
        task = task_of(ref, config)
        problem = task.view.problem
        messages = prompts.chat(problem, prompts.RATE.format(problem=problem.text))
        return settled(await ask(self.model, messages, task))
