"""The store's promises: durable when told so, isolated, bounded, ordered, honest at the end."""

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
import trio
import trio.testing

from hive.store import (
    SchemaTooNew,
    Store,
    StoreClosed,
    StoreError,
    StoreFull,
    StoreStuck,
    fetch,
    open_store,
)
from hive.store import store as store_module
from hive.store.connections import roll_back
from hive.supervisors import Context

NUMBERS = ("CREATE TABLE numbers (n INTEGER PRIMARY KEY, pad BLOB)",)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hive.sqlite"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    async with open_store(path, NUMBERS) as opened:
        yield opened


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Opens the jobs made by `blocked`; always open at the end, so that no thread is left."""
    event = threading.Event()
    yield event
    event.set()


def add(n: int):
    def job(connection: apsw.Connection) -> int:
        fetch(connection, "INSERT INTO numbers (n) VALUES (?)", (n,))
        return n

    return job


def all_numbers(connection: apsw.Connection) -> list[int]:
    return [n for (n,) in fetch(connection, "SELECT n FROM numbers ORDER BY n")]


async def hold_writer(store: Store, gate: threading.Event, nursery: trio.Nursery) -> None:
    """Make the writer wait for the gate, so that what comes now is one batch."""
    entered = threading.Event()

    def job(_: apsw.Connection) -> None:
        entered.set()
        assert gate.wait(10)

    nursery.start_soon(store.write, job)
    with trio.fail_after(5):
        await trio.to_thread.run_sync(entered.wait, 5)


async def test_a_write_is_committed_when_it_returns(store: Store, path: Path) -> None:
    assert await store.write(add(7)) == 7
    elsewhere = apsw.Connection(str(path))
    assert all_numbers(elsewhere) == [7]
    elsewhere.close()


async def test_writes_that_come_until_a_commit_share_it(
    store: Store, gate: threading.Event
) -> None:
    commits = 0

    def count() -> bool:
        nonlocal commits
        commits += 1
        return False

    await store.write(lambda connection: connection.set_commit_hook(count))
    async with trio.open_nursery() as nursery:
        await hold_writer(store, gate, nursery)
        before = commits
        for n in range(200):
            nursery.start_soon(store.write, add(n))
        await trio.testing.wait_all_tasks_blocked()
        gate.set()
    assert await store.read(all_numbers) == list(range(200))
    assert commits - before == 1  # the blocked job's: what comes while it runs joins it


async def test_a_failing_job_is_undone_alone(store: Store, gate: threading.Event) -> None:
    def fails(connection: apsw.Connection) -> None:
        add(50)(connection)
        raise LookupError("on purpose")

    async def failing() -> None:
        with pytest.raises(LookupError, match="on purpose"):
            await store.write(fails)

    async with trio.open_nursery() as nursery:
        await hold_writer(store, gate, nursery)
        nursery.start_soon(store.write, add(1))
        nursery.start_soon(failing)
        nursery.start_soon(store.write, add(2))
        await trio.testing.wait_all_tasks_blocked()
        gate.set()
    assert await store.read(all_numbers) == [1, 2]


async def test_no_space_for_one_job_leaves_its_neighbours_whole(
    store: Store, gate: threading.Event
) -> None:
    """SQLite undoes the whole transaction then; the others must be done again."""
    await store.write(lambda c: fetch(c, "PRAGMA max_page_count=20"))

    async def too_big() -> None:
        with pytest.raises(StoreFull, match="free some space"):
            await store.write(lambda c: fetch(c, "INSERT INTO numbers VALUES (9, zeroblob(99999))"))

    async with trio.open_nursery() as nursery:
        await hold_writer(store, gate, nursery)
        for n in (1, 2):
            nursery.start_soon(store.write, add(n))
        nursery.start_soon(too_big)
        for n in (3, 4):
            nursery.start_soon(store.write, add(n))
        await trio.testing.wait_all_tasks_blocked()
        gate.set()
    assert await store.read(all_numbers) == [1, 2, 3, 4]


async def test_a_job_that_ends_the_transaction_is_told_so(store: Store) -> None:
    with pytest.raises(RuntimeError, match="ended the transaction"):
        await store.write(lambda connection: fetch(connection, "COMMIT"))
    assert await store.write(add(1)) == 1


async def test_then_runs_in_commit_order_before_the_caller_goes_on(store: Store) -> None:
    order: list[str] = []

    async def writer(n: int) -> None:
        await store.write(add(n), lambda n: order.append(f"then {n}"))
        order.append(f"caller {n}")

    async with trio.open_nursery() as nursery:
        for n in range(20):
            nursery.start_soon(writer, n)
    thens = [int(entry.split()[1]) for entry in order if entry.startswith("then")]
    queued = await store.read(lambda c: fetch(c, "SELECT n FROM numbers ORDER BY rowid"))
    assert sorted(thens) == [n for (n,) in queued]
    assert all(order.index(f"then {n}") < order.index(f"caller {n}") for n in range(20))


async def test_then_does_not_run_for_a_job_that_failed(store: Store) -> None:
    called: list[object] = []
    await store.write(add(1))
    with pytest.raises(apsw.ConstraintError):
        await store.write(add(1), called.append)
    assert called == []


async def test_a_write_whose_caller_is_cancelled_happens_all_the_same(
    store: Store, gate: threading.Event
) -> None:
    happened = trio.Event()
    async with trio.open_nursery() as nursery:
        await hold_writer(store, gate, nursery)
        with trio.move_on_after(0.01) as scope:
            await store.write(add(5), lambda _: happened.set())
        assert scope.cancelled_caught  # at once, although the writer is still held
        gate.set()
        with trio.fail_after(5):
            await happened.wait()
    assert await store.read(all_numbers) == [5]


async def test_the_queue_is_bounded(
    path: Path, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "MAX_WAITING", 3)
    async with open_store(path, NUMBERS) as store, trio.open_nursery() as nursery:
        await hold_writer(store, gate, nursery)
        nursery.start_soon(store.write, add(1))
        nursery.start_soon(store.write, add(2))
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(0.01) as scope:  # no place: cancelled before it was queued
            await store.write(add(3))
        assert scope.cancelled_caught
        gate.set()
        await store.write(add(4))
        assert await store.read(all_numbers) == [1, 2, 4]


async def test_reads_cannot_write(store: Store) -> None:
    with pytest.raises(StoreError, match="readonly"):
        await store.read(add(1))


async def test_a_read_sees_one_snapshot(store: Store) -> None:
    """Whatever is committed while it runs."""
    await store.write(add(1))
    seen, written = threading.Event(), threading.Event()

    def twice(connection: apsw.Connection) -> tuple[list[int], list[int]]:
        first = all_numbers(connection)
        seen.set()
        assert written.wait(5)
        return first, all_numbers(connection)

    async def write_between() -> None:
        await trio.to_thread.run_sync(seen.wait, 5)
        await store.write(add(2))
        written.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write_between)
        assert await store.read(twice) == ([1], [1])
    assert await store.read(all_numbers) == [1, 2]


async def test_more_reads_than_connections_wait_for_their_turn(store: Store) -> None:
    await store.write(add(1))
    results: list[list[int]] = []

    async def reader() -> None:
        results.append(await store.read(all_numbers))

    async with trio.open_nursery() as nursery:
        for _ in range(40):
            nursery.start_soon(reader)
    assert results == [[1]] * 40


async def test_what_is_queued_is_finished_at_the_end(path: Path, gate: threading.Event) -> None:
    store = Store(path, NUMBERS)
    async with trio.open_nursery() as nursery, store.opened():
        await hold_writer(store, gate, nursery)
        for n in range(50):
            nursery.start_soon(store.write, add(n))
        await trio.testing.wait_all_tasks_blocked()
        gate.set()
    async with open_store(path, NUMBERS) as store:
        assert await store.read(all_numbers) == list(range(50))


async def test_a_closed_store_says_so(path: Path) -> None:
    store = Store(path, NUMBERS)
    with pytest.raises(StoreClosed, match="not open"):
        await store.write(add(1))
    async with store.opened():
        await store.write(add(1))
    with pytest.raises(StoreClosed, match="not open"):
        await store.read(all_numbers)
    async with store.opened():  # a handle is good for more than one life
        assert await store.read(all_numbers) == [1]


async def test_a_stuck_writer_is_reported_with_its_job(
    path: Path, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "STOP_S", 0.1)
    with trio.fail_after(5), pytest.RaisesGroup(StoreStuck) as caught:
        async with trio.open_nursery() as nursery, open_store(path, NUMBERS) as store:
            await hold_writer(store, gate, nursery)
    assert "hold_writer" in str(caught.value.exceptions[0])


async def test_a_writer_that_dies_leaves_nobody_waiting(path: Path, gate: threading.Event) -> None:
    entered = threading.Event()
    refused: list[str] = []

    def breaks(connection: apsw.Connection) -> None:
        entered.set()
        assert gate.wait(10)
        connection.close(True)

    async def refused_write(fn: Callable[[apsw.Connection], object]) -> None:
        with pytest.raises(StoreClosed) as caught:
            await store.write(fn)
        refused.append(str(caught.value))

    store = Store(path, NUMBERS)
    with pytest.raises(StoreClosed, match="died"):
        async with store.opened() as ended:
            with trio.fail_after(5):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(refused_write, breaks)
                    await trio.to_thread.run_sync(entered.wait, 5)
                    for n in range(3):  # behind it in the queue
                        nursery.start_soon(refused_write, add(n))
                    await trio.testing.wait_all_tasks_blocked()
                    gate.set()
                await ended.wait()
                await refused_write(add(9))
    assert [text for text in refused if "died" in text] == refused[:4]
    assert len(refused) == 5
    assert "not open" in refused[4]


class Recorder(Context):
    """Remembers what the child has said."""

    def __init__(self) -> None:
        self.was_ready = trio.Event()
        self.ticks = trio.Semaphore(0)
        super().__init__("test", on_ready=lambda _: self.was_ready.set())

    def tick(self) -> None:
        self.ticks.release()


async def test_as_a_child_it_gets_ready_ticks_and_stops(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "TICK_S", 0.001)
    ctx = Recorder()
    store = Store(path, NUMBERS)
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.run, ctx)
            await ctx.was_ready.wait()
            await store.write(add(1))
            for _ in range(3):
                await ctx.ticks.acquire()
            nursery.cancel_scope.cancel()
    with pytest.raises(StoreClosed):
        await store.write(add(2))


async def test_as_a_child_it_fails_when_its_writer_dies(path: Path) -> None:
    ctx = Recorder()
    store = Store(path, NUMBERS)
    with trio.fail_after(5), pytest.RaisesGroup(pytest.RaisesExc(StoreClosed, match="died")):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.run, ctx)
            await ctx.was_ready.wait()
            with pytest.raises(StoreClosed):
                await store.write(lambda connection: connection.close(True))


async def test_migrations_run_once_and_in_order(path: Path) -> None:
    scripts = (*NUMBERS, "INSERT INTO numbers (n) VALUES (1); INSERT INTO numbers (n) VALUES (2)")
    for _ in range(2):
        async with open_store(path, scripts) as store:
            assert await store.read(all_numbers) == [1, 2]


async def test_a_failed_migration_leaves_nothing(path: Path) -> None:
    broken = (*NUMBERS, "INSERT INTO numbers (n) VALUES (1); CREATE TABLE numbers (n)")
    with pytest.raises(StoreError, match="already exists") as caught:
        async with open_store(path, broken):
            pass
    assert "migration 2" in "".join(getattr(caught.value.__cause__, "__notes__", []))
    async with open_store(path, NUMBERS) as store:  # the first stands, the second left no trace
        assert await store.read(all_numbers) == []


async def test_a_newer_schema_is_refused_with_advice(path: Path) -> None:
    async with open_store(path, (*NUMBERS, "SELECT 1")):
        pass
    with pytest.raises(SchemaTooNew, match=r"has schema 2, .* up to 1: start the newer version"):
        async with open_store(path, NUMBERS):
            pass


async def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    await trio.Path(path).write_bytes(b"this is no database at all" * 100)
    with pytest.raises(StoreError, match="cannot be opened"):
        async with open_store(path, NUMBERS):
            pass


async def test_a_folder_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        async with open_store(tmp_path / "missing" / "hive.sqlite", NUMBERS):
            pass


async def test_the_file_is_private_and_durable(store: Store, path: Path) -> None:
    for file in (path, path.with_name("hive.sqlite-wal")):
        assert (await trio.Path(file).stat()).st_mode & 0o777 == 0o600
    pragmas = await store.write(
        lambda c: [c.pragma(p) for p in ("journal_mode", "synchronous", "foreign_keys")]
    )
    assert pragmas == ["wal", 2, 1]


async def test_a_read_that_ends_its_snapshot_keeps_its_own_error(store: Store) -> None:
    def job(connection: apsw.Connection) -> None:
        fetch(connection, "ROLLBACK")
        raise ValueError("the first error")

    with pytest.raises(ValueError, match="the first error"):
        await store.read(job)
    assert await store.read(all_numbers) == []


def test_a_rollback_that_fails_hides_nothing() -> None:
    class Stuck:
        in_transaction = True

        def execute(self, *_: object) -> None:
            raise apsw.SQLError("cannot rollback")

    stuck: Any = Stuck()
    assert not roll_back(stuck)
    assert roll_back(apsw.Connection(":memory:"))
