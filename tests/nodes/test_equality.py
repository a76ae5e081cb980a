"""Answers are equal by meaning: a table of pairs, the laws of an equality, and what no answer may cost."""

import asyncio
import json
import random
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.nodes.agree import agreed
from ponder.nodes.answers import allowance, canonical, cluster, equal, extract
from ponder.nodes.answers.process import Evaluator, Named
from ponder.nodes.answers.process import evaluator as shared
from ponder.state.run import AnswerType, Candidate
from tests.hostile import HARD, HOSTILE, UNITS, cost_of

TABLE = Path(__file__).parent.parent / "data" / "equality.jsonl"
TYPES: list[AnswerType | None] = [None, *get_args(AnswerType)]
SECONDS = 2
MEGABYTES = 200


@cache
def table() -> list[tuple[AnswerType | None, str, str, bool]]:
    rows = map(json.loads, TABLE.read_text().splitlines())
    return [(row["type"], row["a"], row["b"], row["same"]) for row in rows]


answers = st.one_of(st.sampled_from([text for _, *pair, _ in table() for text in pair]), st.text(max_size=12))
types = st.sampled_from(TYPES)


def test_the_table_is_decided_as_it_says_in_both_orders() -> None:
    assert len(table()) >= 300
    forth = [(kind, a, b) for kind, a, b, same in table() if equal(a, b, kind) is not same]
    back = [(kind, a, b) for kind, a, b, same in table() if equal(b, a, kind) is not same]
    assert (forth, back) == ([], [])


@given(answers, answers, types)
@settings(max_examples=150, deadline=None)
def test_equality_is_reflexive_and_symmetric(a: str, b: str, kind: AnswerType | None) -> None:
    assert equal(a, a, kind)
    assert equal(a, b, kind) == equal(b, a, kind)


@given(st.lists(answers, max_size=8), types, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_clusters_do_not_depend_on_the_order_of_arrival(
    given_: list[str], kind: AnswerType | None, chance: random.Random
) -> None:
    order = list(range(len(given_)))
    chance.shuffle(order)
    forward = {frozenset(group) for group in cluster(given_, kind)}
    shuffled = {frozenset(order[i] for i in group) for group in cluster([given_[i] for i in order], kind)}
    assert forward == shuffled
    assert sorted(index for group in cluster(given_, kind) for index in group) == list(range(len(given_)))


@pytest.mark.parametrize(
    ("given_", "groups"),
    [
        (["5", "5 km", "5000 m"], [[0, 1, 2]]),
        (["5", "5 km", "5 miles"], [[0], [1], [2]]),
        (["5", "5000", "5 km", "5000 m"], [[0], [1], [2, 3]]),
        (["B", "Paris", "B. Paris", "A"], [[0, 1, 2], [3]]),
        (["5", "x = 5", "y = 5"], [[0], [1], [2]]),
        (["x^2-1", "1/2", "(x-1)(x+1)", "0.5", "50%"], [[0, 2], [1, 3, 4]]),
        ([], []),
    ],
)
def test_what_leaves_something_out_joins_what_it_can_only_mean(given_: list[str], groups: list[list[int]]) -> None:
    assert cluster(given_) == groups


def test_candidates_vote_together_where_they_mean_the_same() -> None:
    def candidates(*texts: str) -> list[Candidate]:
        found = [extract(text) for text in texts]
        return [
            Candidate(id=str(index), answer=item and item.canonical, aliases=item.aliases if item else ())
            for index, item in enumerate(found)
        ]

    def votes(chosen: Sequence[Candidate]) -> list[str | None]:
        return [item.answer for item in agreed(chosen)]

    assert len(set(votes(candidates("Answer: 5", "Answer: 5 km", "Answer: 5000 m")))) == 1
    assert len(set(votes(candidates("Answer: 5", "Answer: 5 km", "Answer: 5 miles")))) == 3
    assert votes(candidates("", "Answer: 5")) == [None, "5"]
    assert agreed(agreed(candidates("Answer: 5", "Answer: 5 km"))) == agreed(candidates("Answer: 5", "Answer: 5 km"))


def test_no_answer_takes_more_than_two_seconds_or_200_megabytes() -> None:
    canonical("x+1", "math")  # starting the process is not the answer's cost
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("Linux alone says what a call has cost")
    # `tests.benchmarks.equality --hostile` reads all of them as every type.
    read: list[tuple[str, AnswerType | None]] = [(f"{unit!r} again and again", None) for unit in UNITS[::4]]
    for name in HARD:
        read.append((name, "code" if "program" in name else "json" if "JSON" in name else "math"))  # noqa: PERF401
    costly = []
    for name, kind in read:

        def both(text: str = HOSTILE[name], kind: AnswerType | None = kind) -> None:
            extract("The answer is " + text, kind)
            assert equal(text, text, kind)

        cost = cost_of(both)
        if cost.cpu > SECONDS or cost.here + cost.there > MEGABYTES:
            costly.append((name, kind, cost))
    assert costly == []


def test_a_list_of_hard_formulas_has_no_more_time_than_one() -> None:
    assert canonical("x+1", "math")
    hard = [rf"(1+x)^{{(1+x)^{{(1+x)^{{{n}99}}}}}}" for n in range(1, 5)]
    used = cost_of(lambda: canonical(", ".join(hard), "math")).cpu if Path("/proc/self/clear_refs").exists() else 0
    assert used < 1.5 * allowance.SECONDS
    # The next one has all of its time again.
    assert equal(r"\sin(x)^2+\cos(x)^2", "1", "math")


def test_formulas_are_compared_in_threads_and_under_a_running_loop() -> None:
    async def compare() -> list[bool]:
        pairs = [(f"x^2-{n * n}", f"(x-{n})(x+{n})") for n in range(11, 17)]
        return await asyncio.gather(*(asyncio.to_thread(equal, a, b, "math") for a, b in pairs))

    assert all(asyncio.run(compare()))


HANGS = """
import json, sys, time
print("ready", flush=True)
for line in sys.stdin:
    asked, seconds = json.loads(line)
    if asked == "hang":
        time.sleep(60)
    if asked == "end":
        sys.exit()
    print(json.dumps([asked, 0.1]), flush=True)
"""


def test_a_process_that_hangs_is_killed_and_one_that_ended_is_started_again(tmp_path: Path) -> None:
    program = tmp_path / "hangs.py"
    program.write_text(HANGS)
    evaluator = Evaluator(program, patience=0.2)
    try:
        first = evaluator.running()
        assert first is not None
        assert evaluator.key("hang", 1) == Named(None, 1, late=True)
        assert first.returncode is not None
        assert evaluator.key("1", 1) == Named("1", 0.1)
        second = evaluator.process
        assert second is not None
        assert evaluator.key("end", 1).key is None
        assert evaluator.key("2", 1).key == "2"
        assert second.returncode == 0
    finally:
        evaluator.stop()
    assert evaluator.process is None


def test_without_the_process_formulas_are_compared_as_they_are_written(tmp_path: Path) -> None:
    assert Evaluator(tmp_path / "missing.py").key("x", 1) == Named(None, 0)


def test_an_expression_that_takes_too_long_ends_a_copy_and_the_next_is_there_at_once() -> None:
    assert canonical("x+1", "math")
    process = shared.process
    assert process is not None
    assert shared.key(r"(1+x)^{(1+x)^{(1+x)^{999}}}", 0.05) == Named(None, 0.05, late=True)
    assert (shared.key("1+1", 1).key, shared.process, process.poll()) == ("2", process, None)


def test_numbers_are_clustered_fast() -> None:
    chance = random.Random(1)  # noqa: S311 - no secret
    votes = [[f"{chance.randrange(40) / 4}" for _ in range(64)] for _ in range(100)]
    begun = time.process_time()
    for drawn in votes:
        cluster(drawn, "number")
    assert time.process_time() - begun < 0.2
