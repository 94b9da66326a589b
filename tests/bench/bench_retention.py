"""A hive with a long past: what its size costs a send and a lease, and what tidying up costs.

The past is made by SQL: ten million acknowledged messages (BENCH_PAST says how many) and ten
thousand queued ones. Times are of this process, without sockets; the disk is the store's own.
"""

import os
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import apsw
import pytest
import trio
from attrs import define, field
from bench.figures import Book, quantile
from support.directories import Named

from hive.broker import Broker, Draft
from hive.janitor import Janitor, Retention
from hive.store import MIGRATIONS, Store, fetch, open_store
from hive.store.schema import migrate

AGENTS = [f"agent-{number}" for number in range(50)]
PAST = int(os.environ.get("BENCH_PAST", "10_000_000"))
QUEUED = 10_000
OLD = 0.1
"""Share of the past that is older than any retention."""

BODY = "x" * 100
DAY = 86400.0
ROUNDS = 5
TURNS = 100
WATCH_S = 3.0
PART = f"A past of {PAST:,} acknowledged and {QUEUED:,} queued messages"


def make(path: Path, past: int) -> None:
    """A store with that many done messages, the first of them old, and the queue."""
    connection = apsw.Connection(str(path))
    migrate(connection, MIGRATIONS)
    indexes = fetch(
        connection,
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'messages'"
        " AND sql IS NOT NULL",
    )
    fetch(connection, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-400000")
    for name, _ in indexes:
        fetch(connection, f"DROP INDEX {name}")
    now = time.time()
    insert = (
        "INSERT INTO messages (sender, recipient, body, sent_at, state, idempotency_key,"
        " changed_at)"
        " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :most)"
        " SELECT 'agent-' || (i % 50), 'agent-' || (i * 7 % 50), :body,"
        " :now - iif(i < :old, 200, 1) * 86400.0, :state, hex(randomblob(16)),"
        " :now - iif(i < :old, 200, 1) * 86400.0 FROM n"
    )
    for most, old, state in ((past, past * OLD, "done"), (QUEUED, 0, "queued")):
        if most:
            values = {"most": most, "old": old, "state": state, "now": now, "body": BODY}
            fetch(connection, insert, values)
    for _, sql in indexes:
        fetch(connection, sql)
    connection.close()


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[tuple[Store, Broker]]:
    async with open_store(path, MIGRATIONS) as store:
        broker = Broker(store, Named(lambda: AGENTS), publish=lambda *_: None)
        await broker.load()
        yield store, broker


@pytest.fixture(scope="module")
def long_past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("past") / "hive.sqlite"
    make(path, PAST)
    return path


@pytest.fixture(scope="module")
def no_past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("none") / "hive.sqlite"
    make(path, 0)
    return path


async def timed(act: Callable[[int], Awaitable[object]], times: int) -> list[float]:
    """Milliseconds of each call."""
    found = []
    for number in range(times):
        began = time.perf_counter()
        await act(number)
        found.append(1_000 * (time.perf_counter() - began))
    return found


async def send_and_lease(broker: Broker, name: str) -> dict[str, float]:
    """Medians of a round: milliseconds for a send, and for a lease with its ack."""

    async def send(number: int) -> None:
        await broker.send(Draft("agent-0", AGENTS[number % 50], BODY, key=f"{name}-{number}"))

    async def lease(number: int) -> None:
        turn = f"{name}-{number}"
        assert await broker.lease(AGENTS[number % 50], "holder", turn)
        await broker.ack(turn, "holder")

    return {
        "send": statistics.median(await timed(send, TURNS)),
        "lease and ack": statistics.median(await timed(lease, TURNS)),
    }


async def test_growth(no_past: Path, long_past: Path, book: Book) -> None:
    async with opened(no_past) as (_, small), opened(long_past) as (_, large):
        for broker in (small, large):
            await send_and_lease(broker, "warm")
        rounds = [
            (await send_and_lease(small, f"s{n}"), await send_and_lease(large, f"l{n}"))
            for n in range(ROUNDS)
        ]
    for what in ("send", "lease and ack"):
        without = statistics.median(one[what] for one, _ in rounds)
        with_ = statistics.median(other[what] for _, other in rounds)
        book.add(PART, f"{what}, no past", without, "ms")
        book.add(PART, f"{what}, long past", with_, "ms")
        ratio = statistics.median(other[what] / one[what] for one, other in rounds)
        book.add(PART, f"{what}, ratio", ratio, "x", at_most=1.5)


@define
class WatchedStore:
    """The store as the janitor sees it; notes how long each of its jobs kept the writer.

    In wall time and in processor time of the thread (ms): a neighbour on this machine may stop
    either thread at any moment, for which no batch can be small enough.
    """

    store: Store
    wall: list[float] = field(factory=list)
    processor: list[float] = field(factory=list)

    async def read(self, fn):  # type: ignore[no-untyped-def]
        return await self.store.read(fn)

    async def write(self, fn, then=None):  # type: ignore[no-untyped-def]
        def job(connection: apsw.Connection) -> object:
            wall, processor = time.perf_counter(), time.thread_time()
            try:
                return fn(connection)
            finally:
                self.wall.append(1_000 * (time.perf_counter() - wall))
                self.processor.append(1_000 * (time.thread_time() - processor))

        return await self.store.write(job, then)


async def test_tidying_up_beside_sends(long_past: Path, book: Book) -> None:
    """Alone and beside the janitor by turns, so that a busy machine is one for both."""
    alone, beside, removed = list[float](), list[float](), 0
    async with opened(long_past) as (store, broker):
        watched = WatchedStore(store)
        janitor = Janitor(watched, Retention(), _no_events)  # type: ignore[arg-type]

        async def send(name: str) -> list[float]:
            found: list[float] = []
            end = trio.current_time() + WATCH_S
            while trio.current_time() < end:
                key = f"{name}-{len(found)}"
                draft = Draft("agent-0", AGENTS[len(found) % 50], BODY, key=key)
                began = time.perf_counter()
                await broker.send(draft)
                found.append(time.perf_counter() - began)
                await trio.sleep(0.002)
            return found

        for number in range(ROUNDS):
            alone += await send(f"alone-{number}")
            before = await store.read(_oldest)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(janitor.round)
                beside += await send(f"beside-{number}")
                nursery.cancel_scope.cancel()
            removed += await store.read(_oldest) - before
    assert removed > 0, "there was something to tidy up"
    book.add(PART, "removed", removed / (ROUNDS * WATCH_S), "1/s")
    for name, took in (("processor time", watched.processor), ("wall time", watched.wall)):
        target = 20.0 if took is watched.processor else None
        book.add(PART, f"a batch, {name}, median", statistics.median(took), "ms")
        book.add(PART, f"a batch, {name}, p99", quantile(took, 99), "ms", at_most=20.0)
        book.add(PART, f"a batch, {name}, longest", max(took), "ms", at_most=target)
    book.times(PART, "send alone", alone)
    book.times(PART, "send beside the janitor", beside)
    longer = 1_000 * (quantile(beside, 99) - quantile(alone, 99))
    book.add(PART, "send beside the janitor, p99 longer by", longer, "ms", at_most=20.0)


async def _no_events(before: float, limit: int) -> int:
    await trio.lowlevel.checkpoint()
    return 0


def _oldest(connection: apsw.Connection) -> int:
    """The lowest id: old messages are removed from there on."""
    return int(fetch(connection, "SELECT min(id) FROM messages")[0][0])
