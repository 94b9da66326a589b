"""The agent's own record on disk: its events, and one row for each turn.

Nothing waits for the disk: a thread writes, and what does not fit into the bounded queue, or cannot
be written, is lost, which is reported once. How long the record is kept is up to the host.
"""

import errno
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import apsw
import trio

from harness.outbox import Outbox, Stamped
from hive.supervisors import Context
from hive.wire.codec import encode
from hive.wire.events import Event
from hive.wire.turns import TurnEnded

_log = logging.getLogger(__name__)

EVENTS = "events.sqlite"
TURN_STATS = "turn-stats.sqlite"

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

_BATCH = 200
_COLLECT_S = 0.2
_STUCK_S = 5.0
_CLOSE_S = 2.0

_EVENTS_TABLE = """
CREATE TABLE IF NOT EXISTS events(id INTEGER PRIMARY KEY, at REAL NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS events_at ON events(at);
"""
_TURNS_TABLE = """
CREATE TABLE IF NOT EXISTS turns(
    id INTEGER PRIMARY KEY, at REAL NOT NULL, turn TEXT NOT NULL, outcome TEXT NOT NULL,
    detail TEXT NOT NULL, duration_s REAL NOT NULL, input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL, cache_read_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL, cost_usd REAL NOT NULL);
CREATE INDEX IF NOT EXISTS turns_at ON turns(at);
"""
_PRAGMAS = "PRAGMA journal_mode=DELETE; PRAGMA synchronous=OFF; PRAGMA cache_size=-64;"
"""No write-ahead log: few writes, small files, and little memory in every container."""


class Journal:
    """A supervised child that writes what `records` holds into databases in `folder`.

    `notify` is called with a text when writing begins to fail.
    """

    def __init__(
        self, folder: Path, records: Outbox, notify: Callable[[str], object] = lambda _: None
    ) -> None:
        self._folder = folder
        self._records = records
        self._notify = notify
        self._failing = False
        self._thread = trio.CapacityLimiter(1)

    async def run(self, ctx: Context) -> None:
        """One incarnation of the supervised child; writes what is left when it is stopped."""
        ctx.ready()
        try:
            while True:
                await self._records.wait()
                await trio.sleep(_COLLECT_S)  # one transaction for a burst
                ctx.tick()
                await self._write(ctx)
        finally:
            with trio.move_on_after(_CLOSE_S, shield=True):
                while self._records.batch(1)[1]:
                    await self._write(ctx)

    async def _write(self, ctx: Context) -> None:
        first, events = self._records.batch(_BATCH)
        # Shielded, because a write that was given up half-way would be written twice.
        with trio.move_on_after(_STUCK_S, shield=True) as scope:
            try:
                await trio.to_thread.run_sync(
                    write, self._folder, events, limiter=self._thread, abandon_on_cancel=True
                )
                self._failing = False
                ctx.note(None)
            except (apsw.Error, OSError) as error:
                self._failed(ctx, error)
        if scope.cancelled_caught:
            self._failed(ctx, TimeoutError(f"the disk does not answer within {_STUCK_S:g} s"))
        self._records.done(first + len(events))

    def _failed(self, ctx: Context, error: Exception) -> None:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        text = f"the journal in {self._folder} cannot be written, events are lost to it: {why}"
        ctx.note(text)
        if not self._failing:
            self._failing = True
            _log.warning("%s", text)
            self._notify(text)


def write(folder: Path, events: Sequence[Stamped]) -> None:
    """Append the events to the databases in `folder`, which is made if need be; blocks.

    Raises apsw.Error, and OSError when there is no space.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = [(at, encode(event, Event).decode()) for at, event in events]
    _append(folder / EVENTS, _EVENTS_TABLE, "INSERT INTO events(at, body) VALUES(?, ?)", rows)
    turns = [_turn(at, event) for at, event in events if isinstance(event, TurnEnded)]
    if turns:
        marks = ", ".join("?" * len(turns[0]))
        insert = f"INSERT INTO turns VALUES(NULL, {marks})"
        _append(folder / TURN_STATS, _TURNS_TABLE, insert, turns)


def _turn(at: float, ended: TurnEnded) -> tuple[float | int | str, ...]:
    usage = ended.usage
    return (
        at,
        ended.turn,
        ended.outcome.value,
        ended.detail,
        ended.duration_s,
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.cost_usd,
    )


def _append(path: Path, table: str, insert: str, rows: Sequence[tuple[object, ...]]) -> None:
    connection = apsw.Connection(str(path))
    try:
        connection.set_busy_timeout(1000)
        connection.execute(_PRAGMAS).fetchall()
        # Undone by closing: a ROLLBACK could fail in its turn, and hide why the write did.
        connection.execute(f"BEGIN; {table}").fetchall()
        connection.executemany(insert, rows).fetchall()
        connection.execute("COMMIT").fetchall()
    except (apsw.FullError, apsw.IOError, apsw.CantOpenError) as error:
        if isinstance(error, apsw.FullError) or connection.system_errno in _NO_SPACE:
            raise OSError(errno.ENOSPC, f"no space left on the disk ({error})") from error
        raise
    finally:
        connection.close()
