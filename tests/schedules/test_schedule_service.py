"""A schedule's life on a virtual clock: requested, approved, run, changed, ended."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import trio
import trio.testing
from support.directories import Named
from support.reminder_fixture import ReminderFixture, reminder_fixture

from hive.broker import NotAllowed
from hive.directory import Rights
from hive.schedules import BadSchedule, NoSuchSchedule, ScheduleService, TooManySchedules
from hive.supervisors import Context
from hive.wire.daemon import Notice
from hive.wire.schedules import (
    EditSchedule,
    RequestSchedule,
    ResolveSchedule,
    Schedule,
    ScheduleState,
)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return ("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)})


class ScheduleFixture:
    """Schedules in a world; `start` runs their child until `stop`."""

    def __init__(self, here: ReminderFixture, nursery: trio.Nursery) -> None:
        self.here, self.nursery = here, nursery
        self.scope = trio.CancelScope()

        self.schedules = ScheduleService(
            here.store,  # type: ignore[arg-type]
            here.broker,
            directory=Named(lambda: here.names),
            publish=lambda _, event: here.published.append(event),
            now=here.now,
        )

    def start(self) -> None:
        self.scope = trio.CancelScope()
        self.nursery.start_soon(self._run, self.scope)

    async def _run(self, scope: trio.CancelScope) -> None:
        with scope:
            await self.schedules.run(Context("t"))

    def stop(self) -> None:
        self.scope.cancel()

    async def hourly(self, to: tuple[str, ...] = ("ann", "bob")) -> int:
        wish = RequestSchedule("look", to, every_s=3600.0)
        return (await self.schedules.request("ann", wish)).id

    async def do(self, action: str, id_: int = 1, reason: str | None = None) -> None:
        await self.schedules.resolve(ResolveSchedule(id_, action, reason))

    async def one(self) -> Schedule:
        (found,) = await self.schedules.listed(None, ended=True)
        return found

    def mail(self, to: str) -> list[str]:
        return [body for name, body in self.here.messages() if name == to]

    def runs(self, to: str) -> list[str]:
        return [body for body in self.mail(to) if body.startswith("Schedule ")]


@asynccontextmanager
async def schedule_fixture() -> AsyncIterator[ScheduleFixture]:
    async with reminder_fixture() as here, trio.open_nursery() as nursery:
        yield ScheduleFixture(here, nursery)
        nursery.cancel_scope.cancel()


async def test_nothing_runs_before_the_operator_has_approved_it() -> None:
    async with schedule_fixture() as s:
        s.start()
        asked = await s.schedules.request("ann", RequestSchedule("look", every_s=3600.0, key="k"))
        assert asked.state is ScheduleState.REQUESTED
        assert asked.next == tuple(s.here.now() + 3600 * n for n in (1, 2, 3))
        again = await s.schedules.request("ann", RequestSchedule("look", every_s=3600.0, key="k"))
        assert again.id == asked.id
        (told,) = s.mail("operator")
        assert "ann asks for schedule 1: every 3600 s, to ann" in told
        assert "hive schedules approve 1" in told and told.endswith("look")
        await trio.sleep(7300)
        assert s.mail("ann") == []
        await s.do("approve")
        (told,) = s.mail("ann")
        assert told.startswith("Your schedule 1 (every 3600 s) was approved by the operator.")
        await trio.sleep(3599)
        assert s.runs("ann") == []
        await trio.sleep(2)
        (body,) = s.runs("ann")
        assert body.startswith("Schedule 1 of ann (every 3600 s), run of 20")
        assert body.endswith(":\nlook")


async def test_every_target_gets_every_run_once_over_restarts_and_clock_changes() -> None:
    async with schedule_fixture() as s:
        await s.hourly()
        await s.do("approve")
        for n in range(20):
            s.start()
            await trio.sleep(1800)
            s.stop()
            await trio.sleep(0.001)
            s.here.offset += (-1) ** n * 0.7
        assert len(s.runs("ann")) == len(s.runs("bob")) in (9, 10)
        found = await s.one()
        assert (found.fired, found.skipped) == (len(s.runs("ann")), 0)


@pytest.mark.parametrize(
    ("rule", "within"), [({"every_s": 600.0}, 700.0), ({"cron": "*/10 * * * *"}, 700.0)]
)
@pytest.mark.parametrize("running", [True, False], ids=["while it runs", "while it is away"])
async def test_a_clock_that_is_set_back_by_hours_stops_no_schedule(
    rule: dict[str, Any], within: float, running: bool
) -> None:
    async with schedule_fixture() as s:
        await s.schedules.request("ann", RequestSchedule("look", **rule))
        await s.do("approve")
        s.start()
        await trio.sleep(1500)
        before = len(s.runs("ann"))
        assert before > 0
        if not running:
            s.stop()
        s.here.offset -= 7200
        if not running:
            s.start()
        await trio.sleep(within)
        after = len(s.runs("ann"))
        assert after - before == 1
        await trio.sleep(3000)
        assert len(s.runs("ann")) - after == 5, "and then as often as ever"


async def test_after_downtime_it_comes_once_and_tells_how_many_were_skipped() -> None:
    async with schedule_fixture() as s:
        await s.hourly(("bob",))
        await s.do("approve")
        await trio.sleep(5.5 * 3600)  # nothing runs
        s.start()
        await trio.sleep(1)
        (body,) = s.runs("bob")
        assert "; 4 later runs were missed while the hive was away:" in body
        found = await s.one()
        assert (found.fired, found.skipped) == (1, 4)
        await trio.sleep(0.5 * 3600)
        assert len(s.runs("bob")) == 2, "then it keeps its hours"
        assert "missed" not in s.runs("bob")[1]


async def test_a_day_with_a_lost_hour() -> None:
    async with schedule_fixture() as s:
        zone = ZoneInfo("Europe/Berlin")
        begin = datetime(2026, 3, 28, 12, tzinfo=zone).timestamp()
        s.here.offset = begin - trio.current_time()
        wish = RequestSchedule("x", cron="30 2 * * *", zone="Europe/Berlin")
        await s.schedules.request("ann", wish)
        await s.do("approve")
        s.start()
        await trio.sleep(3 * 86_400)
        ran = [body.partition("run of ")[2][:20] for body in s.runs("ann")]
        assert ran == ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z", "2026-03-31T00:30:00Z"]


async def test_denied_and_cancelled_ones_end() -> None:
    async with schedule_fixture() as s:
        s.start()
        await s.hourly()
        await s.do("deny", reason="too often")
        assert s.mail("ann")[-1].endswith("was denied by the operator. Reason: too often")
        for action in ("approve", "deny", "cancel", "fire"):
            with pytest.raises(NoSuchSchedule, match="see `hive schedules`"):
                await s.do(action)
        second = await s.hourly()
        await s.do("approve", second)
        with pytest.raises(NoSuchSchedule):
            await s.schedules.cancel("bob", second)
        for _ in range(2):  # again when its answer was lost
            await s.schedules.cancel("ann", second)
        with pytest.raises(NoSuchSchedule):
            await s.schedules.cancel("bob", second)
        await trio.sleep(10_000)
        assert s.runs("ann") == []
        assert await s.schedules.listed(None) == ()


async def test_firing_by_hand_leaves_the_plan() -> None:
    async with schedule_fixture() as s:
        s.start()
        await s.hourly()
        await s.do("approve")
        plan = (await s.one()).next_at
        await trio.sleep(60)
        await s.do("fire")
        await s.do("fire")
        found = await s.one()
        assert len(s.runs("bob")) == found.fired == 2
        assert found.next_at == plan


async def test_editing_changes_what_comes_next() -> None:
    async with schedule_fixture() as s:
        s.start()
        await s.hourly(("ann",))
        await s.do("approve")
        await s.schedules.edit(EditSchedule(1, text="new", to=("bob",), every_s=60.0))
        assert "now every 60 s, to bob:\nnew" in s.mail("ann")[-1]
        await trio.sleep(61)
        assert s.runs("ann") == [] and s.runs("bob")[0].endswith("new")
        await s.schedules.edit(EditSchedule(1, cron="0 0 1 1 *"))
        assert (await s.one()).every_s is None
        for bad in (
            EditSchedule(1, cron="x"),
            EditSchedule(1, cron="* * * * *", every_s=60.0),
            EditSchedule(1, zone="Nowhere"),
            EditSchedule(1, to=("eve",)),
            EditSchedule(1, text="x" * 5000),
        ):
            with pytest.raises(BadSchedule):
                await s.schedules.edit(bad)
        with pytest.raises(NoSuchSchedule):
            await s.schedules.edit(EditSchedule(2, text="x"))


async def test_a_target_that_is_gone_stops_neither_the_others_nor_the_schedule() -> None:
    async with schedule_fixture() as s:
        s.start()
        await s.hourly()
        await s.do("approve")
        s.here.names.discard("bob")
        await trio.sleep(3601)
        assert len(s.runs("ann")) == 1
        assert "nobody is called 'bob'" in ((await s.one()).error or "")
        assert [type(event) for event in s.here.published] == [Notice]
        s.here.names.add("bob")
        await trio.sleep(3600)
        assert len(s.runs("ann")) == 2 and len(s.runs("bob")) == 1
        assert (await s.one()).error is None


async def test_what_cannot_be_requested() -> None:
    async with schedule_fixture() as s:
        for wish, said in (
            (RequestSchedule("x", ("eve",), every_s=60.0), "nobody is called 'eve'"),
            (RequestSchedule("x" * 4097, every_s=60.0), "at most 4096"),
            (RequestSchedule("x"), "exactly one"),
        ):
            with pytest.raises(BadSchedule, match=said):
                await s.schedules.request("ann", wish)
        for _ in range(20):
            await s.hourly()
        with pytest.raises(TooManySchedules, match="20 schedules of yours"):
            await s.hourly()


@pytest.mark.parametrize("after", [0.0, 0.05, 0.1, 0.15])
async def test_a_stop_never_leaves_half_a_run(after: float) -> None:
    async with schedule_fixture() as s:
        await s.hourly()
        await s.do("approve")
        await trio.sleep(3600)
        s.here.store.latency = 0.1
        with trio.move_on_after(after):
            await s.schedules.run(Context("t"))
        await trio.sleep(1)
        found = await s.one()
        assert len(s.runs("ann")) == len(s.runs("bob")) == found.fired


async def test_an_approval_whose_asker_leaves_still_runs_in_time() -> None:
    async with schedule_fixture() as s:
        s.start()
        await s.hourly()
        await trio.sleep(1)
        s.here.store.latency = 0.1
        with trio.move_on_after(0.05):
            await s.do("approve")
        await trio.sleep(3601)
        assert len(s.runs("ann")) == 1


async def test_rights_hold_for_schedules() -> None:
    async with schedule_fixture() as s:
        s.start()
        await s.hourly()
        await s.do("approve")
        s.here.rights["ann"] = Rights(frozenset())
        await trio.sleep(3700)
        assert len(s.runs("ann")) == 1 and s.runs("bob") == [], "to itself it always may"
        assert "you may not write to bob" in ((await s.one()).error or "")
        with pytest.raises(NotAllowed, match="write to bob"):
            await s.hourly()
