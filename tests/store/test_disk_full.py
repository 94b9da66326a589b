"""A disk that fills up under a running store, in a process of its own (a limit on file size)."""

import subprocess
import sys
from pathlib import Path

CHILD = """
import resource, sys
from pathlib import Path
import trio
from hive.store import StoreFull, fetch, open_store

LIMIT = 600_000
SCHEMA = ("CREATE TABLE t (id INTEGER PRIMARY KEY, pad BLOB)",)

def insert(connection):
    fetch(connection, "INSERT INTO t (pad) VALUES (zeroblob(8000))")

def count(connection):
    return fetch(connection, "SELECT count(*) FROM t")[0][0]

async def main(path):
    async with open_store(Path(path), SCHEMA) as store:
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, resource.RLIM_INFINITY))
        stored, refused = 0, 0

        async def sender():
            nonlocal stored, refused
            while refused < 40:
                try:
                    await store.write(insert)
                    stored += 1
                except StoreFull as error:
                    assert "free some space" in str(error)
                    refused += 1

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(sender)
        assert isinstance(store.trouble, StoreFull)
        assert await store.write(lambda _: "no change") == "no change"
        assert isinstance(store.trouble, StoreFull)  # that did not show that there is space
        assert await store.read(count) == stored > 10, (stored, await store.read(count))
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        for _ in range(20):
            await store.write(insert)
            stored += 1
        assert store.trouble is None
        assert await store.read(count) == stored
    async with open_store(Path(path), SCHEMA) as store:
        assert await store.read(count) == stored
        check = await store.read(lambda c: fetch(c, "PRAGMA integrity_check"))
        assert check == [("ok",)], check
    print(stored, refused)

trio.run(main, sys.argv[1])
"""


def test_a_full_disk_refuses_clearly_and_recovers(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path / "hive.sqlite")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    stored, refused = map(int, done.stdout.split())
    assert stored > 30
    assert refused >= 40
