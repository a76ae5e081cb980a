"""What a budget admits, and what a ledger adds up to."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.state import Budget, Spent, UsageError
from ponder.state.budget import Call, Ledger, Usage, busy_seconds, cost, cost_usd
from ponder.state.pricing import Price
from ponder.state.settings import Settings, parse_settings

spans = st.tuples(st.floats(1, 100), st.floats(0, 20))


def call(number: int, state: str = "reserved", worst: int = 100, used: int = 0) -> Call:
    usage = Usage(input_tokens=used)
    return Call(id=f"{number:03d}", kind="sample", branch="b", state=state, worst_tokens=worst, usage=usage)  # type: ignore[arg-type]


OUTCOMES = st.sampled_from(["done", "failed", "lost", "dropped", "unmade", "reserved"])
"""How a call may end; the last is one of a process that was killed, of which the next knows nothing else."""
CALLS = st.tuples(st.integers(1, 300), st.sampled_from([0.0, 0.3, 1.0]), OUTCOMES)
CENT = Price(input=10_000, output=10_000)
"""A token costs one."""


@settings(max_examples=400)
@given(
    limit=st.integers(1, 20),
    tokens=st.integers(1, 600) | st.none(),
    cents=st.integers(1, 600) | st.none(),
    waves=st.lists(st.lists(CALLS, max_size=8), max_size=6),
)
def test_no_order_of_waves_crashes_and_usages_passes_a_cap(
    limit: int, tokens: int | None, cents: int | None, waves: list[list[tuple[int, float, str]]]
) -> None:
    budget = Budget(max_calls=limit, max_tokens=tokens, max_usd=None if cents is None else cents / 100)
    calls: list[Call] = []
    paid = made = number = 0
    for wave in waves:
        wanted = []
        for worst, _, _ in wave:
            number += 1
            wanted.append(priced(call(number, worst=worst)))
        admitted = Ledger(budget=budget, calls=tuple(calls)).admit(wanted)
        reserved = [*calls, *admitted]
        assert sum(item.state != "unmade" for item in reserved) <= limit
        assert tokens is None or sum(map(cost, reserved)) <= tokens
        assert cents is None or sum(cost_usd(item) or 0 for item in reserved) <= cents / 100 + 1e-9
        for item, (worst, share, state) in zip(admitted, wave, strict=False):
            used = 0 if state == "unmade" else int(worst * share)
            paid, made = paid + used, made + (state != "unmade")
            calls.append(priced(call(int(item.id), state, worst, used if state in {"done", "failed"} else 0)))
    assert made <= limit  # what was really paid and made, whatever the ledger knows of it
    assert tokens is None or paid <= tokens
    assert cents is None or paid <= cents


def priced(one: Call) -> Call:
    settled = one.state in {"done", "failed"}
    return one.model_copy(update={"worst_usd": one.worst_tokens / 100, "usd": CENT.of(one.usage) if settled else None})


def test_admits_the_longest_head_that_fits() -> None:
    ledger = Ledger(budget=Budget(max_tokens=250), calls=(call(0, "done", used=50),))
    assert [item.id for item in ledger.admit([call(1), call(2), call(3)])] == ["001", "002"]


def test_a_call_that_never_settled_keeps_its_worst_case_and_is_lost() -> None:
    calls = [call(0, "done", used=7), call(1, "reserved", worst=100)]
    assert Ledger(budget=Budget(max_tokens=206), calls=tuple(calls)).admit([call(2)]) == []
    spent = Spent.of(calls)
    assert spent == Spent(calls=1, input_tokens=7, lost=1, lost_tokens=100)
    assert Budget(max_calls=2, max_tokens=250).left(spent.used) == {"max_calls": 0, "max_tokens": 143}
    assert Spent.sum([spent, spent]) == Spent(calls=2, input_tokens=14, lost=2, lost_tokens=200)


def test_no_seconds_left_admits_nothing() -> None:
    done = call(0, "done").model_copy(update={"started": 100.0, "seconds": 2.0})
    assert Ledger(budget=Budget(max_seconds=2), calls=(done,)).admit([call(1)]) == []
    assert Ledger(budget=Budget(max_seconds=3), calls=(done,)).admit([call(1)]) == [call(1)]


@given(st.lists(spans, max_size=8))
def test_busy_seconds_lie_between_the_longest_call_and_all_in_a_row(times: list[tuple[float, float]]) -> None:
    calls = [call(i).model_copy(update={"started": start, "seconds": s}) for i, (start, s) in enumerate(times)]
    busy = busy_seconds(calls)
    assert max((s for _, s in times), default=0) - 1e-6 <= busy <= sum(s for _, s in times) + 1e-6
    assert busy == busy_seconds(calls[::-1])


def test_a_pause_between_calls_does_not_count() -> None:
    before = call(0).model_copy(update={"started": 100.0, "seconds": 2.0})
    overlapping = call(1).model_copy(update={"started": 101.0, "seconds": 3.0})
    after_a_day = call(2).model_copy(update={"started": 86_400.0, "seconds": 1.0})
    assert busy_seconds([before, overlapping, after_a_day]) == pytest.approx(5)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"budget": {"max_calls": 0}}, "budget.max_calls=0 cannot be used: input should be greater than 0"),
        ({"budget": {"max_calls": -3}}, "budget.max_calls=-3"),
        ({"effort": "huge"}, "effort='huge' cannot be used"),
        ({"assessor": "fixed:11"}, "assessor='fixed:11'"),
        ({"assessor": "fixed:10.5"}, "assessor='fixed:10.5'"),
        ({"colour": "red"}, "colour='red' is unknown: the settings are policy, effort, "),
        ({"windw": 3}, "windw=3 is unknown: did you mean 'window'? The settings are policy, effort, "),
        ({"max_output": 3}, "max_output=3 is unknown: did you mean 'max_tokens'? The settings are policy, effort, "),
        ({"max_calls": 3}, "max_calls=3 is unknown: did you mean budget={'max_calls': …}? The settings are policy"),
        (
            {"budget": {"max_call": 3}},
            "budget.max_call=3 is unknown: did you mean 'max_calls'? The limits are max_calls",
        ),
        ({"effort": "huge" * 999}, "hug… cannot be used: input should be 'low'"),
    ],
)
def test_a_setting_out_of_range_is_one_line_that_names_it(values: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_settings(**values)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_preset_fills_only_what_is_not_set() -> None:
    assert (Settings(effort="fast").stop_threshold, Settings(effort="fast").sample_cap) == (0.80, 8)
    assert Settings(effort="fast", threshold=0.99).stop_threshold == 0.99
    assert Settings(effort="thorough", max_samples=5).sample_cap == 5
