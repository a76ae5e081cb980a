"""For free text, where no two answers are equal: the one that says most of what the others say.

Universal self-consistency (Chen et al. 2023, arXiv:2311.17311): the model reads all of them and names one. It is asked
twice, the second time in the reverse order, and a conflict is no choice.
"""

from collections.abc import Sequence

from ...state.budget import Call
from ...state.run import Candidate, Selection
from ..view import View
from .ballot import elected, last_word, tied

READ = 8
"""Most texts that are put into one prompt."""
CONSISTENT = "consistent"
"""The strategy of such a call."""
NAMED = r"consistent\W{0,4}(\d{1,2})\b"
"""How its reply ends: 'Most consistent: N'."""


def consistent(view: View) -> Selection | None:
    """Choose the text that both readings named."""
    named = [
        call.parents[number - 1]
        for call in view.calls
        if call.kind == "judge" and call.strategy == CONSISTENT and call.state == "done"
        if 0 < (number := last_word(call.reply, NAMED) or 0) <= len(call.parents)
    ]
    finalists = {candidate.id: candidate for candidate in tied(view)}
    if len(named) < 2 or len(set(named)) > 1 or named[0] not in finalists:  # noqa: PLR2004 - both orders
        return None
    return elected(view, finalists[named[0]], "consistent", 0)


def readings(view: View, finalists: Sequence[Candidate]) -> list[Call]:
    """Return the two calls that read all finalists, in both orders."""
    ids = tuple(candidate.id for candidate in finalists)
    return [
        view.call("judge", 0, index, strategy=CONSISTENT, parents=order, temperature=0.0)
        for index, order in enumerate((ids, ids[::-1]))
    ]
