"""A lock that is free costs no turn of the scheduler; one that is not is waited for."""

import pytest
import trio
import trio.testing

from hive.uncontended import acquire


@pytest.fixture(params=[trio.Lock, lambda: trio.Semaphore(1)], ids=["lock", "semaphore"])
def lock(request: pytest.FixtureRequest) -> trio.Lock | trio.Semaphore:
    made: trio.Lock | trio.Semaphore = request.param()
    return made


async def test_a_free_lock_takes_no_turn(lock: trio.Lock | trio.Semaphore) -> None:
    others = trio.Event()

    async def other() -> None:
        others.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        await acquire(lock)
        assert not others.is_set()
    lock.release()


async def test_a_lock_that_is_held_is_waited_for(lock: trio.Lock | trio.Semaphore) -> None:
    have = trio.Event()

    async def waiter() -> None:
        await acquire(lock)
        have.set()
        lock.release()

    await acquire(lock)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(waiter)
        await trio.testing.wait_all_tasks_blocked()
        assert not have.is_set()
        lock.release()
    assert have.is_set()


async def test_who_is_cancelled_has_nothing(lock: trio.Lock | trio.Semaphore) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await acquire(lock)
    assert scope.cancelled_caught
    lock.acquire_nowait()
