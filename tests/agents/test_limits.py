"""Gates and budgets together: what the end of a turn waits for, and what it does not."""

from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing

from hive.agents import GatesAndBudgets
from hive.store import StoreFull
from hive.supervisors import Context
from hive.wire.turns import Outcome, TurnReport, Usage

USED = Usage(input_tokens=7)


class Books:
    """Budgets whose disk is as the test says."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.disk = trio.Event()
        self.full = False

    def spending(self, agent: str, lease: str, usage: Usage) -> None:
        self.told.append(("counted", lease))

    async def charge(self, agent: str, lease: str, usage: Usage) -> None:
        await self.disk.wait()
        if self.full:
            raise StoreFull("no space")
        self.told.append(("charged", lease))


class Gates:
    def __init__(self, books: Books) -> None:
        self.books = books

    async def turn_ended(self, key: str, agent: str, lease: str, report: TurnReport) -> None:
        await trio.lowlevel.checkpoint()
        self.books.told.append(("gate", lease))


def scout(looks: list[str]) -> Any:
    record = SimpleNamespace(name="scout", credential="default", model=None)
    return SimpleNamespace(name="scout", record=record, look_again=lambda: looks.append("look"))


@pytest.fixture
def books() -> Books:
    return Books()


@pytest.fixture
def limits(books: Books) -> GatesAndBudgets:
    return GatesAndBudgets(Gates(books), books, {})  # type: ignore[arg-type]


async def end(limits: GatesAndBudgets, lease: str, looks: list[str]) -> None:
    with trio.fail_after(5):
        await limits.turn_ended(scout(looks), lease, TurnReport(Outcome.COMPLETED, usage=USED))


async def test_the_end_of_a_turn_counts_at_once_and_waits_for_no_disk(
    limits: GatesAndBudgets, books: Books
) -> None:
    looks: list[str] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(limits.run, Context("hive/limits"))
        await end(limits, "t1", looks)
        assert books.told == [("counted", "t1"), ("gate", "t1")] and looks == ["look"]
        books.disk.set()
        await trio.testing.wait_all_tasks_blocked()
        assert books.told[-1] == ("charged", "t1")
        nursery.cancel_scope.cancel()


async def test_a_full_disk_ends_nothing(limits: GatesAndBudgets, books: Books) -> None:
    books.full = True
    books.disk.set()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(limits.run, Context("hive/limits"))
        await end(limits, "t1", [])
        await trio.testing.wait_all_tasks_blocked()
        books.full = False
        await end(limits, "t2", [])
        await trio.testing.wait_all_tasks_blocked()
        assert books.told[-1] == ("charged", "t2")
        nursery.cancel_scope.cancel()


async def test_what_ended_before_the_stop_is_charged_in_it(
    limits: GatesAndBudgets, books: Books
) -> None:
    await end(limits, "t1", [])
    books.disk.set()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(limits.run, Context("hive/limits"))
        nursery.cancel_scope.cancel()
    assert books.told[-1] == ("charged", "t1")
