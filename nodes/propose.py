"""Turn one call into one candidate: ask, read the answer off, verify."""

import asyncio
import math
import re
from dataclasses import dataclass

from langchain_core.runnables import RunnableConfig

from ..state.run import Asked, BranchOutput, Candidate, Verdict
from .answers.process import WouldWait, unwaiting
from .call import ask
from .critique import find
from .events import Arrived, emit
from .flight import Enough
from .prompts import is_self_rated
from .reply import answer_in
from .self_rating import self_rating
from .task import CallRef, Task, task_of
from .verify import Checks, verify
from .view import View

FINISHED = re.compile(r"\banswer(?: is\b|\s*:)|####|\\boxed|```", re.IGNORECASE)
"""What only the last of several steps holds."""
QUICK = 2000
"""Characters that are read within some 30 ms, whatever they are: longer ones would hold the event loop up."""
LOST = "lost: the process that made the call ended before its reply was kept"


@dataclass(frozen=True)
class Propose:
    """Ask the model for a candidate: a sample, a revision, a variation."""

    checks: Checks
    enough: Enough | None = None
    """Whether the rest of its wave can be let go."""

    async def __call__(self, ref: CallRef, config: RunnableConfig) -> BranchOutput:
        task = task_of(ref, config, self.settled if self.enough else None)
        with task.aboard():
            asked = await ask(self.checks.caller, task)
            candidate = await self.read(task, asked)
        task.flight.land(candidate)
        emit(Arrived(branch=task.call.branch, candidate=candidate))
        return {"calls": [asked.call], "candidates": [candidate]}

    async def read(self, task: Task, asked: Asked) -> Candidate:
        """Make a candidate of a call, with its verdict."""
        candidate = await read_soon(asked, self.checks.caller.model.name, task.view)
        verifier = self.checks.of(task.view.problem)
        if verifier is None or candidate.error or candidate.verdict is not None:
            return candidate
        return await verify(verifier, task.view.problem, candidate)

    def settled(self, view: View, flying: int) -> bool:
        """Say whether the rest of the wave can be let go, as the branch sees it: an exact verifier outvotes any."""
        return self.enough is not None and self.enough(self.checks.view(view.branch, view.state), flying)


async def read_soon(asked: Asked, model: str, view: View) -> Candidate:
    """Make a candidate of a reply: at once where that is quick, in a thread where a formula waits for its process."""
    if asked.reply is None or len(asked.reply.text) <= QUICK:
        try:
            with unwaiting():
                return read(asked, model, view)
        except WouldWait:
            pass
    return await asyncio.to_thread(read, asked, model, view)


def read(asked: Asked, model: str, view: View) -> Candidate:
    """Make a candidate of a reply; a truncated one holds no answer."""
    call, reply = asked.call, asked.reply
    candidate = Candidate(
        id=call.candidate_id,
        branch=call.branch,
        strategy="" if view.problem.verbatim else call.strategy,
        model=(reply and reply.model) or model,
        parents=call.parents,
        usage=call.usage,
    )
    if reply is None:
        return candidate.model_copy(update={"finish": "error", "error": call.error or LOST})
    rated = is_self_rated(view) and call.kind != "step"
    text, rating = self_rating(reply.text) if rated else (reply.text, None)
    tools = reply.tool_calls
    whole = reply.finish in {"stop", "other"} and bool(text.strip() or tools)
    if call.kind == "step":
        # It is written behind the steps before it; only one that says so is the last.
        whole = whole and (FINISHED.search(text) is not None or bool(tools))
        text = "\n".join([*(find(view, parent).text for parent in call.parents), text.strip()])
    found, wrong = answer_in(text, tools, view.problem) if whole else (None, "")
    sure, source = rating, None if rating is None else "self-rated"
    if reply.mean_logprob is not None:
        sure, source = math.exp(min(0.0, reply.mean_logprob)), "logprob"
    return candidate.model_copy(
        update={
            "text": text,
            "tool_calls": tools,
            "raw": found and found.raw,
            "answer": found and found.canonical,
            "aliases": found.aliases if found else (),
            "verdict": Verdict(score=0, passed=False, feedback=wrong, kind="weak") if wrong else None,
            "finish": reply.finish,
            "confidence": sure,
            "confidence_source": source,
        }
    )
