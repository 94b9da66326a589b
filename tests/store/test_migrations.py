"""A database of before is taken over whole: nothing lost, nothing reused."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import apsw
import pytest
from support.directories import Named

from hive.broker import Broker, Counts, Draft
from hive.store import MIGRATIONS, StoreError, fetch, open_store
from hive.wire.messages import MessageState

BEFORE = MIGRATIONS[:2]
COLUMNS = (
    "id, sender, recipient, body, sent_at, state, in_reply_to, broadcast_id, idempotency_key, "
    "attempts, redelivered, lease, holder, changed_at"
)
ROWS = (
    (1, "ann", "bob", "first", 1.5, "done", None, None, "k1", 0, 0, "t1", None, 2.5),
    (2, "bob", "ann", "second", 1.6, "dead", 1, None, None, 5, 1, None, None, 2.6),
    (4, "operator", "bob", "third", 1.7, "leased", None, "b1", "k1", 2, 1, "t2", "h1", 2.7),
    (5, "ann", "bob", "fourth ä\u2028", 1.8, "queued", 4, "b1", "k2", 1, 1, None, None, 2.8),
)
GONE = 9
"""The highest id that was ever given away; its message is deleted."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hive.sqlite"


@pytest.fixture
def old(path: Path) -> Iterator[apsw.Connection]:
    """As the version before limits, logins and budgets left it."""
    connection = apsw.Connection(str(path))
    for number, script in enumerate(BEFORE, start=1):
        fetch(connection, f"BEGIN; {script}; PRAGMA user_version={number}; COMMIT")
    marks = ", ".join("?" * 14)
    for row in ROWS:
        fetch(connection, f"INSERT INTO messages ({COLUMNS}) VALUES ({marks})", row)
    insert = "INSERT INTO messages (id, sender, recipient, body, sent_at, state, changed_at)"
    fetch(connection, f"{insert} VALUES ({GONE}, 'ann', 'bob', 'gone', 0, 'done', 0)")
    fetch(connection, f"DELETE FROM messages WHERE id = {GONE}")
    fetch(
        connection,
        "INSERT INTO agents (name, created_at, driver, desired) VALUES ('bob', 1, 'd', 'running')",
    )
    yield connection
    connection.close()


def broker(store: object) -> Broker:
    return Broker(
        store,  # type: ignore[arg-type]
        publish=lambda *_: None,
        directory=Named(lambda: ["ann", "bob"]),
    )


async def test_every_message_keeps_every_field(old: apsw.Connection, path: Path) -> None:
    old.close()
    async with open_store(path, MIGRATIONS) as store:
        assert await store.read(lambda c: c.pragma("user_version")) == len(MIGRATIONS)
        found = await store.read(lambda c: fetch(c, f"SELECT {COLUMNS} FROM messages ORDER BY id"))
        assert tuple(found) == ROWS
        new = await store.read(lambda c: fetch(c, "SELECT DISTINCT urgent, returns FROM messages"))
        assert new == [(0, 0)]
        assert await store.read(lambda c: fetch(c, "SELECT credential FROM agents")) == [
            ("default",)
        ]
        assert await store.read(lambda c: c.pragma("integrity_check")) == "ok"


@pytest.mark.parametrize("all_gone", [False, True])
async def test_no_id_is_given_away_twice(old: apsw.Connection, path: Path, all_gone: bool) -> None:
    if all_gone:
        fetch(old, "DELETE FROM messages")
    old.close()
    async with open_store(path, MIGRATIONS) as store:
        messages = broker(store)
        await messages.load()
        assert await messages.send(Draft("ann", "bob", "next")) == GONE + 1
        assert await messages.send(Draft("ann", "bob", "next")) == GONE + 2
    async with open_store(path, MIGRATIONS) as store:
        names = await store.read(lambda c: fetch(c, "SELECT name FROM sqlite_sequence"))
        assert names.count(("messages",)) == 1
        assert ("messages_new",) not in names


async def test_a_database_without_any_message_begins_at_one(
    old: apsw.Connection, path: Path
) -> None:
    fetch(old, "DELETE FROM messages; DELETE FROM sqlite_sequence")
    old.close()
    async with open_store(path, MIGRATIONS) as store:
        assert await broker(store).send(Draft("ann", "bob", "first")) == 1


async def test_leases_keys_and_dead_letters_go_on(
    old: apsw.Connection, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old.close()
    monkeypatch.setattr("hive.broker.broker.time", SimpleNamespace(time=lambda: 2.0))
    async with open_store(path, MIGRATIONS) as store:
        messages = broker(store)
        await messages.load()
        assert messages.counts() == {"ann": Counts(dead=1), "bob": Counts(queued=1, leased=1)}
        assert await messages.send(Draft("operator", "bob", "third", key="k1")) == 4
        assert await messages.send(Draft("ann", "bob", "first", key="k1")) == 1
        assert await messages.ack("t2", "h1") == (4,)
        assert await messages.retry([2]) == 1
        lease = await messages.lease("ann", "h2", "t3")
        assert lease is not None
        assert [(m.id, m.in_reply_to) for m in lease.messages] == [(2, 1)]
        for n in range(6):
            await messages.lease("bob", "h1", f"l{n}")
            await messages.nack(f"l{n}", "h1", count=False, limited=True, why="limited")
        held = await messages.message(5)
        assert held is not None and held.state is MessageState.HELD


async def test_a_migration_that_fails_leaves_what_was(old: apsw.Connection, path: Path) -> None:
    before = list(fetch(old, "SELECT type, name, sql FROM sqlite_schema ORDER BY 2"))
    old.close()
    broken = (*BEFORE, MIGRATIONS[2] + "; SELECT no_such_function()")
    with pytest.raises(StoreError, match="no_such_function"):
        async with open_store(path, broken):
            pass
    again = apsw.Connection(str(path))
    assert fetch(again, "SELECT type, name, sql FROM sqlite_schema ORDER BY 2") == before
    assert tuple(fetch(again, f"SELECT {COLUMNS} FROM messages ORDER BY id")) == ROWS
    again.close()
