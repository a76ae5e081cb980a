"""The limiter: never over a limit, in order, and nobody waits for ever, whatever is cancelled on whichever loop."""

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ponder.nodes.limits import Counts, Limiter, Limits, Slot, Turn, limiter_for


@dataclass
class Clock:
    """Time that stands until it is told to go on, and the timers set on it."""

    now: float = 1000.0
    timers: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self.timers.append((self.now + seconds, call))

    def go(self, seconds: float) -> None:
        until = self.now + seconds
        while due := [timer for timer in self.timers if timer[0] <= until]:
            first = min(due, key=lambda timer: timer[0])
            self.timers.remove(first)
            self.now = max(self.now, first[0])
            first[1]()
        self.now = until


class Watched(Limiter):
    """Remembers when calls were let in, in order; their tasks notice later, and in any order."""

    let_in: dict[Slot, float]

    def begin(self, slot: Slot, now: float) -> None:
        super().begin(slot, now)
        self.let_in[slot] = now


@asynccontextmanager
async def taken(limiter: Limiter) -> AsyncIterator[None]:
    """Have a place meanwhile."""
    async with Turn() as turn:
        await turn.near(limiter.slot())
        await turn.come()
        yield


class Calls:
    """Calls through one limiter, which stay in flight until they are told to end."""

    def __init__(self, *limits: int | None) -> None:
        self.clock = Clock()
        self.limiter = Watched(*limits, clock=lambda: self.clock.now, later=self.clock.later)
        self.limiter.let_in = {}
        self.limits = self.limiter.limits
        self.tokens: dict[int, int] = {}
        self.asked: dict[int, Slot] = {}
        self.turns: dict[int, Turn] = {}
        self.called: list[int] = []
        """Those whose turn was near, in order."""
        self.slots: dict[int, Slot] = {}
        """Of `asked`, those that began."""
        self.settled: set[int] = set()
        """Of `slots`, those that gave their place back while they go on."""
        self.ends: dict[int, asyncio.Event] = {}
        self.tasks: list[asyncio.Task[None]] = []

    async def call(self, number: int) -> None:
        slot = self.asked[number] = self.limiter.slot(self.tokens[number])
        async with Turn() as self.turns[number]:
            await self.turns[number].near(slot)
            self.called.append(number)
            await self.turns[number].come()
            self.slots[number] = slot
            await self.ends[number].wait()

    async def ask(self, tokens: int) -> int:
        number = len(self.tasks)
        self.tokens[number], self.ends[number] = tokens, asyncio.Event()
        self.tasks.append(asyncio.create_task(self.call(number)))
        await self.settle_down()
        return number

    async def settle_down(self) -> None:
        for _ in range(6):
            await asyncio.sleep(0)

    @property
    def order(self) -> list[int]:
        return list(self.slots)

    @property
    def flying(self) -> list[int]:
        return [number for number in self.slots if not self.tasks[number].done() and number not in self.settled]

    def check(self) -> None:
        most, requests, tokens = self.limits
        assert most is None or len(self.flying) <= most
        assert sum(slot.called for slot in self.limiter.waiting) <= self.limiter.ahead
        began = {number: self.limiter.let_in[slot] for number, slot in self.slots.items()}
        for start in began.values():
            minute = [number for number, at in began.items() if start <= at < start + 60]
            assert requests is None or len(minute) <= requests
            used = sum(self.tokens[number] for number in minute)
            largest = max(self.tokens[number] for number in minute)
            assert tokens is None or used <= tokens or used == largest


def test_equal_arguments_are_one_limiter() -> None:
    limits = Limits(requests_per_minute=7)
    assert limiter_for("a", limits) is limiter_for("a", Limits(None, 7))
    assert limiter_for("a", limits) is not limiter_for("b", limits)
    assert limiter_for("a", limits) is not limiter_for("a", Limits(concurrency=7))


async def test_a_limit_is_shared_by_all_who_set_it_whatever_else_they_set_and_goes_to_who_asked_first() -> None:
    clock, counts = Clock(), Counts()

    def line(*limits: int | None) -> Limiter:
        return Limiter(*limits, counts=counts, clock=lambda: clock.now, later=clock.later)

    lines = [line(None, 2), line(8, 2), line(None, 2, 1000), line(8, 3)]
    entered: list[int] = []

    async def call(number: int) -> None:
        async with taken(lines[number]):
            entered.append(number)

    calls = []
    for number in (2, 0, 1, 0, 2, 3, 1, 1):
        calls.append(asyncio.create_task(call(number)))
        clock.now += 0.001
        await asyncio.sleep(0)
    await settle()
    assert entered == [2, 0, 3]  # two of those that share the two a minute, and one that has a minute of its own
    for more in ([1, 0], [2, 1], [1]):
        entered.clear()
        clock.go(60)
        await settle()
        assert entered == more
    await asyncio.gather(*calls)


async def settle() -> None:
    """Let everything happen that can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_calls_wait_for_a_place_in_the_order_in_which_they_asked() -> None:
    calls = Calls(2)
    for _ in range(5):
        await calls.ask(0)
    assert calls.order == [0, 1]
    calls.ends[1].set()
    await calls.settle_down()
    assert calls.order == [0, 1, 2]


async def test_half_as_many_as_may_be_in_flight_know_that_their_turn_is_near() -> None:
    calls = Calls(8)
    for _ in range(15):
        await calls.ask(0)
    assert (calls.order, calls.called) == ([*range(8)], [*range(12)])
    calls.ends[3].set()
    await calls.settle_down()
    assert (calls.order, calls.called) == ([*range(9)], [*range(13)])
    calls.tasks[9].cancel()
    await calls.settle_down()
    assert (calls.order, calls.called) == ([*range(9)], [*range(14)])


async def test_a_call_that_asks_while_others_wait_does_not_overtake() -> None:
    calls = Calls(None, None, 100)
    for tokens in (60, 60, 10):
        await calls.ask(tokens)
    assert calls.order == [0]
    calls.clock.go(60)
    await calls.settle_down()
    assert calls.order == [0, 1, 2]


async def test_a_minute_slides() -> None:
    calls = Calls(None, 2)
    await calls.ask(0)
    calls.clock.go(30)
    await calls.ask(0)
    await calls.ask(0)
    calls.clock.go(29)
    await calls.settle_down()
    assert calls.order == [0, 1]
    calls.clock.go(1)
    await calls.settle_down()
    assert calls.limiter.let_in[calls.slots[2]] == 1060.0


async def test_tokens_that_were_not_used_let_the_next_call_in_at_once() -> None:
    calls = Calls(None, None, 100)
    await calls.ask(90)
    await calls.ask(50)
    assert calls.order == [0]
    calls.turns[0].settle(50)
    await calls.settle_down()
    assert calls.order == [0, 1]


async def test_a_call_larger_than_a_minute_begins_when_the_minute_is_empty() -> None:
    calls = Calls(None, None, 100)
    await calls.ask(10)
    await calls.ask(1000)
    await calls.ask(1)
    calls.clock.go(59)
    await calls.settle_down()
    assert calls.order == [0]
    calls.clock.go(1)
    await calls.settle_down()
    assert calls.order == [0, 1]
    calls.clock.go(60)
    await calls.settle_down()
    assert calls.order == [0, 1, 2]


async def test_a_call_cancelled_between_its_turn_and_its_start_gives_the_place_on() -> None:
    calls = Calls(1, 2)
    for _ in range(3):
        await calls.ask(0)
    calls.ends[0].set()
    await asyncio.sleep(0)  # call 0 leaves, and call 1 has its turn but does not know it yet
    calls.tasks[1].cancel()
    await calls.settle_down()
    assert calls.order == [0, 2]
    assert (calls.limiter.flying, len(calls.limiter.minutes[0].calls)) == (1, 2)


async def test_a_waiter_whose_loop_was_closed_does_not_hold_up_the_others() -> None:
    limiter = Limiter(1)
    gone = asyncio.new_event_loop()
    orphan = taken(limiter).__aenter__()

    async def wait() -> None:
        orphan.send(None)

    def strand() -> None:
        gone.run_until_complete(wait())
        gone.close()

    async with taken(limiter):
        await asyncio.to_thread(strand)
    async with asyncio.timeout(10), taken(limiter):
        orphan.close()
    assert limiter.flying == 0


steps = st.one_of(
    st.tuples(st.just("ask"), st.integers(0, 150)),
    st.tuples(st.just("end"), st.integers(0, 50)),
    st.tuples(st.just("cancel"), st.integers(0, 50)),
    st.tuples(st.just("settle"), st.integers(0, 50)),
    st.tuples(st.just("go"), st.integers(1, 70)),
)
limit = st.none() | st.integers(1, 9)


@given(st.tuples(limit, limit, st.none() | st.integers(50, 200)), st.lists(steps, max_size=40), st.randoms())
@settings(deadline=None, max_examples=300)
def test_no_limit_is_passed_and_no_waiter_lost_whatever_happens(
    limits: tuple[int | None, ...], script: list[tuple[str, int]], chance: random.Random
) -> None:
    async def play() -> None:
        calls = Calls(*limits)
        for word, value in script:
            if word == "ask":
                await calls.ask(value)
            elif word == "go":
                calls.clock.go(value)
            elif word == "settle" and calls.flying:
                number = calls.flying[value % len(calls.flying)]
                calls.tokens[number] = chance.randint(0, calls.tokens[number])
                calls.turns[number].settle(calls.tokens[number])
                calls.settled.add(number)
                await calls.settle_down()
            elif word in {"end", "cancel"} and calls.tasks:
                number = value % len(calls.tasks)
                calls.ends[number].set() if word == "end" else calls.tasks[number].cancel()
                for _ in range(chance.randint(0, 6)):
                    await asyncio.sleep(0)
            calls.check()
        for _ in calls.tasks:
            for end in calls.ends.values():
                end.set()
            await calls.settle_down()
            calls.clock.go(60)
        await calls.settle_down()
        calls.check()
        assert all(task.done() for task in calls.tasks)
        let_in = calls.limiter.let_in
        assert list(let_in) == [slot for slot in calls.asked.values() if slot in let_in]
        assert (calls.limiter.flying, len(calls.limiter.waiting)) == (0, 0)

    asyncio.run(play())


@pytest.mark.parametrize("seed", range(5))
def test_two_loops_in_two_threads_share_the_places_under_random_cancellations(seed: int) -> None:
    limiter = Limiter(8)
    guard = threading.Lock()
    flying, most, made, cancelled = 0, 0, 0, 0

    async def call() -> None:
        nonlocal flying, most, made
        async with taken(limiter):
            with guard:
                flying += 1
                most = max(most, flying)
            try:
                for _ in range(3):
                    await asyncio.sleep(0)
            finally:
                with guard:
                    flying -= 1
        with guard:
            made += 1

    async def load(chance: random.Random) -> None:
        nonlocal cancelled
        tasks = [asyncio.create_task(call()) for _ in range(300)]
        for task in chance.sample(tasks, 150):
            for _ in range(chance.randint(0, 3)):
                await asyncio.sleep(0)
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        with guard:
            cancelled += sum(isinstance(result, asyncio.CancelledError) for result in done)

    chances = [random.Random(seed), random.Random(seed + 100)]  # noqa: S311 - no secret
    threads = [threading.Thread(target=asyncio.run, args=(load(chance),)) for chance in chances]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert most == 8
    assert made + cancelled == 600
    assert made >= 300
    assert (limiter.flying, len(limiter.waiting)) == (0, 0)


async def test_the_real_timer_wakes_a_waiter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ponder.nodes.minute.MINUTE", 0.05)
    limiter = Limiter(None, 1)
    for _ in range(3):
        async with asyncio.timeout(10), taken(limiter):
            pass
    assert len(limiter.minutes[0].calls) == 1
