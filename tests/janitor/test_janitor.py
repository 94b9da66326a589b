"""Retention: what is removed, what never is, and how much at a time."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.testing
from attrs import define
from hypothesis import given
from hypothesis import strategies as st
from support.directories import Named

from hive.broker import Broker, Draft
from hive.daemon.config import Config, ConfigError, parse
from hive.events import Hub
from hive.janitor import Janitor, Retention, janitor, rows
from hive.janitor.retention import BUSY_S, LARGEST_BATCH, SMALLEST_BATCH, next_batch
from hive.store import MIGRATIONS, Store, StoreFull, fetch, open_store
from hive.supervisors import Context
from hive.wire.daemon import Notice

DAY = 86400.0
NOW = 1_000 * DAY
STATES = ("queued", "leased", "held", "done", "dead")


@define
class Attic:
    store: Store
    hub: Hub
    janitor: Janitor

    async def put(self, found: list[tuple[str, float, float]]) -> list[int]:
        """Messages of these states, sent and changed so many days ago; their ids."""

        def job(connection):
            ids = []
            for state, sent, changed in found:
                holder = "h" if state == "leased" else None
                fetch(
                    connection,
                    "INSERT INTO messages (sender, recipient, body, sent_at, state, lease, holder,"
                    " changed_at) VALUES ('a', 'b', 'x', ?, ?, ?, ?, ?)",
                    (NOW - sent * DAY, state, holder, holder, NOW - changed * DAY),
                )
                ids.append(connection.last_insert_rowid())
            return ids

        return await self.store.write(job)

    async def left(self) -> list[int]:
        sql = "SELECT id FROM messages ORDER BY id"
        return [id_ for (id_,) in await self.store.read(lambda c: fetch(c, sql))]


@pytest.fixture
async def attic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Attic]:
    monkeypatch.setattr(janitor, "PAUSE_S", 0.0)
    async with open_store(tmp_path / "hive.sqlite", MIGRATIONS) as store:
        hub = Hub(store)
        await hub.load()
        yield Attic(store, hub, Janitor(store, Retention(), hub.forget, wall=lambda: NOW))


async def test_what_is_done_with_goes_and_nothing_else_does(attic: Attic) -> None:
    ids = await attic.put(
        [(state, 400, age) for age in (400, 91, 89, 31, 29, 0) for state in STATES]
        + [("done", 29, 29), ("queued", 1, 1)]
    )
    kept = {
        id_
        for id_, (state, age) in zip(
            ids, [(s, a) for a in (400, 91, 89, 31, 29, 0) for s in STATES], strict=False
        )
        if state != "done" or age < 30
    }
    removed, _ = await attic.janitor.round()
    assert await attic.left() == sorted(kept | set(ids[-2:]))
    assert removed == len(ids) - len(kept) - 2
    assert await attic.janitor.round() == (0, 0)


async def test_a_long_past_is_walked_in_strides(
    attic: Attic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "STRIDE", 10)
    ids = await attic.put([("queued" if n % 7 == 0 else "done", 50, 50) for n in range(95)])
    young = await attic.put([("done", 10, 10)] * 25)
    before = Retention().messages_before(NOW)
    last = await attic.store.read(lambda c: rows.old_messages(c, before, ids[-5]))
    assert last.after is None, "what is young is not walked through"
    assert (await attic.janitor.round())[0] == sum(n % 7 != 0 for n in range(95))
    assert await attic.left() == [id_ for n, id_ in enumerate(ids) if n % 7 == 0] + young


async def test_what_changed_after_it_was_looked_at_stays(attic: Attic) -> None:
    """Nothing goes that was not looked at once more by the janitor's hand."""
    (id_, other) = await attic.put([("done", 100, 100)] * 2)
    before = Retention().messages_before(NOW)
    found = await attic.store.read(lambda c: rows.old_messages(c, before, 0))
    assert found.ids == (id_, other)
    broker = Broker(attic.store, publish=lambda *_: None, directory=Named(lambda: ["b"]))
    await attic.store.write(
        lambda c: fetch(c, "UPDATE messages SET state = 'queued' WHERE id = ?", (id_,))
    )
    assert await attic.store.write(lambda c: rows.remove_messages(c, before, found.ids)) == 1
    await broker.load()
    lease = await broker.lease("b", "h", "t")
    assert lease is not None and [m.id for m in lease.messages] == [id_]


async def test_numbers_are_never_used_again(attic: Attic) -> None:
    (last,) = await attic.put([("done", 50, 50)])
    await attic.janitor.round()
    broker = Broker(attic.store, publish=lambda *_: None, directory=Named(lambda: ["b"]))
    assert await broker.send(Draft("b", "b", "x")) == last + 1


async def test_events_go_by_their_own_age_and_the_hub_knows(attic: Attic) -> None:
    for age in (40, 35, 31, 29, 0):
        attic.hub.publish(None, Notice(f"{age} days"), at=NOW - age * DAY)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(attic.hub.run, Context("hive/events"))
        with trio.fail_after(10):
            while attic.hub._saved < 5:
                await trio.testing.wait_all_tasks_blocked(0.01)
        nursery.cancel_scope.cancel()
    assert await attic.janitor.round() == (0, 3)
    assert attic.hub._saved == 2
    sql = "SELECT count(*) FROM events"
    assert await attic.store.read(lambda c: fetch(c, sql)) == [(2,)]


async def test_a_full_disk_is_no_end(attic: Attic, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_):
        await trio.lowlevel.checkpoint()
        raise StoreFull("no space left")

    monkeypatch.setattr(attic.store, "write", full)
    await attic_with_old(attic)
    ctx = Context("hive/janitor")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(attic.janitor.run, ctx)
        with trio.fail_after(5):
            while not (ctx.note_text or "").startswith("cannot remove"):
                await trio.testing.wait_all_tasks_blocked(0.01)
        nursery.cancel_scope.cancel()


async def attic_with_old(attic: Attic) -> None:
    """A message that is due, where writing is broken already."""
    connection = attic.store._writer._connection  # type: ignore[union-attr]
    fetch(
        connection,
        "INSERT INTO messages (sender, recipient, body, sent_at, state, changed_at)"
        " VALUES ('a', 'b', 'x', 0, 'done', 0)",
    )


@given(st.integers(SMALLEST_BATCH, LARGEST_BATCH), st.floats(0, 10))
def test_a_batch_that_took_too_long_is_followed_by_a_smaller_one(size: int, took: float) -> None:
    after = next_batch(size, took)
    assert SMALLEST_BATCH <= after <= LARGEST_BATCH
    if took > 2 * BUSY_S:
        assert after <= max(size / 2 + 1, SMALLEST_BATCH)
    if took < BUSY_S / 2:
        assert size == LARGEST_BATCH or after > size
    assert after <= size * 1.25 + 2


def test_all_of_it_is_configured() -> None:
    assert Config().retention == Retention(30.0, 30.0)
    text = "[retention]\nacknowledged_days = 7\nevents_days = 1"
    assert parse(text).retention == Retention(7.0, 1.0)
    for wrong in ("acknowledged_days = 0", "acknowledged_days = -1", "events_days = nan"):
        with pytest.raises(ConfigError):
            parse(f"[retention]\n{wrong}")
    with pytest.raises(ConfigError, match=r"unknown setting retention\.dead_days"):
        parse("[retention]\ndead_days = 3")
    assert Retention(acknowledged_days=1.0).messages_before(NOW) == NOW - DAY
