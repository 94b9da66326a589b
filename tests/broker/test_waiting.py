"""Who waits for messages is woken in time, and never for ever."""

import threading

import pytest
import trio
import trio.testing
from support.broker_fixture import BrokerFixture

from hive.broker import Counts, Draft, NotUrgent
from hive.store import Store
from hive.wire.messages import MessageMoved, MessageSent
from hive.wire.turns import Lease


async def test_wait_queued_returns_at_once_or_when_something_comes(bench: BrokerFixture) -> None:
    woken = trio.Event()

    async def waiter() -> None:
        await bench.broker.wait_queued("bob")
        woken.set()

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(waiter)
            await trio.testing.wait_all_tasks_blocked()
            await bench.send(to="ann")
            await trio.testing.wait_all_tasks_blocked()
            assert not woken.is_set()
            await bench.send(to="bob")
            await woken.wait()
        await bench.broker.wait_queued("bob")


async def test_who_waits_is_woken_before_the_commit_and_leases_in_it(
    bench: BrokerFixture, store: Store
) -> None:
    """The lease is right behind the message, so that one commit serves both."""
    commit, leases = threading.Event(), list[Lease | None]()

    async def taker() -> None:
        await bench.broker.wait_queued("bob")
        nursery.start_soon(lease)
        await trio.testing.wait_all_tasks_blocked()  # both jobs are behind the blocked one
        assert bench.counts() == Counts()
        commit.set()

    async def lease() -> None:
        leases.append(await bench.broker.lease("bob", "h1", "t1"))
        assert bench.counts() == Counts(leased=1)

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(taker)
            nursery.start_soon(store.write, lambda _: commit.wait(5))
            await trio.testing.wait_all_tasks_blocked()
            sent = await bench.send()
    assert [one and one.messages[0].id for one in leases] == [sent]
    assert [type(event) for _, event in bench.published] == [MessageSent, MessageMoved]


async def test_a_wake_for_a_send_that_fails_finds_nothing_and_waits_on(
    bench: BrokerFixture,
) -> None:
    taken: list[int] = []

    async def taker() -> None:
        while not taken:
            await bench.broker.wait_queued("bob")
            if lease := await bench.broker.lease("bob", "h1", "t1"):
                taken.append(lease.messages[0].id)
            else:
                nothing.set()

    nothing = trio.Event()
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(taker)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(NotUrgent):
                await bench.broker.send(Draft("ann", "bob", "now", urgent=True))
            await nothing.wait()
            await trio.testing.wait_all_tasks_blocked()
            sent = await bench.send()
    assert taken == [sent]


async def test_a_returned_message_wakes(bench: BrokerFixture) -> None:
    await bench.send()
    await bench.lease()
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bench.broker.wait_queued, "bob")
            await trio.testing.wait_all_tasks_blocked()
            await bench.broker.release("bob", count=False, why="gone")


async def test_no_wake_is_lost_between_many_senders_and_takers(bench: BrokerFixture) -> None:
    taken: list[int] = []

    async def taker(n: int) -> None:
        while True:
            await bench.broker.wait_queued("bob")
            lease = await bench.broker.lease("bob", f"h{n}", f"t{n}-{len(taken)}")
            if lease is not None:
                taken.extend(m.id for m in lease.messages)
            if len(taken) >= 60:
                everything.cancel()

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            everything = nursery.cancel_scope
            for n in range(3):
                nursery.start_soon(taker, n)
            for n in range(60):
                nursery.start_soon(bench.send, str(n))
    assert len(set(taken)) == len(taken) == 60


async def test_a_send_whose_caller_is_cancelled_is_counted_and_wakes(bench: BrokerFixture) -> None:
    """The commit decides, not whether somebody still waits for it."""
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bench.send)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        await bench.broker.wait_queued("bob")
    assert bench.counts() == Counts(queued=len(await bench.broker.inbox("bob")))
