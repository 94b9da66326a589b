"""100,000 reminders due at once over 50 agents, against a transaction for each, in one run.

The baseline is the same code on the same disk with batches of one. Meanwhile somebody sends, now
and then, and measures how long each send takes; the same without reminders is the idle value.
"""

import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
from attrs import frozen
from bench.figures import Book, quantile
from support.directories import Named

from hive.broker import Broker, Draft
from hive.reminders import ReminderService, StateFolder, policy
from hive.store import MIGRATIONS, Store, open_store
from hive.supervisors import Context
from hive.wire.names import OPERATOR

AGENTS = 50
DUE = 100_000
SINGLY = 4_000
ROUNDS = 3
PAUSE_S = 0.005
LOOK_S = 0.005
IDLE_S = 5.0
PART = f"Reminders, {DUE:,} due at once over {AGENTS} agents"
NAMES = [f"agent-{number}" for number in range(AGENTS)]


@frozen
class ReminderBench:
    store: Store
    broker: Broker
    reminders: ReminderService

    def delivered(self) -> int:
        """Messages to agents; those that the bench itself sends go to the operator."""
        counts = self.broker.counts()
        return sum(counts[name].queued for name in NAMES if name in counts)

    async def fill(self, count: int) -> None:
        """So many pending reminders, all due."""
        now = time.time()
        rows = [(NAMES[n % AGENTS], f"look at {n}", now, now, now) for n in range(count)]
        sql = (
            "INSERT INTO reminders (agent, text, created_at, due_at, retry_at, state)"
            " VALUES (?, ?, ?, ?, ?, 'pending')"
        )
        await self.store.write(lambda c: c.executemany(sql, rows).fetchall())

    async def deliver(self, count: int, meanwhile: Callable[[], object]) -> float:
        """Seconds until `count` more messages have come from the agents' schedulers."""
        goal = self.delivered() + count
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for name in NAMES:
                nursery.start_soon(self.reminders.scheduler, Context("bench"), name)
            meanwhile()
            while self.delivered() < goal:  # noqa: ASYNC110 - counts have no event
                await trio.sleep(LOOK_S)
            nursery.cancel_scope.cancel()
        return trio.current_time() - began


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[ReminderBench]:
    async with open_store(folder / f"{time.monotonic_ns()}.sqlite", MIGRATIONS) as store:
        broker = Broker(store, Named(lambda: NAMES), publish=lambda *_: None)
        await broker.load()
        state_folder = StateFolder(Path("/nowhere"), Path("/nowhere"))
        nobody = partial(pytest.fail, "nothing fails here")
        reminders = ReminderService(
            store, broker, state_folder=lambda _: state_folder, publish=nobody
        )
        yield ReminderBench(store, broker, reminders)


async def sends(bench: ReminderBench, took: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await bench.broker.send(Draft(NAMES[0], OPERATOR, "hello"))
        took.append(time.perf_counter() - began)
        await trio.sleep(PAUSE_S)


async def idle(bench: ReminderBench) -> list[float]:
    """Times of sends while nothing is due."""
    took: list[float] = []
    with trio.move_on_after(IDLE_S):
        await sends(bench, took)
    return took


async def test_all_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, book: Book) -> None:
    rates, singly, quiet, busy = [], [], [], []
    for _ in range(ROUNDS):
        async with opened(tmp_path) as bench, trio.open_nursery() as nursery:
            quiet.append(quantile(await idle(bench), 99))
            await bench.fill(DUE)
            took: list[float] = []
            seconds = await bench.deliver(DUE, partial(nursery.start_soon, sends, bench, took))
            nursery.cancel_scope.cancel()
        rates.append(DUE / seconds)
        busy.append(quantile(took, 99))
        with monkeypatch.context() as patch:
            patch.setattr(policy, "BATCH", 1)
            async with opened(tmp_path) as bench:
                await bench.fill(SINGLY)
                singly.append(SINGLY / await bench.deliver(SINGLY, lambda: None))
    book.add(PART, "one transaction each", statistics.median(singly), "1/s")
    book.add(PART, "in batches", statistics.median(rates), "1/s")
    ratios = [many / one for many, one in zip(rates, singly, strict=True)]
    book.add(PART, "ratio", statistics.median(ratios), "x", at_least=10)
    book.add(PART, "send while nothing is due, p99", statistics.median(quiet) * 1e3, "ms")
    book.add(PART, "send meanwhile, p99", statistics.median(busy) * 1e3, "ms")
    slower = [loaded / calm for loaded, calm in zip(busy, quiet, strict=True)]
    book.add(PART, "send meanwhile / idle, p99", statistics.median(slower), "x", at_most=4)
