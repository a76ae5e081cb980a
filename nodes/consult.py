"""Turn one call into a text that is no candidate: a rating, a critique, a judgement."""

from dataclasses import dataclass

from langchain_core.runnables import RunnableConfig

from ..state.run import BranchOutput
from .call import ask
from .caller import Caller
from .task import CallRef, task_of


@dataclass(frozen=True)
class Consult:
    """Ask the model for it."""

    caller: Caller

    async def __call__(self, ref: CallRef, config: RunnableConfig) -> BranchOutput:
        asked = await ask(self.caller, task_of(ref, config))
        text = asked.reply.text if asked.reply else ""
        return {"calls": [asked.call.model_copy(update={"reply": text})]}
