"""The table `schedules`: rows to values and back, nothing decided here."""

import json
from collections.abc import Sequence
from typing import Any

import apsw

from hive.store import fetch
from hive.wire.schedules import Schedule, ScheduleState

_COLUMNS = (
    "id, agent, recipients, text, created_at, cron, every_s, zone, state, next_at, last_at, fired,"
    " skipped, error"
)
_OPEN = "state IN ('requested', 'active')"


def insert(connection: apsw.Connection, new: Schedule, key: str | None) -> int:
    """Add a schedule; returns its id (that of `new` is not looked at)."""
    fetch(
        connection,
        "INSERT INTO schedules (agent, recipients, text, created_at, cron, every_s, zone, state,"
        " idempotency_key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            new.agent,
            json.dumps(new.to),
            new.text,
            new.created_at,
            new.cron,
            new.every_s,
            new.zone,
            new.state,
            key,
        ),
    )
    return connection.last_insert_rowid()


def update(connection: apsw.Connection, old: Schedule, new: Schedule) -> bool:
    """Write `new` if the row still has the state, plan and content of `old`; whether it did."""
    fetch(
        connection,
        "UPDATE schedules SET recipients = ?, text = ?, cron = ?, every_s = ?, zone = ?, state = ?,"
        " next_at = ?, last_at = ?, fired = ?, skipped = ?, error = ? WHERE id = ? AND state = ?"
        " AND next_at IS ? AND fired = ? AND recipients = ? AND text = ?",
        (
            json.dumps(new.to),
            new.text,
            new.cron,
            new.every_s,
            new.zone,
            new.state,
            new.next_at,
            new.last_at,
            new.fired,
            new.skipped,
            new.error,
            old.id,
            old.state,
            old.next_at,
            old.fired,
            json.dumps(old.to),
            old.text,
        ),
    )
    return connection.changes() == 1


def by_id(connection: apsw.Connection, id_: int) -> Schedule | None:
    """Return the schedule with this id; None if there is none."""
    found = _select(connection, "id = ?", (id_,))
    return found[0] if found else None


def of_key(connection: apsw.Connection, agent: str, key: str) -> Schedule | None:
    """The schedule that the agent has requested with this key; None if there is none."""
    found = _select(connection, "agent = ? AND idempotency_key = ?", (agent, key))
    return found[0] if found else None


def count_open(connection: apsw.Connection, agent: str) -> int:
    """How many schedules of the agent are requested or active."""
    sql = f"SELECT count(*) FROM schedules WHERE agent = ? AND {_OPEN}"
    found: int = fetch(connection, sql, (agent,))[0][0]
    return found


def active(connection: apsw.Connection) -> tuple[Schedule, ...]:
    """The schedules that run."""
    return _select(connection, "state = 'active' AND next_at IS NOT NULL", ())


def listed(
    connection: apsw.Connection, agent: str | None, limit: int, *, ended: bool
) -> tuple[Schedule, ...]:
    """The newest `limit` schedules of an agent or of all, oldest first."""
    where = "1" if ended else _OPEN
    where += " AND (?1 IS NULL OR agent = ?1) ORDER BY id DESC LIMIT ?2"
    return _select(connection, where, (agent, limit))[::-1]


def _select(
    connection: apsw.Connection, where: str, bindings: Sequence[Any]
) -> tuple[Schedule, ...]:
    found = fetch(connection, f"SELECT {_COLUMNS} FROM schedules WHERE {where}", bindings)
    return tuple(_schedule(row) for row in found)


def _schedule(row: Sequence[Any]) -> Schedule:
    id_, agent, recipients, text, created, cron, every_s, zone, state, *rest = row
    return Schedule(
        id_,
        agent,
        tuple(json.loads(recipients)),
        text,
        created,
        cron,
        every_s,
        zone,
        ScheduleState(state),
        *rest,
    )
