"""SQL for the table `events`: batches in, pages out, the oldest removed."""

from collections.abc import Sequence

import apsw

from hive.store import fetch
from hive.wire.codec import WireError, decode
from hive.wire.events import Event, LiveEvent

Row = tuple[int, float, str | None, str]
"""seq, at, agent, and the event as JSON."""


def insert(connection: apsw.Connection, events: Sequence[Row]) -> int:
    """Save events and return how many were new; one that is there already stays as it is."""
    before = connection.total_changes()
    connection.executemany(
        "INSERT OR IGNORE INTO events (seq, at, agent, body) VALUES (?, ?, ?, ?)",
        events,
    ).fetchall()
    return connection.total_changes() - before


def prune(connection: apsw.Connection, number: int) -> int:
    """Remove the oldest `number` events and return how many that were."""
    before = connection.total_changes()
    oldest = "SELECT seq FROM events ORDER BY seq LIMIT ?"
    fetch(connection, f"DELETE FROM events WHERE seq IN ({oldest})", (number,))
    return connection.total_changes() - before


def prune_before(connection: apsw.Connection, before: float, number: int) -> int:
    """Of the oldest `number` events, remove those before `before` (epoch seconds).

    Returns how many that were.
    """
    oldest = "SELECT seq FROM (SELECT seq, at FROM events ORDER BY seq LIMIT ?) WHERE at < ?"
    fetch(connection, f"DELETE FROM events WHERE seq IN ({oldest})", (number, before))
    return connection.changes()


def extent(connection: apsw.Connection) -> tuple[int, int]:
    """Return the highest sequence number (0 without events) and the number of events."""
    sql = "SELECT coalesce(max(seq), 0), count(*) FROM events"
    last, number = fetch(connection, sql)[0]
    return last, number


def newest(
    connection: apsw.Connection, agent: str | None, after: int, before: int, limit: int
) -> list[LiveEvent]:
    """Return the newest `limit` events between two sequence numbers (exclusive), oldest first.

    Of `agent`, or with None of all. Events that this version cannot read are left out.
    """
    mine = "" if agent is None else " AND agent = :agent"
    found = fetch(
        connection,
        f"SELECT seq, at, agent, body FROM events WHERE seq > :after AND seq < :before{mine}"
        " ORDER BY seq DESC LIMIT :limit",
        {"agent": agent, "after": after, "before": before, "limit": limit},
    )
    lives: list[LiveEvent] = []
    for seq, at, of, body in reversed(found):
        try:
            lives.append(LiveEvent(seq, at, of, decode(body, Event)))
        except WireError:
            continue
    return lives
