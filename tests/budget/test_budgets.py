"""Budgets over the real store: durable, counted once, at once, and honest when it cannot write."""

import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import apsw
import pytest
import trio
from support.directories import Named

from hive.budget import BudgetService
from hive.store import MIGRATIONS, Store, StoreClosed, StoreError, fetch, open_store
from hive.wire.budgets import BudgetReached, Period, SetBudget, Unit
from hive.wire.events import Event
from hive.wire.turns import Usage

MIDNIGHT = 20_000 * 86_400.0
DOLLARS_A_DAY = SetBudget("ann", Period.DAY, Unit.USD, 5.0, 1.0)


class BudgetFixture:
    """What budgets see of a hive."""

    def __init__(self) -> None:
        self.now = MIDNIGHT + 3600
        self.names = {"ann", "bob"}
        self.events: list[tuple[str | None, Event]] = []
        self.changes = 0

    def budgets(self, store: Any) -> BudgetService:
        def changed() -> None:
            self.changes += 1

        return BudgetService(
            store,
            directory=Named(lambda: self.names),
            publish=lambda agent, event: self.events.append((agent, event)),
            changed=changed,
            now=lambda: self.now,
        )

    @property
    def announced(self) -> list[tuple[str | None, float]]:
        return [(agent, e.share) for agent, e in self.events if isinstance(e, BudgetReached)]


@pytest.fixture
def hive() -> BudgetFixture:
    return BudgetFixture()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hive.sqlite"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    async with open_store(path, MIGRATIONS) as opened:
        yield opened


@pytest.fixture
async def budgets(hive: BudgetFixture, store: Store) -> BudgetService:
    made = hive.budgets(store)
    await made.load()
    return made


@pytest.fixture
def rows(store: Store) -> Callable[[], Any]:
    async def read() -> list[Any]:
        sql = "SELECT day, agent, turns, cost_usd FROM usage ORDER BY day, agent"
        return await store.read(lambda connection: fetch(connection, sql))

    return read


def usd(amount: float) -> Usage:
    return Usage(1, 2, 3, 4, amount)


async def test_what_was_used_and_set_outlives_the_process(
    hive: BudgetFixture, store: Store, budgets: BudgetService
) -> None:
    await budgets.set(DOLLARS_A_DAY)
    await budgets.set(SetBudget("hive", Period.TOTAL, Unit.TOKENS, 1000.0))
    await budgets.charge("ann", "one", usd(2.0))
    await budgets.charge("bob", "two", usd(1.0))
    await budgets.charge("ann", "three", usd(2.5))
    later = hive.budgets(store)
    await later.load()
    assert later.statuses() == budgets.statuses()
    assert [status.spent for status in later.statuses()] == [30.0, 4.5]
    assert [(s.agent, s.turns, s.usage) for s in later.spent_today()] == [
        ("ann", 2, Usage(2, 4, 6, 8, 4.5)),
        ("bob", 1, usd(1.0)),
    ]
    assert hive.announced == [("ann", 0.8)]  # before the restart, and not again


async def test_the_same_end_told_twice_counts_once(budgets: BudgetService, rows: Any) -> None:
    budgets.spending("ann", "one", usd(1.0))
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(budgets.charge, "ann", "one", usd(2.0))
    await budgets.charge("ann", "one", usd(2.0))
    budgets.spending("ann", "one", usd(9.0))  # overtaken by the end
    assert await rows() == [("2024-10-04", "ann", 1, 2.0)]
    assert budgets.spent_today()[0].usage == usd(2.0)


async def test_a_lost_turn_costs_what_it_was_seen_to_use(budgets: BudgetService, rows: Any) -> None:
    budgets.turn_began("ann", "one")
    budgets.spending("ann", "one", usd(1.5))
    await budgets.charge("ann", "one", Usage())
    assert await rows() == [("2024-10-04", "ann", 1, 1.5)]
    await budgets.charge("ann", "one", usd(2.0))  # it ended nevertheless, and says so late
    assert await rows() == [("2024-10-04", "ann", 1, 2.0)]


async def test_the_running_turn_counts_and_must_stop(
    hive: BudgetFixture, budgets: BudgetService
) -> None:
    await budgets.set(DOLLARS_A_DAY)
    assert not budgets.spending("ann", "one", usd(4.9))
    assert budgets.hold("ann") is None
    assert budgets.spending("ann", "one", usd(5.0))
    held = budgets.hold("ann")
    assert held is not None and held.until == MIDNIGHT + 86_400
    assert budgets.hold("ann", urgent=True) is None
    assert budgets.hold("bob") is None
    assert hive.announced == [("ann", 0.8), ("ann", 1.0)]


async def test_an_urgent_turn_may_use_the_reserve(budgets: BudgetService) -> None:
    await budgets.set(DOLLARS_A_DAY)
    await budgets.charge("ann", "one", usd(5.0))
    budgets.turn_began("ann", "two", urgent=True)
    assert budgets.agents_over() == frozenset()
    assert not budgets.spending("ann", "two", usd(0.9))
    assert budgets.urgent_allowed("ann") is None
    assert budgets.spending("ann", "two", usd(1.0))
    assert "reserve of $1.00" in str(budgets.urgent_allowed("ann"))


async def test_a_budget_of_the_hive_stops_all_of_it(
    hive: BudgetFixture, budgets: BudgetService
) -> None:
    await budgets.set(SetBudget("hive", Period.DAY, Unit.TOKENS, 100.0))
    budgets.turn_began("bob", "b")
    assert not budgets.spending("ann", "a", Usage(99))
    before = hive.changes
    assert budgets.spending("ann", "a", Usage(100))
    assert hive.changes == before + 1  # the others' holds have begun too
    budgets.spending("ann", "a", Usage(101))
    assert hive.changes == before + 1
    assert budgets.agents_over() == {"ann", "bob"}
    assert budgets.hold("anybody") is not None
    assert hive.announced == [(None, 0.8), (None, 1.0)]


async def test_raising_frees_and_clearing_too(hive: BudgetFixture, budgets: BudgetService) -> None:
    await budgets.set(DOLLARS_A_DAY)
    await budgets.charge("ann", "one", usd(6.0))
    for amount in (7.0, None):
        await budgets.set(SetBudget("ann", Period.DAY, Unit.USD, 5.0))
        assert budgets.hold("ann") is not None
        before = hive.changes
        await budgets.set(SetBudget("ann", Period.DAY, Unit.USD, amount))
        assert budgets.hold("ann") is None
        assert hive.changes > before
    assert budgets.statuses() == ()
    with pytest.raises(ValueError, match="ann has no budget in usd per day"):
        await budgets.set(SetBudget("ann", Period.DAY, Unit.USD, None))


async def test_a_total_budget_counts_from_when_it_was_first_set(budgets: BudgetService) -> None:
    def order(amount: float | None) -> SetBudget:
        return SetBudget("ann", Period.TOTAL, Unit.USD, amount)

    await budgets.charge("ann", "one", usd(2.0))
    await budgets.charge("bob", "two", usd(16.0))
    await budgets.set(order(10.0))
    await budgets.set(SetBudget("hive", Period.TOTAL, Unit.TOKENS, 10.0))
    assert [status.spent for status in budgets.statuses()] == [0.0, 0.0]
    await budgets.charge("ann", "three", usd(4.0))
    assert [status.spent for status in budgets.statuses()] == [10.0, 4.0]
    await budgets.set(order(20.0))  # another amount, the same beginning
    assert budgets.statuses()[1].spent == 4.0
    await budgets.set(order(None))
    await budgets.set(order(20.0))
    assert budgets.statuses()[1].spent == 0.0


async def test_a_new_day_begins_anew_in_memory_and_in_the_table(
    hive: BudgetFixture, budgets: BudgetService, rows: Any
) -> None:
    await budgets.set(DOLLARS_A_DAY)
    await budgets.charge("ann", "one", usd(1.0))
    budgets.spending("ann", "two", usd(4.5))
    assert budgets.hold("ann") is not None
    hive.now = MIDNIGHT + 86_400
    assert budgets.hold("ann") is None
    assert budgets.statuses()[0].spent == 0.0
    assert not budgets.spending("ann", "two", usd(4.75))
    await budgets.charge("ann", "two", usd(5.0))
    assert budgets.statuses()[0].spent == 0.5
    assert await rows() == [("2024-10-04", "ann", 1, 5.5), ("2024-10-05", "ann", 1, 0.5)]


async def test_a_turn_that_says_nothing_until_its_end_counts_on_that_day(
    hive: BudgetFixture, budgets: BudgetService, rows: Any
) -> None:
    hive.now = MIDNIGHT + 86_400
    await budgets.charge("ann", "one", usd(1.0))
    assert await rows() == [("2024-10-05", "ann", 1, 1.0)]


async def test_nothing_is_charged_before_the_tables_are_read(
    hive: BudgetFixture, store: Store
) -> None:
    with pytest.raises(StoreClosed, match="try again"):
        await hive.budgets(store).charge("ann", "one", usd(1.0))


async def test_what_cannot_be_written_counts_and_is_written_later(
    hive: BudgetFixture, store: Store, budgets: BudgetService, rows: Any
) -> None:
    await budgets.set(DOLLARS_A_DAY)
    break_it = "ALTER TABLE usage RENAME TO hidden"
    await store.write(lambda connection: fetch(connection, break_it))
    for _ in range(2):  # told again, because the first time failed
        with pytest.raises((StoreError, apsw.Error)):
            await budgets.charge("ann", "one", usd(5.0))
    assert budgets.hold("ann") is not None
    repair = "ALTER TABLE hidden RENAME TO usage"
    await store.write(lambda connection: fetch(connection, repair))
    await budgets.charge("bob", "two", usd(1.0))
    assert [row[1:] for row in await rows()] == [("ann", 1, 5.0), ("bob", 1, 1.0)]


async def test_a_charge_whose_caller_is_cancelled_is_written(
    budgets: BudgetService, rows: Any
) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await budgets.charge("ann", "one", usd(1.0))
    assert await rows() == [("2024-10-04", "ann", 1, 1.0)]
    await budgets.charge("ann", "one", usd(1.0))
    assert len(await rows()) == 1


async def test_reading_anew_while_turns_end_counts_each_once(
    hive: BudgetFixture, store: Store, budgets: BudgetService
) -> None:
    """The restart of the child: what is in the writer's queue is in memory already."""
    async with trio.open_nursery() as nursery:
        for number in range(40):
            nursery.start_soon(budgets.charge, "ann", str(number), usd(0.25))
            if number % 5 == 0:
                nursery.start_soon(budgets.load)
    assert budgets.spent_today()[0].usage.cost_usd == 10.0
    again = hive.budgets(store)
    await again.load()
    assert again.spent_today() == budgets.spent_today()


CHILD = """
import os, sys
from pathlib import Path
import trio
from hive.budget import BudgetService
from hive.directory import Directory
from hive.store import MIGRATIONS, open_store
from hive.wire.turns import Usage

async def main(path, first):
    async with open_store(Path(path), MIGRATIONS) as store:
        budgets = BudgetService(
            store, directory=Directory(store), publish=lambda *_: None, changed=lambda: None
        )
        await budgets.load()
        for number in range(100_000):
            await budgets.charge("ann", f"{first}-{number}", Usage(1, cost_usd=0.25))
            os.write(1, b"x")

trio.run(main, sys.argv[1], sys.argv[2])
"""


def test_what_was_charged_survives_kill_9(path: Path) -> None:
    charged = 0
    for life in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path), str(life)], stdout=subprocess.PIPE
        )
        limit = threading.Timer(20, child.kill)
        limit.start()
        assert child.stdout is not None
        with child, child.stdout as told:
            charged += len(told.read(25))
            child.send_signal(signal.SIGKILL)
            charged += len(told.read())
        limit.cancel()
        assert child.returncode == -signal.SIGKILL
    connection = apsw.Connection(str(path))
    stored = fetch(connection, "SELECT sum(turns), sum(input_tokens), sum(cost_usd) FROM usage")[0]
    connection.close()
    assert charged >= 75
    assert charged <= stored[0] <= charged + 3  # one was under way at each kill
    assert stored[1:] == (stored[0], stored[0] / 4)
