"""Turn one call into one candidate: ask, read the answer off, verify."""

import math
from dataclasses import dataclass

from langchain_core.runnables import RunnableConfig

from ..state.run import Asked, BranchOutput, Candidate, Verdict
from .call import Caller
from .events import Event, emit
from .flight import Enough
from .form import answer_in
from .ports import Verifier
from .task import CallRef, task_of
from .verify import verify
from .view import View

LOST = "lost: the process that made the call ended before its reply was kept"


@dataclass(frozen=True)
class Propose:
    """Ask the model for a candidate: a sample, a revision, a variation."""

    caller: Caller
    verifier: Verifier | None = None
    enough: Enough | None = None
    """Whether the rest of its wave can be let go."""

    async def __call__(self, ref: CallRef, config: RunnableConfig) -> BranchOutput:
        task = task_of(ref, config, self.enough)
        asked = await self.caller.ask(task)
        candidate = read(asked, self.caller.model.name, task.view)
        if self.verifier is not None and not candidate.error and candidate.verdict is None:
            candidate = await verify(self.verifier, task.view.problem, candidate)
        if task.flight is not None:
            task.flight.land(candidate)
        emit(Event(type="candidate", branch=task.call.branch, candidate=candidate))
        return {"calls": [asked.call], "candidates": [candidate]}


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
    whole = reply.finish in {"stop", "other"} and bool(reply.text.strip() or reply.tool_calls)
    found, wrong = answer_in(reply, view.problem) if whole else (None, "")
    sure = None if reply.mean_logprob is None else math.exp(min(0.0, reply.mean_logprob))
    return candidate.model_copy(
        update={
            "text": reply.text,
            "tool_calls": reply.tool_calls,
            "raw": found and found.raw,
            "answer": found and found.canonical,
            "verdict": Verdict(score=0, passed=False, feedback=wrong, kind="weak") if wrong else None,
            "finish": reply.finish,
            "confidence": sure,
            "confidence_source": None if sure is None else "logprob",
        }
    )
