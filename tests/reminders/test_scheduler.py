"""When reminders are delivered, on a virtual clock: in time, in batches, by whoever is there."""

import pytest
import trio
import trio.testing
from support.reminder_fixture import BEGIN, ReminderFixture, reminder_fixture

from hive.reminders import NoSuchReminder, ReminderLimits, TooManyReminders, policy
from hive.store import StoreFull
from hive.supervisors import Context
from hive.wire.daemon import Notice
from hive.wire.reminders import Remind, ReminderRollup, ReminderState, ResolveReminder


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return ("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)})


def consistent(here: ReminderFixture) -> None:
    """Never sent without a message, never a message without sent."""
    marked = {
        f"reminder-{id_}" for (id_,) in here.fetch("SELECT id FROM reminders WHERE state='sent'")
    }
    sent = {key for (key,) in here.fetch("SELECT idempotency_key FROM messages")}
    assert marked == sent


async def test_it_comes_when_it_is_due_and_not_before() -> None:
    async with reminder_fixture() as here, trio.open_nursery() as nursery:
        nursery.start_soon(here.reminders.scheduler, Context("t"), "ann")
        await here.reminders.remind("ann", Remind("x", delay_s=100.0))
        await trio.sleep(99.9)
        assert here.messages() == []
        await trio.sleep(0.2)
        ((to, body),) = here.messages()
        assert to == "ann" and body.startswith("Your own reminder 1,")
        assert here.fetch("SELECT sender FROM messages") == [("ann",)]
        assert here.broker.counts()["ann"].queued == 1
        nursery.cancel_scope.cancel()


async def test_an_earlier_one_is_not_held_up_by_a_later_one() -> None:
    async with reminder_fixture() as here, trio.open_nursery() as nursery:
        nursery.start_soon(here.reminders.scheduler, Context("t"), "ann")
        await here.reminders.remind("ann", Remind("late", delay_s=10_000.0))
        await trio.sleep(1)
        await here.reminders.remind("ann", Remind("soon", delay_s=2.0))
        await trio.sleep(2.1)
        assert [body.endswith("soon") for _, body in here.messages()] == [True]
        nursery.cancel_scope.cancel()


async def test_waiting_asks_the_store_nothing() -> None:
    async with reminder_fixture() as here, trio.open_nursery() as nursery:
        ctx = Context("t")
        nursery.start_soon(here.reminders.scheduler, ctx, "ann")
        await here.reminders.remind("ann", Remind("x", delay_s=86_400.0))
        await trio.sleep(1)
        before = here.store.reads, here.store.writes
        await trio.sleep(80_000)
        assert (here.store.reads, here.store.writes) == before
        assert ctx.last_tick is not None and trio.current_time() - ctx.last_tick <= 60
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("jump", [3600.0, 0.5])
async def test_a_clock_that_is_set_forward_is_seen_within_a_minute(jump: float) -> None:
    async with reminder_fixture() as here, trio.open_nursery() as nursery:
        nursery.start_soon(here.reminders.scheduler, Context("t"), "ann")
        await here.reminders.remind("ann", Remind("x", delay_s=3600.0))
        await trio.sleep(1)
        here.offset += jump
        await trio.sleep(3600 - jump - 1 if jump < 1 else 60.1)
        await trio.sleep(0.001)
        assert len(here.messages()) == 1
        nursery.cancel_scope.cancel()


async def test_a_clock_that_is_set_back_makes_nothing_early_nor_a_busy_loop() -> None:
    async with reminder_fixture() as here, trio.open_nursery() as nursery:
        ticks: list[float] = []

        class Counting(Context):
            def tick(self) -> None:
                ticks.append(trio.current_time())

        ctx = Counting("t")
        nursery.start_soon(here.reminders.scheduler, ctx, "ann")
        await here.reminders.remind("ann", Remind("x", delay_s=100.0))
        for _ in range(20):
            await trio.sleep(5)
            here.offset -= 0.3
        await trio.sleep(5.9)
        assert here.messages() == []
        await trio.sleep(0.2)
        assert len(here.messages()) == 1
        assert len(ticks) < 40
        nursery.cancel_scope.cancel()


async def test_many_are_delivered_in_bounded_batches() -> None:
    async with reminder_fixture() as here, trio.open_nursery() as nursery:
        batches: list[int] = []
        send = here.broker.send_in_transaction

        async def counted(prepare):
            ids = await send(prepare)
            batches.append(len(ids))
            return ids

        here.broker.send_in_transaction = counted  # type: ignore[method-assign]
        here.due("ann", -1, 250)
        nursery.start_soon(here.reminders.scheduler, Context("t"), "ann")
        await trio.sleep(1)
        assert sum(batches) == 250 and max(batches) == policy.BATCH <= 100
        consistent(here)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("after", [0.0, 0.05, 0.1, 0.15, 0.25, 0.35])
async def test_a_stop_takes_effect_between_batches_never_in_one(after: float) -> None:
    async with reminder_fixture() as here:
        here.due("ann", -1, 1000)
        here.due("bob", -1, 1000)
        here.store.latency = 0.1
        with trio.move_on_after(after):
            async with trio.open_nursery() as nursery:
                for name in ("ann", "bob"):
                    nursery.start_soon(here.reminders.scheduler, Context("t"), name)
        stopped = trio.current_time()
        sent = len(here.messages())
        assert sent % policy.BATCH == 0, "whole batches"
        consistent(here)
        await trio.sleep(10)
        assert len(here.messages()) == sent, "nothing goes on after the stop"
        assert stopped <= after + 0.11, "it waits for one batch at most"


async def test_those_of_a_stopped_agent_come_all_the_same() -> None:
    async with reminder_fixture() as here, trio.open_nursery() as nursery:
        nursery.start_soon(here.reminders.run, Context("t"))
        with trio.CancelScope() as ann:
            async with trio.open_nursery() as inner:
                inner.start_soon(here.reminders.scheduler, Context("t"), "ann")
                await here.reminders.remind("ann", Remind("x", delay_s=10.0))
                await here.reminders.remind("bob", Remind("y", delay_s=5.0))
                await trio.sleep(1)
                ann.cancel()  # the agent is stopped
        await trio.sleep(4.5)
        assert [to for to, _ in here.messages()] == ["bob"]
        await trio.sleep(5)
        assert [to for to, _ in here.messages()] == ["bob", "ann"]
        consistent(here)
        nursery.cancel_scope.cancel()


async def test_who_comes_first_delivers_and_the_other_finds_nothing() -> None:
    async with reminder_fixture() as here:
        here.due("ann", -1, 150)
        here.store.latency = 0.1
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(here.reminders.deliver, "ann")
        assert len(here.messages()) == 150
        consistent(here)


async def test_a_full_disk_delays_and_loses_nothing() -> None:
    async with reminder_fixture() as here, trio.open_nursery() as nursery:
        here.due("ann", 1)
        nursery.start_soon(here.reminders.scheduler, Context("t"), "ann")
        await trio.sleep(0.5)
        here.store.failing = StoreFull("no space")
        await trio.sleep(100)
        assert here.messages() == []
        here.store.failing = None
        await trio.sleep(6)
        assert len(here.messages()) == 1
        (state,) = here.fetch("SELECT state, attempts FROM reminders")
        assert state == ("sent", 0), "a full disk is not the reminder's failure"
        nursery.cancel_scope.cancel()


async def test_one_that_is_refused_does_not_hold_up_others_and_waits_for_the_operator() -> None:
    async with reminder_fixture(body_cap=300) as here, trio.open_nursery() as nursery:
        nursery.start_soon(here.reminders.scheduler, Context("t"), "ann")
        bad = await here.reminders.remind("ann", Remind("x" * 1000, delay_s=10.0))
        await here.reminders.remind("ann", Remind("good", delay_s=10.0))
        await trio.sleep(10.1)
        assert [body[-4:] for _, body in here.messages()] == ["good"]
        await trio.sleep(10 + 60 + 300 + 1800 + 5)
        (failed,) = await here.reminders.listed("ann")
        assert (failed.state, failed.attempts) == (ReminderState.FAILED, 5)
        assert "at most 300 are allowed" in (failed.error or "")
        (notice,) = here.published
        assert isinstance(notice, Notice) and "hive reminders retry 1, or cancel 1" in notice.text
        rollup = await here.reminders.rollup(ReminderRollup(BEGIN), "ann")
        assert (rollup.pending, rollup.attempted, rollup.delivered, rollup.failed) == (0, 2, 1, 1)
        assert rollup.lateness_p50_s is not None and 0 <= rollup.lateness_p50_s < 0.1

        here.store.connection.execute("UPDATE reminders SET text = 'short'")
        await here.reminders.resolve(ResolveReminder(bad.id, "retry"))
        await trio.sleep(0.1)
        assert len(here.messages()) == 2
        with pytest.raises(NoSuchReminder):
            await here.reminders.resolve(ResolveReminder(bad.id, "retry"))
        consistent(here)
        nursery.cancel_scope.cancel()


async def test_limits_hold_over_a_restart_and_cancelling_makes_room() -> None:
    async with reminder_fixture(ReminderLimits(pending=12, burst=10, per_hour=30)) as here:
        first = [await here.reminders.remind("ann", Remind("x", delay_s=9e5)) for _ in range(10)]
        with pytest.raises(TooManyReminders, match="allowed in 120 s"):
            await here.reminders.remind("ann", Remind("x", delay_s=9e5))
        await here.reminders.remind("bob", Remind("x", delay_s=9e5))  # his own bucket
        await trio.sleep(240)
        for _ in range(2):
            await here.reminders.remind("ann", Remind("x", delay_s=9e5))
        await trio.sleep(3600)
        with pytest.raises(TooManyReminders, match="12 reminders of yours wait, at most 12"):
            await here.reminders.remind("ann", Remind("x", delay_s=9e5))
        with pytest.raises(NoSuchReminder):
            await here.reminders.cancel("bob", first[0].id)
        await here.reminders.cancel("ann", first[0].id)
        await here.reminders.remind("ann", Remind("x", delay_s=9e5))
        await here.reminders.cancel("ann", first[0].id)  # said again: its answer was lost
        with pytest.raises(NoSuchReminder):
            await here.reminders.cancel("bob", first[0].id)


async def test_the_same_key_is_the_same_reminder() -> None:
    async with reminder_fixture(ReminderLimits(burst=1)) as here:
        first = await here.reminders.remind("ann", Remind("x", delay_s=50, key="k"))
        await trio.sleep(1)
        assert await here.reminders.remind("ann", Remind("x", delay_s=50, key="k")) == first
        with pytest.raises(TooManyReminders):
            await here.reminders.remind("ann", Remind("x", delay_s=50, key="other"))
