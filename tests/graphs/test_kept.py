"""What is costly to make is made once, and nobody waits for what others make."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ponder.graphs.kept import MOST, Kept

SECONDS = 30


def test_it_is_made_once_and_whoever_wants_it_meanwhile_waits() -> None:
    kept: Kept[object] = Kept()
    begun, told = threading.Event(), threading.Event()

    def make() -> object:
        begun.set()
        assert told.wait(SECONDS)
        return object()

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(kept.get, ("slow",), make)
        assert begun.wait(SECONDS)
        second = pool.submit(kept.get, ("slow",), object)
        assert pool.submit(kept.get, ("other",), lambda: "made").result(SECONDS) == "made"
        told.set()
        assert first.result(SECONDS) is second.result(SECONDS)


def test_what_could_not_be_made_is_tried_again() -> None:
    kept: Kept[int] = Kept()
    with pytest.raises(ZeroDivisionError):
        kept.get(("x",), lambda: 1 // 0)
    assert kept.get(("x",), lambda: 7) == 7


def test_what_was_not_used_for_longest_goes_first() -> None:
    kept: Kept[int] = Kept()
    for number in range(MOST + 1):
        kept.get((number,), lambda number=number: number)
        kept.get((0,), lambda: -1)
    assert kept.get((0,), lambda: -2) == 0
    assert kept.get((1,), lambda: -3) == -3
