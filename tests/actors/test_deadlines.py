"""Deadlines of calls: each at its exact time, and nothing left of those that were answered."""

import math

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from hive.actors.deadlines import Deadlines, deadlines


class Waiter:
    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.expired: list[float] = []

    def expire(self) -> None:
        self.expired.append(trio.current_time())


delays = st.one_of(st.floats(0, 3), st.integers(0, 48).map(lambda n: n / 16), st.just(math.inf))
plans = st.lists(st.tuples(st.floats(0, 1), delays, st.none() | st.floats(0, 3)), max_size=12)


@given(plans)
def test_each_expires_once_at_its_time_unless_it_was_discarded_before(plan) -> None:
    """Of (pause before, delay, discarded after) each."""
    seen = []

    async def one(delay: float, answer: float | None) -> None:
        waiter = Waiter(trio.current_time() + delay)
        bucket = deadlines().add(waiter)
        if answer is not None:
            await trio.sleep(answer)
            bucket.discard(waiter)
        seen.append((waiter, None if answer is None else trio.current_time()))

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            for pause, delay, answer in plan:
                await trio.sleep(pause)
                nursery.start_soon(one, delay, answer)
        await trio.sleep(10)
        assert all(math.isinf(w.deadline) or w.expired or w.deadline >= a for w, a in seen)

    trio.run(run, clock=trio.testing.MockClock(autojump_threshold=0))
    for waiter, answered in seen:
        if waiter.deadline == math.inf or (answered is not None and answered < waiter.deadline):
            assert waiter.expired == []
        elif answered is None or answered > waiter.deadline:
            assert waiter.expired == [pytest.approx(waiter.deadline)]


async def test_nothing_is_kept_of_what_was_answered() -> None:
    kept = deadlines()
    for _ in range(100):
        waiter = Waiter(trio.current_time() + 5)
        kept.add(waiter).discard(waiter)
        await trio.sleep(0.5)
    await trio.sleep(6)
    assert kept.buckets == 0


async def test_one_that_comes_later_and_is_due_earlier_in_a_bucket_that_is_open() -> None:
    late, early = Waiter(10.06), Waiter(10.02)
    deadlines().add(late)
    await trio.sleep(10.01)
    deadlines().add(early)
    await trio.sleep(1)
    assert (early.expired, late.expired) == ([10.02], [10.06])


async def test_a_clock_that_jumped_far_expires_all_at_once() -> None:
    kept, waiters = deadlines(), [Waiter(number / 10) for number in range(1000)]
    for waiter in waiters:
        kept.add(waiter)
    trio.lowlevel.current_clock().jump(10_000)
    await trio.testing.wait_all_tasks_blocked()
    assert all(waiter.expired for waiter in waiters)


async def test_there_is_one_for_each_run() -> None:
    assert deadlines() is deadlines()
    assert isinstance(deadlines(), Deadlines)
