"""What a report is about: one stored run, and what is looked up in it again and again."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

from ...state.budget import Call
from ...state.run import Candidate, Visit
from ..cli.stored import Stored

COLOURS = 6
"""Answers that have a colour of their own."""


@dataclass(frozen=True)
class Told:
    """A run to tell of."""

    run: Stored

    @cached_property
    def candidates(self) -> list[Candidate]:
        """All candidates, in the order of the run."""
        answer = self.run.answer
        return answer.candidates if answer else self.run.view.candidates

    @cached_property
    def calls(self) -> list[Call]:
        """All calls, the first one first."""
        return sorted(self.run.view.calls, key=lambda call: (call.started or float("inf"), call.id))

    @cached_property
    def visits(self) -> dict[str, Visit]:
        """Step and branch -> what came of it."""
        return {visit.id: visit for visit in self.run.view.state.get("visits") or []}

    @cached_property
    def by_id(self) -> dict[str, Candidate]:
        """Every candidate by its id."""
        return {item.id: item for item in self.candidates}

    @cached_property
    def made_by(self) -> dict[str, Call]:
        """Candidate -> the last attempt at the call that made it."""
        return {call.candidate_id: call for call in sorted(self.calls, key=lambda call: call.attempt)}

    @cached_property
    def said_about(self) -> dict[str, list[Call]]:
        """Candidate -> the calls that said something about it."""
        about: dict[str, list[Call]] = defaultdict(list)
        for call in self.calls:
            for parent in call.parents if call.reply else ():
                about[parent].append(call)
        return about

    @cached_property
    def chosen(self) -> Candidate | None:
        """The winner."""
        selection = self.run.view.state.get("selection")
        return self.by_id.get(selection.candidate_id or "") if self.run.answer and selection else None

    @cached_property
    def votes(self) -> dict[str, int]:
        """Canonical answer -> its votes, most first."""
        counts: dict[str, int] = {}
        for item in self.run.view.votes:
            counts[item.answer or ""] = counts.get(item.answer or "", 0) + 1
        return dict(sorted(counts.items(), key=lambda vote: -vote[1]))

    @cached_property
    def spelled(self) -> dict[str, str]:
        """Canonical answer -> how it was written first."""
        everything = [*self.candidates, *self.run.view.votes]
        return {item.answer: item.raw or "" for item in reversed(everything) if item.answer is not None}

    @cached_property
    def colours(self) -> dict[str, int]:
        """Canonical answer -> its colour: the winner's is 0, and those after the last colour share one more."""
        first = self.chosen.answer if self.chosen and self.chosen.answer is not None else None
        rest = [answer for answer in self.votes if answer != first]
        ranked = ([first] if first is not None else []) + rest
        shift = 0 if first is not None else 1
        return {answer: min(place + shift, COLOURS) for place, answer in enumerate(ranked)}

    def look(self, item: Candidate | None) -> str:
        """Return the class that paints a candidate, or a call that made none."""
        if item is None:
            return "aside"
        if item.error:
            return "failed"
        return "silent" if item.answer is None else f"a{self.colours.get(item.answer, COLOURS)}"
