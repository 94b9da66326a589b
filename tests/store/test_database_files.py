"""The database's files are looked at before the start, and looked after while the store is open."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
import trio
import trio.testing

from hive.store import (
    MIGRATIONS,
    SchemaTooNew,
    StoreError,
    StoreMoved,
    StoreReplaced,
    connections,
    database_files,
    examine,
    fetch,
    open_store,
    writer,
)
from hive.store import Store as OpenStore

NUMBERS = ("CREATE TABLE numbers (n INTEGER PRIMARY KEY, pad BLOB)",)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hive.sqlite"


def add(n: int) -> Callable[[apsw.Connection], None]:
    def job(connection: apsw.Connection) -> None:
        fetch(connection, "INSERT INTO numbers (n, pad) VALUES (?, zeroblob(9000))", (n,))

    return job


def all_numbers(connection: apsw.Connection) -> list[int]:
    return [n for (n,) in fetch(connection, "SELECT n FROM numbers ORDER BY n")]


async def numbers_at(path: Path) -> list[int]:
    async with open_store(path, NUMBERS) as store:
        assert await store.read(lambda c: fetch(c, "PRAGMA integrity_check")) == [("ok",)]
        return await store.read(all_numbers)


def remove(*files: Path) -> None:
    for file in files:
        file.unlink()


def names(path: Path) -> set[str]:
    return {entry.name for entry in path.parent.iterdir()}


@pytest.mark.parametrize(
    "gone", [["-wal"], ["-shm"], ["-wal", "-shm"], [""], ["", "-wal", "-shm"]], ids="".join
)
@pytest.mark.parametrize("reading", [False, True])
async def test_what_is_removed_is_written_again(path: Path, gone: list[str], reading: bool) -> None:
    """Not even what nobody had been told of is lost, also while somebody reads."""
    snapshot, free = trio.Event(), trio.Event()

    def read_slowly(connection: apsw.Connection) -> list[int]:
        found = all_numbers(connection)
        trio.from_thread.run_sync(snapshot.set)
        trio.from_thread.run(free.wait)
        return found

    with trio.fail_after(20), pytest.raises(StoreMoved, match="nothing is lost"):
        async with open_store(path, NUMBERS) as store, trio.open_nursery() as nursery:
            await store.write(add(1))
            if reading:
                nursery.start_soon(store.read, read_slowly)
                await snapshot.wait()
            remove(*(Path(f"{path}{ending}") for ending in gone))
            nursery.start_soon(store.write, add(2))
            await trio.testing.wait_all_tasks_blocked()
            free.set()
    assert await numbers_at(path) == [1, 2]
    assert names(path) == {path.name}


async def test_an_idle_store_finds_it_by_itself(path: Path) -> None:
    async with open_store(path, NUMBERS) as store:
        await store.write(add(1))
    store = OpenStore(path, NUMBERS)
    with trio.fail_after(10), pytest.raises(StoreMoved):
        async with store.opened() as ended:
            remove(path)
            await store.write(lambda _: None)  # what `run` does at each tick
            await ended.wait()
    assert await numbers_at(path) == [1]


@pytest.mark.parametrize("how", ["rename", "removed and made"])
async def test_a_file_that_was_replaced_is_left_as_it_is(path: Path, how: str) -> None:
    other = path.with_name("backup")
    async with open_store(other, NUMBERS) as store:
        await store.write(add(77))
    before = await trio.Path(other).read_bytes()
    with trio.fail_after(10), pytest.raises(StoreReplaced, match="was replaced while") as raised:
        async with open_store(path, NUMBERS) as store:
            await store.write(add(1))
            if how != "rename":
                remove(path)
            (shutil.move if how == "rename" else shutil.copy)(other, path)
            await store.write(add(2))
    (aside,) = (path.with_name(one) for one in names(path) if ".replaced-" in one)
    assert str(aside) in str(raised.value)
    assert await trio.Path(path).read_bytes() == before
    assert await numbers_at(aside) == [1, 2]
    assert await numbers_at(path) == [77]


async def test_a_file_that_was_moved_away_has_everything(path: Path) -> None:
    away = path.with_name("away")
    with trio.fail_after(10), pytest.raises(StoreReplaced, match=f"it is {away} now"):
        async with open_store(path, NUMBERS) as store:
            await store.write(add(1))
            shutil.move(path, away)
            await store.write(add(2))
    assert path.name not in names(path)
    assert (await trio.Path(f"{path}-wal").stat()).st_size == 0  # it would spoil another's
    assert await numbers_at(away) == [1, 2]


async def test_what_cannot_be_brought_to_safety_is_not_acknowledged_and_tried_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError("no room")))
    with trio.fail_after(10), pytest.raises(StoreMoved):
        async with open_store(path, NUMBERS) as store:
            await store.write(add(1))
            remove(path)
            with pytest.raises(StoreError, match="do not stop the hive"):
                await store.write(add(2))
            assert await store.read(all_numbers) == [1, 2]
            monkeypatch.undo()
            await store.write(add(3))
    assert await numbers_at(path) == [1, 2, 3]


async def test_a_later_life_never_begins_with_an_empty_file(path: Path) -> None:
    store = OpenStore(path, NUMBERS)
    async with store.opened():
        pass
    remove(path)
    with pytest.raises(StoreError, match="cannot be opened"):
        async with store.opened():
            pass
    assert names(path) == set()


async def test_what_was_not_writable_for_a_while_works_again_by_itself(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite opens a read-only file for reading, and that connection never writes again."""
    async with open_store(path, NUMBERS) as store:
        await store.write(add(1))

    def read_only(*_: object, **__: object) -> apsw.Connection:
        return apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)

    with monkeypatch.context() as patch:
        patch.setattr(writer, "open_writer", read_only)
        store = OpenStore(path, NUMBERS)
        opened = store.opened()
        await opened.__aenter__()
    try:
        with pytest.raises(StoreError, match="ReadOnly"):
            await store.write(add(2))
        await store.write(add(3))
        assert await store.read(all_numbers) == [1, 3]
    finally:
        await opened.__aexit__(None, None, None)


async def test_a_reader_that_met_a_fault_is_replaced(path: Path) -> None:
    async with open_store(path, NUMBERS) as store:
        await store.write(add(1))
        failed: list[apsw.Connection] = []

        def fails(connection: apsw.Connection) -> None:
            failed.append(connection)
            raise apsw.IOError("disk I/O error")

        with pytest.raises(StoreError):
            await store.read(fails)
        for _ in range(connections.READERS):
            assert await store.read(lambda c: c not in failed)


def holding(began: trio.Event, free: trio.Event, sql: str) -> Callable[[apsw.Connection], None]:
    def job(connection: apsw.Connection) -> None:
        fetch(connection, sql)
        trio.from_thread.run_sync(began.set)
        trio.from_thread.run(free.wait)

    return job


async def test_a_long_read_only_delays_what_must_be_brought_to_safety(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "BUSY_TIMEOUT_MS", 10)
    began, free, ended = trio.Event(), trio.Event(), trio.Event()
    with trio.fail_after(10), pytest.raises(StoreMoved):
        async with open_store(path, NUMBERS) as store, trio.open_nursery() as nursery:
            await store.write(add(1))

            async def read() -> None:
                await store.read(holding(began, free, "SELECT * FROM numbers"))
                ended.set()

            nursery.start_soon(read)
            await began.wait()
            remove(Path(f"{path}-wal"))
            with pytest.raises(StoreError, match="may be stored"):
                await store.write(add(2))
            free.set()
            await ended.wait()
            await store.write(add(3))
    assert await numbers_at(path) == [1, 2, 3]


async def test_a_store_that_lost_its_log_ends_after_its_readers(path: Path) -> None:
    """They share its index, which the next life must not find."""
    began, free, left = trio.Event(), trio.Event(), trio.Event()
    store = OpenStore(path, NUMBERS)

    async def live() -> None:
        with pytest.raises(StoreMoved):
            async with store.opened() as ended:
                nursery.start_soon(store.read, holding(began, free, ""))
                await began.wait()
                remove(Path(f"{path}-wal"))
                await store.write(add(1))
                await ended.wait()
        left.set()

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(live)
            await began.wait()
            with trio.move_on_after(0.2):
                await left.wait()
            assert not left.is_set()
            free.set()
            await left.wait()
    assert await numbers_at(path) == [1]


# Before the start.


async def make(path: Path) -> None:
    async with open_store(path, MIGRATIONS):
        pass


def test_a_hive_and_nothing_are_told_apart(path: Path) -> None:
    assert not examine(path)
    path.touch()
    assert not examine(path)
    trio.run(make, path)
    before = path.read_bytes()
    assert examine(path)
    assert path.read_bytes() == before and names(path) == {path.name}


def test_an_empty_database_holds_nothing(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    assert path.stat().st_size > 0
    assert not examine(path)


@pytest.mark.parametrize("what", ["folder", "text", "noise", "cut", "foreign", "pipe"])
def test_what_is_no_database_of_a_hive_is_refused(path: Path, what: str) -> None:
    match what:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "text":
            path.write_text("dear diary\n" * 100)
        case "noise":
            path.write_bytes(os.urandom(8192))
        case "cut":
            trio.run(make, path)
            os.truncate(path, 5000)
        case "foreign":
            with sqlite3.connect(path) as connection:
                connection.execute("CREATE TABLE bookmarks (url TEXT)")
            connection.close()
    says = {"folder": "is no file", "pipe": "is no file", "foreign": "another program's"}
    with pytest.raises(StoreError, match=says.get(what, "restore a backup")) as raised:
        examine(path)
    assert str(path) in str(raised.value)


def test_a_newer_one_is_refused(path: Path) -> None:
    trio.run(make, path)
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version={len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(SchemaTooNew, match="start the newer version"):
        examine(path)


HOLDS = """
import sqlite3, sys
holder = sqlite3.connect(sys.argv[1], isolation_level=None)
holder.executescript(sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    "how", ["PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE; CREATE TABLE x (x)", "BEGIN IMMEDIATE"]
)
def test_one_that_another_program_holds_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(database_files, "BUSY_TIMEOUT_MS", 10)
    trio.run(make, path)
    command = [sys.executable, "-c", HOLDS, str(path), how]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(StoreError, match="held by another program"):
            examine(path)
        other.kill()
    assert examine(path)


EXAMINES = """
import os, sys
from pathlib import Path
import trio
from hive.store import MIGRATIONS, StoreError, examine, open_store
if len(sys.argv) > 2:
    os.setresuid(*3 * [int(sys.argv[2])])
async def opens():
    async with open_store(Path(sys.argv[1]), MIGRATIONS):
        print("opened")
for look in (lambda: examine(Path(sys.argv[1])), lambda: trio.run(opens)):
    try:
        print(look())
    except StoreError as error:
        print("refused:", error)
"""


def look(*words: str | Path) -> list[str]:
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


async def test_a_read_only_filesystem_is_refused(path: Path) -> None:
    await make(path)
    read_only = ("bwrap", "--dev-bind", "/", "/", "--ro-bind", path.parent, path.parent, "--")
    lines = await trio.to_thread.run_sync(look, *read_only, sys.executable, "-c", EXAMINES, path)
    assert len(lines) == 2
    assert "cannot be written to" in lines[0] and str(path.parent) in lines[0]
    assert lines[1].startswith("refused:")


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_belongs_to_another_user_is_refused(what: str) -> None:
    uid = os.geteuid() or 70001  # nothing is forbidden to root
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hive.sqlite"
        trio.run(make, path)
        for one in (path, path.parent):
            os.chown(one, uid, -1)
        target = path if what == "file" else path.parent
        target.chmod(0o555 if what == "folder" else 0o444)
        lines = look(sys.executable, "-c", EXAMINES, path, str(uid))
        target.chmod(0o755)
    assert f"{target} cannot be written to (by user {uid})" in lines[0]
    assert lines[1].startswith("refused:")
