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
from ponder.nodes.answers import canonical, cluster, equal, extract
from ponder.nodes.answers.process import Evaluator
from ponder.nodes.answers.process import evaluator as shared
from ponder.state.run import AnswerType, Candidate

TABLE = Path(__file__).parent.parent / "data" / "equality.jsonl"
TYPES: list[AnswerType | None] = [None, *get_args(AnswerType)]
KILOBYTES = 10_000
SECONDS = 2


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


def filled(unit: str) -> str:
    return (unit * (KILOBYTES // len(unit) + 1))[:KILOBYTES]


HOSTILE = [
    *(filled(unit) for unit in (r"\frac{", r"\sqrt{", "(", "[", "{", "9", "1/", "1,", "1.", "$1", "9^", "x+", "A) x ")),
    *(
        filled(unit)
        for unit in ("Answer: ", "the answer is ", r"\boxed{", "```\n", "\n", "`", '"', "*", "twenty ", "\ud800", "\0")
    ),
    *(filled(unit) for unit in ("5 km/", "x=", r"(1,2)\cup", "½", "²", "ﷺ", "1+", '{"a":', "lambda:")),
    r"\frac{1}{" * 900 + "1" + "}" * 900,
    r"\begin{pmatrix}" + filled("1&2&3\\\\") + r"\end{pmatrix}",
    *("9^9^9", "10^(10^10)", "x+9^{9^{9}}", "99999999!", "x+(9!)!", "7^{99999}", "1e999", "inf", "nan"),
    *(r"\def\a{\a\a}\a", r"(x+1)^{999}", r"(x+y+z+w)^{99}", r"\sum_{i=1}^{100000000} i^{i}", r"e^{e^{e^{e^{e^e}}}}"),
    r"\int_0^1 \sin(x^{x^x}) dx",
]


def test_no_answer_takes_long() -> None:
    canonical("x+1", "math")  # starting the process is not the answer's cost
    slow = []
    for text in HOSTILE:
        for kind in (None, "number", "math"):
            begun = time.perf_counter()
            assert equal(text, text, kind)
            extract("The answer is " + text, kind)
            took = time.perf_counter() - begun
            if took > SECONDS:
                slow.append((text[:20], kind, took))
    assert slow == []


def test_formulas_are_compared_in_threads_and_under_a_running_loop() -> None:
    async def compare() -> list[bool]:
        pairs = [(f"x^2-{n * n}", f"(x-{n})(x+{n})") for n in range(11, 17)]
        return await asyncio.gather(*(asyncio.to_thread(equal, a, b, "math") for a, b in pairs))

    assert all(asyncio.run(compare()))


HANGS = """
import json, sys, time
for line in sys.stdin:
    if json.loads(line) == "hang":
        time.sleep(60)
    if json.loads(line) == "end":
        sys.exit()
    print(line.strip(), flush=True)
"""


def test_a_process_that_hangs_is_killed_and_one_that_ended_is_started_again(tmp_path: Path) -> None:
    program = tmp_path / "hangs.py"
    program.write_text(HANGS)
    evaluator = Evaluator(program, patience=0.2)
    try:
        first = evaluator.running()
        assert first is not None
        assert evaluator.key("hang") is None
        assert first.returncode is not None
        assert evaluator.key("1") == "1"
        second = evaluator.process
        assert second is not None
        assert evaluator.key("end") is None
        assert evaluator.key("2") == "2"
        assert second.returncode == 0
    finally:
        evaluator.stop()
    assert evaluator.process is None


def test_without_the_process_formulas_are_compared_as_they_are_written(tmp_path: Path) -> None:
    assert Evaluator(tmp_path / "missing.py").key("x") is None


def test_the_memory_of_the_process_is_limited() -> None:
    assert canonical("x+1", "math")
    process = shared.process
    assert process is not None
    limits = Path(f"/proc/{process.pid}/limits")
    if limits.exists():
        (memory,) = [line for line in limits.read_text().splitlines() if line.startswith("Max address space")]
        assert int(memory.split()[3]) < 300 * 2**20


def test_numbers_are_clustered_fast() -> None:
    chance = random.Random(1)  # noqa: S311 - no secret
    votes = [[f"{chance.randrange(40) / 4}" for _ in range(64)] for _ in range(100)]
    begun = time.process_time()
    for drawn in votes:
        cluster(drawn, "number")
    assert time.process_time() - begun < 0.2
