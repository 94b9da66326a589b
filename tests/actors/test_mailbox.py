"""The mailbox against a model, and its waiting senders."""

from collections import deque

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from hive.actors import Full, Mailbox, MailboxClosed, MailboxFull


@given(
    st.integers(1, 4),
    st.sampled_from([Full.REFUSE, Full.DROP_OLDEST]),
    st.lists(st.sampled_from(["put", "system", "get"]), max_size=60),
)
def test_two_lanes_against_a_model(capacity, full, steps) -> None:
    async def run() -> None:
        box, user, system, dropped = Mailbox(capacity, full), deque(), deque(), 0
        for number, step in enumerate(steps):
            if step == "system":
                box.put_system(number)
                system.append(number)
            elif step == "put" and len(user) < capacity:
                assert box.put_nowait(number) is None
                user.append(number)
            elif step == "put" and full is Full.REFUSE:
                with pytest.raises(MailboxFull):
                    box.put_nowait(number)
            elif step == "put":
                assert box.put_nowait(number) == user.popleft()
                user.append(number)
                dropped += 1
            elif system or user:
                expected = system.popleft() if system else user.popleft()
                assert await box.get() == expected
        seen = box.statistics()
        assert (seen.user, seen.system, seen.dropped) == (len(user), len(system), dropped)

    trio.run(run)


async def test_senders_wait_for_room_in_their_order() -> None:
    box = Mailbox(1)
    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(box.put, number)
            await trio.testing.wait_all_tasks_blocked()
        assert box.statistics().waiting_senders == 4
        got = []
        for _ in range(5):
            got.append(await box.get())
            await trio.testing.wait_all_tasks_blocked()
        assert got == [0, 1, 2, 3, 4]


async def test_nobody_overtakes_a_sender_that_waits() -> None:
    box = Mailbox(1)
    box.put_nowait(0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(box.put, 1)
        await trio.testing.wait_all_tasks_blocked()
        assert await box.get() == 0
        with pytest.raises(MailboxFull):
            box.put_nowait(2)
        assert await box.get() == 1


async def test_a_sender_that_gave_up_leaves_nothing() -> None:
    box = Mailbox(1)
    box.put_nowait(0)
    with trio.move_on_after(1):
        await box.put(1)
    assert box.statistics().waiting_senders == 0
    assert await box.get() == 0
    assert box.take() is None


async def test_closing_releases_the_waiting_senders() -> None:
    box = Mailbox(1)
    box.put_nowait(0)
    async with trio.open_nursery() as nursery:

        async def send():
            with pytest.raises(MailboxClosed):
                await box.put(1)

        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        box.close()
    with pytest.raises(MailboxClosed):
        box.put_system(2)


async def test_a_busy_receiver_lets_others_run() -> None:
    box, turns = Mailbox(10_000), 0
    for number in range(6400):
        box.put_nowait(number)
    async with trio.open_nursery() as nursery:

        async def other():
            nonlocal turns
            while True:
                turns += 1
                await trio.lowlevel.checkpoint()

        nursery.start_soon(other)
        for _ in range(6400):
            await box.get()
        nursery.cancel_scope.cancel()
    assert 90 <= turns <= 110


def test_capacity_is_checked() -> None:
    with pytest.raises(ValueError, match="1 or more"):
        Mailbox(0)
