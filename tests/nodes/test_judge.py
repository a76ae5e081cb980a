"""Two orders of one comparison."""

from ponder.nodes.judge import favourite
from ponder.state import Candidate
from ponder.state.budget import Call


def judged(attempt: int, first: str, second: str, reply: str) -> Call:
    id_ = f"2-select-000-00{first}" + (f"#{attempt}" if attempt else "")
    state = "done" if reply else "lost"
    return Call(id=id_, kind="judge", branch="select", parents=(first, second), state=state, reply=reply)


def test_attempts_that_were_lost_say_nothing_however_many_they_were() -> None:
    lost = [judged(attempt, "0", "1", "") for attempt in range(10)]
    calls = sorted([*lost, judged(10, "0", "1", "Better: 2"), judged(0, "1", "0", "Better: 1")], key=lambda it: it.id)
    liked = favourite([Candidate(id="0", answer="a"), Candidate(id="1", answer="b")], calls)
    assert liked is not None
    assert liked.id == "1"
