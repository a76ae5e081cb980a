"""One stored run, and what `--json` and `export` tell of it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...nodes.view import View
    from ...state.budget import Call, Spent
    from ...state.question import Question
    from ...state.run import Answer, Visit
    from ...state.threads import Thread


@dataclass(frozen=True)
class Stored:
    """One run: what the store says of its thread, and its state, with what unfinished branches have by now."""

    thread: "Thread"
    view: "View"
    question: "Question | None" = None
    """What a person is waited for to say."""

    @property
    def status(self) -> str:
        """The status in a word."""
        return "waiting" if self.question and self.thread.status == "unfinished" else self.thread.status

    @property
    def told(self) -> bool:
        """Something is known of it beyond its thread: ponder wrote it, and it can be read."""
        return self.thread.status != "foreign" and not self.thread.unreadable

    @property
    def answer(self) -> "Answer | None":
        """The outcome; none while a run is not finished, whatever an earlier one on its thread said."""
        return self.view.state.get("answer") if self.thread.status == "finished" else None

    @property
    def route(self) -> list[str]:
        """The branches taken so far, the current one included."""
        named = {visit.id: visit.branch for visit in self.view.state.get("visits") or []}
        named |= {call.id: call.branch for call in self.view.calls}
        return list(dict.fromkeys(named[key] for key in sorted(named)))

    @property
    def unsettled(self) -> "list[Call]":
        """The calls of which the run does not know yet how they ended."""
        return [call for call in self.view.calls if call.state == "reserved"]

    @property
    def standing(self) -> str:
        """What these are in a word: of a run that nobody works on only its journal knows, which a resume asks."""
        return "under way" if self.thread.status == "running" else "open"

    @property
    def counted(self) -> "list[Call]":
        """The calls that count against the limits and have come to an end, as far as that is known."""
        return [call for call in self.view.calls if call.state not in {"unmade", "reserved"}]

    @property
    def spent(self) -> "Spent":
        """What was paid by now, in the same words as at the end."""
        from ...state.budget import Spent

        return self.answer.spent if self.answer else Spent.of(self.counted)

    def spent_on(self, visit: "Visit") -> "Spent":
        """Add up what a branch that has ended was paid."""
        from ...state.budget import Spent

        return Spent.of(call for call in self.counted if call.id.startswith(f"{visit.id}-"))

    def row(self) -> dict[str, Any]:
        """Tell of the run in one flat object, whose fields are named as an answer's are."""
        thread, told = self.thread, self.told
        return {
            "thread_id": thread.id,
            "status": self.status,
            "unreadable": thread.unreadable or None,
            "problem": self.view.problem.text if told else None,
            "answer": self.answer and self.answer.answer,
            "allowed": self.view.allowed if told else None,
            "route": self.route,
            "spent": self.spent.model_dump() if told else None,
            "unsettled": len(self.unsettled) if told else None,
            "updated": thread.changed.isoformat(),
            "age_seconds": round(thread.age),
            "held_by": thread.holder and f"process {thread.holder.owner.pid} on {thread.holder.owner.host}",
            "held_until": thread.holder and thread.holder.time,
        }

    def outcome(self) -> dict[str, Any]:
        """Tell how the run came to where it is."""
        state, answer = self.view.state, self.answer
        assessment = state.get("assessment")
        return {
            "assessment": assessment and assessment.model_dump(),
            "visits": [visit.model_dump() for visit in state.get("visits") or []],
            "candidates": [item.model_dump() for item in (answer.candidates if answer else self.view.candidates)],
            "text": answer and answer.text,
            "confidence": answer and answer.confidence,
            "decided_by": answer and answer.decided_by,
            "stopped_because": answer and answer.stopped_because,
            "finalists": self.question and [item.model_dump() for item in self.question.finalists],
        }

    def everything(self) -> dict[str, Any]:
        """Tell everything, down to the single call."""
        begun = [call.started for call in self.view.calls if call.started]
        settings = self.view.state.get("settings")
        return {
            **self.row(),
            **self.outcome(),
            "messages": [message.model_dump() for message in self.view.problem.messages],
            "settings": settings and settings.model_dump(),
            "calls": [call.model_dump() for call in self.view.calls],
            "first_call": datetime.fromtimestamp(min(begun), UTC).isoformat() if begun else None,
            "checkpoints": self.thread.checkpoints,
        }
