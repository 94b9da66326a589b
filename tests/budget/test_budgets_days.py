"""The supervised child on a virtual clock: midnight, a clock that is set, a store that fails."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, TypeVar, cast

import apsw
import pytest
import trio
import trio.testing
from support.directories import Named

from hive.budget import BudgetService
from hive.store import MIGRATIONS, Store, StoreFull, fetch
from hive.supervisors import Context
from hive.wire.budgets import BudgetReached, Period, SetBudget, Unit
from hive.wire.events import Event
from hive.wire.turns import Usage

T = TypeVar("T")
DAY_S = 86_400
MIDNIGHT = 20_000 * DAY_S


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return ("trio", {"clock": trio.testing.MockClock(autojump_threshold=0)})


class VirtualTimeStore:
    """The store without threads, which a virtual clock would not wait for."""

    def __init__(self) -> None:
        self.connection = apsw.Connection(":memory:")
        for migration in MIGRATIONS:
            fetch(self.connection, migration)
        self.failure: Exception | None = None

    async def write(
        self, fn: Callable[[apsw.Connection], T], then: Callable[[T], None] | None = None
    ) -> T:
        await trio.lowlevel.checkpoint()
        if self.failure is not None:
            raise self.failure
        result = fn(self.connection)
        if then is not None:
            then(result)
        return result


class TickRecorder(Context):
    """Remembers the ticks."""

    def __init__(self) -> None:
        self.was_ready = trio.Event()
        self.ticks: list[float] = []
        super().__init__("test", on_ready=lambda _: self.was_ready.set())

    def tick(self) -> None:
        self.ticks.append(trio.current_time())


class Clocked:
    """Budgets whose wall clock is the virtual one, and `ahead` seconds more."""

    def __init__(self, store: VirtualTimeStore) -> None:
        self.ahead = float(MIDNIGHT + 1000)
        self.changes: list[float] = []
        self.events: list[Event] = []
        self.start = trio.current_time()
        self.ctx = TickRecorder()
        self.budgets = BudgetService(
            cast(Store, store),
            directory=Named(lambda: ["ann"]),
            publish=lambda _, event: self.events.append(event),
            changed=lambda: self.changes.append(self.now()),
            now=self.now,
        )

    def now(self) -> float:
        return trio.current_time() - self.start + self.ahead


@pytest.fixture
def store() -> Iterator[VirtualTimeStore]:
    made = VirtualTimeStore()
    yield made
    made.connection.close()


@pytest.fixture
async def clocked(store: VirtualTimeStore, nursery: trio.Nursery) -> Clocked:
    made = Clocked(store)
    nursery.start_soon(made.budgets.run, made.ctx)
    await made.ctx.was_ready.wait()
    await made.budgets.set(SetBudget("ann", Period.DAY, Unit.USD, 5.0))
    await made.budgets.charge("ann", "one", Usage(cost_usd=5.0))
    assert made.budgets.hold("ann") is not None
    made.changes.clear()
    return made


@pytest.fixture
async def nursery() -> Any:
    async with trio.open_nursery() as opened:
        yield opened
        opened.cancel_scope.cancel()


async def test_midnight_is_told_to_the_second(clocked: Clocked) -> None:
    await trio.sleep(DAY_S - 1001)
    assert clocked.changes == []
    await trio.sleep(1.5)
    assert clocked.changes
    assert 0 <= clocked.changes[0] - (MIDNIGHT + DAY_S) < 0.1
    assert clocked.budgets.hold("ann") is None


async def test_it_ticks_at_least_every_minute(clocked: Clocked) -> None:
    await trio.sleep(DAY_S)
    ticks = clocked.ctx.ticks
    assert max(b - a for a, b in pairwise(ticks)) <= 60
    assert len(ticks) < 2 * DAY_S / 60


async def test_a_clock_that_was_wrong_and_is_set_right(
    clocked: Clocked, store: VirtualTimeStore
) -> None:
    """Forward: noticed within a minute. Back: that day goes on where it was."""
    clocked.ahead += 3 * DAY_S
    await trio.sleep(61)
    assert clocked.changes
    assert clocked.budgets.hold("ann") is None
    await clocked.budgets.charge("ann", "two", Usage(cost_usd=0.5))
    clocked.ahead -= 3 * DAY_S
    await trio.sleep(61)
    held = clocked.budgets.hold("ann")
    assert held is not None and held.until == MIDNIGHT + DAY_S
    await clocked.budgets.charge("ann", "three", Usage(cost_usd=0.5))
    days = fetch(store.connection, "SELECT day, cost_usd FROM usage ORDER BY day")
    assert days == [("2024-10-04", 5.5), ("2024-10-07", 0.5)]


async def test_a_store_that_fails_at_midnight_stops_nothing(
    clocked: Clocked, store: VirtualTimeStore
) -> None:
    clocked.ahead = MIDNIGHT + DAY_S - 30.0 - (trio.current_time() - clocked.start)
    store.failure = StoreFull("no space")
    with pytest.raises(StoreFull):
        await clocked.budgets.charge("ann", "two", Usage(cost_usd=1.0))
    await trio.sleep(90)
    assert clocked.changes
    assert clocked.budgets.hold("ann") is None  # it is free, whatever the store says
    with pytest.raises(StoreFull):
        await clocked.budgets.charge("ann", "three", Usage(cost_usd=4.0))
    store.failure = None
    await trio.sleep(61)
    days = fetch(store.connection, "SELECT day, cost_usd FROM usage ORDER BY day")
    assert days == [("2024-10-04", 6.0), ("2024-10-05", 4.0)]
    assert clocked.budgets.statuses()[0].spent == 4.0


async def test_each_day_is_announced_anew(clocked: Clocked) -> None:
    for lease in ("two", "three"):
        await trio.sleep(DAY_S)
        clocked.budgets.spending("ann", lease, Usage(cost_usd=4.5))
        clocked.budgets.spending("ann", lease, Usage(cost_usd=4.6))
    shares = [event.share for event in clocked.events if isinstance(event, BudgetReached)]
    assert shares == [0.8, 1.0, 0.8, 0.8]
