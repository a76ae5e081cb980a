"""Ask for one solution, with one prompting strategy."""

from dataclasses import dataclass

from langchain_core.runnables import RunnableConfig

from ..state.run import BranchOutput
from . import prompts
from .call import CallRef, call_of, view_of
from .ports import ChatModel, Verifier
from .propose import propose


@dataclass(frozen=True)
class Sample:
    """Ask the model once for a solution."""

    model: ChatModel
    verifier: Verifier | None = None

    async def __call__(self, ref: CallRef, config: RunnableConfig) -> BranchOutput:
        view = view_of(config)
        call = call_of(view, ref)
        messages = prompts.solve(view.problem, call.strategy)
        return await propose(self.model, self.verifier, messages, call, view)
