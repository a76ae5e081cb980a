"""Let a model grade a candidate whose verdict awaits it: the second half of a verifier that asks a model."""

from dataclasses import dataclass

from langchain_core.runnables import RunnableConfig

from ..state.budget import Call
from ..state.errors import UsageError
from ..state.run import BranchOutput, Candidate, Verdict
from .call import ask
from .critique import find
from .events import Arrived, emit
from .prompts import SCORED
from .task import CallRef, Task, task_of
from .verify import Checks, asking_part, verify
from .view import View


def grades(view: View) -> list[Call]:
    """Return the calls that this branch's candidates await, each under the id of its candidate."""
    place = view.place
    waiting = [item for item in view.candidates if awaits(item) and item.id.startswith(place)]
    made = {call.id for call in view.own} if waiting else set()
    calls = [
        view.call("grade", 0, parents=(item.id,), temperature=0.0).model_copy(update={"id": f"{item.id}-grade"})
        for item in waiting
        if f"{item.id}-grade" not in made
    ]
    scored = {item.id for item in waiting if awaits(item) == SCORED}
    return [call.model_copy(update={"max_tokens": 1}) if call.parents[0] in scored else call for call in calls]


def awaits(candidate: Candidate) -> str:
    """Return what a model is still to be asked about a candidate."""
    return candidate.verdict.awaits if candidate.verdict else ""


def closed(view: View) -> list[Candidate]:
    """Return the candidates as a run ends: where a grade was to be tried again, its verdict says what was wrong."""
    wrong = {call.parents[0]: call.error for call in view.calls if call.kind == "grade" and call.error}
    return [
        item.model_copy(update={"verdict": item.verdict.model_copy(update={"failed": wrong[item.id]})})
        if item.verdict and item.verdict.awaits and item.id in wrong
        else item
        for item in view.candidates
    ]


@dataclass(frozen=True)
class Grade:
    """Ask the model, and finish the verdict."""

    checks: Checks

    async def __call__(self, ref: CallRef, config: RunnableConfig) -> BranchOutput:
        task = task_of(ref, config)
        problem, candidate = task.view.problem, find(task.view, task.call.parents[0])
        verifier = asking_part(self.checks.of(problem))
        if verifier is None:
            raise UsageError(
                f"candidate {candidate.id} awaits the verdict of a model, which the verifier given now does not ask: "
                "go on with the run's own verifier, or with another one that asks a model"
            )
        asked = await ask(self.checks.grader(problem), task)
        call = asked.call.model_copy(update={"reply": asked.reply.text if asked.reply else ""})
        if asked.reply is not None:
            verdict = verifier.read(problem, candidate, asked.reply.text)
        elif is_last(task, call):
            verdict = Verdict.failure(call.error, "weak")
        else:
            return {"calls": [call]}
        graded = await verify(verifier.settled(verdict), problem, candidate)
        emit(Arrived(branch=task.call.branch, candidate=graded))
        return {"calls": [call], "candidates": [graded]}


def is_last(task: Task, call: Call) -> bool:
    """Say whether a call that came to nothing will not be tried again, also with more time."""
    if call.state == "unmade":
        return False
    passing = call.state == "lost" or call.retry_after is not None
    over = not passing or task.view.failures(call) + 1 > task.view.settings.retries
    return bool(call.error) and not call.stopped and over
