"""Records are merged by id."""

from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from ponder.state.budget import Call
from ponder.state.merge import merge
from ponder.state.run import Candidate, Verdict

candidates = st.builds(
    Candidate,
    id=st.sampled_from("abc"),
    text=st.sampled_from(["x", "y", ""]),
    error=st.sampled_from(["", "failed"]),
    verdict=st.none() | st.just(Verdict(score=1)),
)
lists = st.lists(candidates, max_size=5).map(partial(merge, []))


def ranks(items: list[Candidate]) -> list[tuple[str, object]]:
    return [(item.id, item.rank) for item in items]


@given(lists, lists, lists)
def test_merging_is_idempotent_commutative_and_associative(
    a: list[Candidate], b: list[Candidate], c: list[Candidate]
) -> None:
    assert merge(merge(a, b), b) == merge(a, b)
    assert ranks(merge(a, b)) == ranks(merge(b, a))
    assert ranks(merge(merge(a, b), c)) == ranks(merge(a, merge(b, c)))


def test_a_settled_call_replaces_its_reservation_in_either_order() -> None:
    reserved = Call(id="1", kind="sample", branch="b")
    done = reserved.model_copy(update={"state": "done"})
    assert merge([reserved], [done]) == merge([done], [reserved]) == [done]


def test_a_good_candidate_replaces_the_failed_one_of_its_place() -> None:
    failed, good = Candidate(id="1", error="HTTP 503"), Candidate(id="1", text="Answer: 4")
    assert merge([failed], [good]) == merge([good], [failed]) == [good]
