"""The agent's record on disk: written beside the work, and never in its way."""

import apsw
import trio
import trio.testing

from harness import journal
from harness.journal import EVENTS, TURN_STATS, Journal
from harness.outbox import Outbox
from hive.supervisors import Context
from hive.wire.codec import decode
from hive.wire.daemon import Notice
from hive.wire.events import Event
from hive.wire.turns import Outcome, TurnEnded, Usage

ENDED = TurnEnded("lease", Outcome.FAILED, "why", 1.5, Usage(1, 2, 3, 4, 0.5))


def rows(path, query):
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


async def taken(records) -> None:
    """Until a thread has written all: it is told to nobody."""
    with trio.fail_after(5):
        while records.batch()[1]:  # noqa: ASYNC110 - see above
            await trio.sleep(0.02)


async def run(folder, records, told):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Journal(folder, records, told.append).run, Context("test/journal"))
        await taken(records)
        nursery.cancel_scope.cancel()


async def test_events_and_turns_are_written(tmp_path):
    records, told = Outbox(), []
    records.put(Notice("hello"))
    records.put(ENDED)
    await run(tmp_path, records, told)
    found = [
        decode(body, Event) for _, body in rows(tmp_path / EVENTS, "SELECT at, body FROM events")
    ]
    assert found == [Notice("hello"), ENDED]
    (turn,) = rows(tmp_path / TURN_STATS, "SELECT turn, outcome, cost_usd FROM turns")
    assert turn == ("lease", "failed", 0.5)
    assert told == []


async def test_what_is_left_is_written_at_the_end(tmp_path):
    records = Outbox()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Journal(tmp_path, records).run, Context("test/journal"))
        await trio.testing.wait_all_tasks_blocked()
        records.put(Notice("last words"))
        nursery.cancel_scope.cancel()
    assert rows(tmp_path / EVENTS, "SELECT count(*) FROM events") == [(1,)]


async def test_a_disk_that_takes_nothing_is_told_once_and_stops_nothing(tmp_path):
    folder = tmp_path / "file"
    folder.write_text("not a folder")
    records, told = Outbox(), []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Journal(folder, records, told.append).run, Context("test/journal"))
        for number in range(3):
            records.put(Notice(str(number)))
            await taken(records)
        folder.unlink()
        records.put(Notice("again"))
        await taken(records)
        nursery.cancel_scope.cancel()
    assert len(told) == 1 and "cannot be written" in told[0]
    assert rows(folder / EVENTS, "SELECT count(*) FROM events") == [(1,)]


async def test_a_full_disk_is_named_and_the_journal_goes_on_when_there_is_space(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(journal, "_PRAGMAS", journal._PRAGMAS + "PRAGMA max_page_count=5;")
    records, told = Outbox(), []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Journal(tmp_path, records, told.append).run, Context("test/journal"))
        for _ in range(3):
            records.put(Notice("x" * 30_000))
            await taken(records)
        monkeypatch.undo()
        records.put(Notice("again"))
        await taken(records)
        nursery.cancel_scope.cancel()
    assert len(told) == 1 and "no space left on the disk" in told[0]
    assert "rollback" not in told[0]
    assert rows(tmp_path / EVENTS, "SELECT count(*) FROM events") == [(1,)]
