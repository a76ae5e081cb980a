"""Turn one call into one candidate: ask, read the answer off, verify."""

import math

from langchain_core.messages import BaseMessage

from ..state.run import Asked, BranchOutput, Candidate
from .answers import extract, infer_type
from .call import Task, ask
from .events import Event, emit
from .gate import View
from .ports import ChatModel, Verifier
from .verify import verify

LOST = "lost: the process that made the call ended before its reply was kept"


async def propose(model: ChatModel, verifier: Verifier | None, messages: list[BaseMessage], task: Task) -> BranchOutput:
    """Make the call and return its settled record and its candidate."""
    asked = await ask(model, messages, task)
    candidate = read(asked, model.name, task.view)
    if verifier is not None and not candidate.error:
        candidate = await verify(verifier, task.view.problem, candidate)
    emit(Event(type="candidate", branch=task.call.branch, candidate=candidate))
    return {"calls": [asked.call], "candidates": [candidate]}


def read(asked: Asked, model: str, view: View) -> Candidate:
    """Make a candidate of a reply; a truncated one holds no answer."""
    call, reply = asked.call, asked.reply
    candidate = Candidate(
        id=call.candidate_id,
        branch=call.branch,
        strategy=call.strategy,
        model=model,
        parents=call.parents,
        usage=call.usage,
    )
    if reply is None:
        return candidate.model_copy(update={"finish": "error", "error": call.error or LOST})
    problem = view.problem
    whole = reply.finish in {"stop", "other"} and bool(reply.text.strip())
    found = extract(reply.text, problem.answer_type or infer_type(problem.text)) if whole else None
    sure = None if reply.mean_logprob is None else math.exp(min(0.0, reply.mean_logprob))
    return candidate.model_copy(
        update={
            "text": reply.text,
            "raw": found and found.raw,
            "answer": found and found.canonical,
            "finish": reply.finish,
            "confidence": sure,
            "confidence_source": None if sure is None else "logprob",
        }
    )
