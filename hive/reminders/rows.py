"""The tables `reminders` and `reminder_rates`: rows to values and back, nothing decided here."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import apsw

from hive.reminders.policy import Pace, rank
from hive.store import fetch
from hive.wire.reminders import Reminder, ReminderState, Rollup

_COLUMNS = "id, agent, text, created_at, due_at, retry_at, state, file, attempts, error"
_OPEN = "state IN ('pending', 'failed')"
_TRIED_IN_VAIN = (
    "state = 'pending'",
    "state = 'failed'",
    "ended_at >= :since AND state = 'cancelled'",
)
"""Each with an index; what is sent was tried when it was sent."""

_OF_AGENT = "(:agent IS NULL OR agent = :agent)"


def pace(connection: apsw.Connection, agent: str) -> Pace:
    """What the rate limiter keeps of the agent; a new one if there is none yet."""
    sql = "SELECT ahead_s, at FROM reminder_rates WHERE agent = ?"
    found = fetch(connection, sql, (agent,))
    return Pace(*found[0]) if found else Pace()


def keep_pace(connection: apsw.Connection, agent: str, kept: Pace) -> None:
    """Store what the rate limiter keeps of the agent."""
    sql = "INSERT OR REPLACE INTO reminder_rates (agent, ahead_s, at) VALUES (?, ?, ?)"
    fetch(connection, sql, (agent, kept.ahead, kept.at))


def count_open(connection: apsw.Connection, agent: str) -> int:
    """How many reminders of the agent are not at an end."""
    sql = (
        "SELECT (SELECT count(*) FROM reminders WHERE agent = ?1 AND state = 'pending')"
        " + (SELECT count(*) FROM reminders WHERE agent = ?1 AND state = 'failed')"
    )
    found: int = fetch(connection, sql, (agent,))[0][0]
    return found


def insert(
    connection: apsw.Connection,
    agent: str,
    text: str,
    file: str | None,
    now: float,
    due: float,
    key: str | None,
) -> int:
    """Add a pending reminder; returns its id."""
    fetch(
        connection,
        "INSERT INTO reminders (agent, text, file, created_at, due_at, retry_at, state,"
        " idempotency_key) VALUES (?1, ?2, ?3, ?4, ?5, ?5, 'pending', ?6)",
        (agent, text, file, now, due, key),
    )
    return connection.last_insert_rowid()


def of_key(connection: apsw.Connection, agent: str, key: str | None) -> Reminder | None:
    """The reminder that the agent has set with this key; None if there is none."""
    found = _select(connection, "agent = ? AND idempotency_key = ?", (agent, key))
    return found[0] if found and key is not None else None


def by_id(connection: apsw.Connection, id_: int) -> Reminder | None:
    """Return the reminder with this id; None if there is none."""
    found = _select(connection, "id = ?", (id_,))
    return found[0] if found else None


def due(connection: apsw.Connection, agent: str, now: float, limit: int) -> tuple[Reminder, ...]:
    """The agent's first `limit` reminders that are to be tried."""
    where = "agent = ? AND state = 'pending' AND retry_at <= ? ORDER BY retry_at, id LIMIT ?"
    return _select(connection, where, (agent, now, limit))


def next_due(connection: apsw.Connection, agent: str | None) -> dict[str, float]:
    """When the next reminder of each agent (or of one) is to be tried."""
    only = "" if agent is None else "AND agent = ?"
    sql = f"SELECT agent, min(retry_at) FROM reminders WHERE state = 'pending' {only} GROUP BY 1"
    return dict(fetch(connection, sql, () if agent is None else (agent,)))


def mark_sent(connection: apsw.Connection, ids: Iterable[int], now: float) -> set[int]:
    """Mark those of `ids` as sent that are pending still; returns which."""
    found = fetch(
        connection,
        "UPDATE reminders SET state = 'sent', text = '', error = NULL, tried_at = ?1,"
        " ended_at = ?1 WHERE id IN (SELECT value FROM json_each(?2)) AND state = 'pending'"
        " RETURNING id",
        (now, json.dumps(list(ids))),
    )
    return {id_ for (id_,) in found}


def mark_failed(connection: apsw.Connection, after: Reminder, now: float) -> bool:
    """Write what a failed attempt changed, if it is pending still."""
    fetch(
        connection,
        "UPDATE reminders SET state = ?, attempts = ?, error = ?, retry_at = ?, tried_at = ?"
        " WHERE id = ? AND state = 'pending'",
        (after.state, after.attempts, after.error, after.retry_at, now, after.id),
    )
    return connection.changes() == 1


def cancel(connection: apsw.Connection, id_: int, now: float, agent: str | None) -> bool:
    """Cancel an open reminder, of this agent unless None; returns whether there was one.

    An agent that says it again, because the answer was lost, is told the same.
    """
    fetch(
        connection,
        f"UPDATE reminders SET state = 'cancelled', text = '', ended_at = ?1 WHERE id = ?2"
        f" AND {_OPEN} AND agent = coalesce(?3, agent)",
        (now, id_, agent),
    )
    if connection.changes() == 1:
        return True
    again = "SELECT 1 FROM reminders WHERE id = ? AND agent = ? AND state = 'cancelled'"
    return bool(fetch(connection, again, (id_, agent)))


def retry(connection: apsw.Connection, id_: int, now: float) -> bool:
    """Let a failed reminder be tried from the start; returns whether there was one."""
    fetch(
        connection,
        "UPDATE reminders SET state = 'pending', attempts = 0, retry_at = ?"
        " WHERE id = ? AND state = 'failed'",
        (now, id_),
    )
    return connection.changes() == 1


def listed(connection: apsw.Connection, agent: str | None, limit: int) -> tuple[Reminder, ...]:
    """The reminders that are not at an end, soonest first; `agent` None: of all agents."""
    found = [
        one
        for state in ("pending", "failed")
        for one in _select(
            connection,
            f"state = '{state}' AND (?1 IS NULL OR agent = ?1) ORDER BY due_at, id LIMIT ?2",
            (agent, limit),
        )
    ]
    return tuple(sorted(found, key=lambda one: (one.due_at, one.id))[:limit])


def rollup(connection: apsw.Connection, since: float, agent: str | None) -> Rollup:
    """Count what became of reminders since then (epoch seconds), as `Rollup` has it."""
    bindings = {"since": since, "agent": agent}

    def count(where: str) -> int:
        sql = f"SELECT count(*) FROM reminders WHERE {where} AND {_OF_AGENT}"
        found: int = fetch(connection, sql, bindings)[0][0]
        return found

    delivered = count("ended_at >= :since AND state = 'sent'")

    def lateness(percent: float) -> float | None:
        sql = (
            "SELECT ended_at - due_at FROM reminders WHERE ended_at >= :since AND state = 'sent'"
            f" AND {_OF_AGENT} ORDER BY 1 LIMIT 1 OFFSET :rank"
        )
        found = fetch(connection, sql, {**bindings, "rank": rank(delivered, percent)})
        return found[0][0] if found else None

    return Rollup(
        since,
        pending=count("state = 'pending'"),
        attempted=delivered
        + sum(count(f"{where} AND tried_at >= :since") for where in _TRIED_IN_VAIN),
        delivered=delivered,
        failed=count("state = 'failed'"),
        cancelled=count("ended_at >= :since AND state = 'cancelled'"),
        lateness_p50_s=lateness(50),
        lateness_p95_s=lateness(95),
    )


def _select(
    connection: apsw.Connection, where: str, bindings: Sequence[Any]
) -> tuple[Reminder, ...]:
    found = fetch(connection, f"SELECT {_COLUMNS} FROM reminders WHERE {where}", bindings)
    return tuple(_reminder(row) for row in found)


def _reminder(row: Sequence[Any]) -> Reminder:
    id_, agent, text, created, due_at, retry_at, state, file, attempts, error = row
    return Reminder(
        id_,
        agent,
        text,
        created,
        due_at,
        retry_at,
        ReminderState(state),
        file,
        attempts,
        error,
    )
