"""The table `approvals`: rows to values and back, nothing decided here."""

import json
from collections.abc import Sequence
from typing import Any

import apsw

from hive.store import fetch
from hive.wire.approvals import Approval, ApprovalKind, ApprovalState, ChangedField, KeyClass

_COLUMNS = (
    "id, kind, agent, proposer, commit_hash, base, description, fields, created_at, expires_at,"
    " state, ended_at, note"
)
_NEVER_APPROVED = "('open', 'denied', 'expired', 'superseded')"


def reserve(connection: apsw.Connection) -> int:
    """Take the next number, for good: no other approval gets it, also if this one is not written.

    What was pinned in git under a number stays there when the daemon dies before the row.
    """
    sql = "UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'approvals' RETURNING seq"
    return int(fetch(connection, sql)[0][0])


def next_number(connection: apsw.Connection) -> int:
    """The number that `insert` may use in this transaction without having reserved it."""
    return (
        int(fetch(connection, "SELECT seq FROM sqlite_sequence WHERE name = 'approvals'")[0][0]) + 1
    )


def insert(connection: apsw.Connection, approval: Approval, key: str | None) -> None:
    """Add an approval; `key` is the idempotency key of its proposal."""
    fetch(
        connection,
        f"INSERT INTO approvals ({_COLUMNS}, key) VALUES ({', '.join('?' * 14)})",
        (
            approval.id,
            approval.kind,
            approval.agent,
            approval.by,
            approval.commit,
            approval.base,
            approval.description,
            json.dumps([(one.key, one.key_class) for one in approval.fields]),
            approval.created_at,
            approval.expires_at,
            approval.state,
            approval.ended_at,
            approval.note,
            key,
        ),
    )


def update(connection: apsw.Connection, approval: Approval) -> None:
    """Write what became of an approval."""
    fetch(
        connection,
        "UPDATE approvals SET state = ?, ended_at = ?, note = ? WHERE id = ?",
        (approval.state, approval.ended_at, approval.note, approval.id),
    )


def by_id(connection: apsw.Connection, id_: int) -> Approval | None:
    """The approval with this number; None if there is none."""
    found = _select(connection, "id = ?", (id_,))
    return found[0] if found else None


def by_key(connection: apsw.Connection, by: str, key: str | None) -> Approval | None:
    """The approval that `by` proposed with this key; None if there is none."""
    if key is None:
        return None
    found = _select(connection, "proposer = ? AND key = ?", (by, key))
    return found[0] if found else None


def concerning(connection: apsw.Connection, agent: str, commit: str | None) -> tuple[Approval, ...]:
    """All that are open, those of the agent that go on, and those of it about this commit."""
    where = "state = 'open' OR (agent = ? AND (ended_at IS NULL OR commit_hash IS ?)) ORDER BY id"
    return _select(connection, where, (agent, commit))


def of_agent(
    connection: apsw.Connection, agent: str, *, ended: bool = True
) -> tuple[Approval, ...]:
    """All approvals about this agent, or only those that have not ended, oldest first."""
    more = "" if ended else "AND ended_at IS NULL"
    return _select(connection, f"agent = ? {more} ORDER BY id", (agent,))


def before(connection: apsw.Connection, approval: Approval, *, approved: bool) -> Approval | None:
    """The last one before it about a commit of the same agent, with `approved` of those that the
    operator has approved; None if there is none.
    """
    more = f"AND state NOT IN {_NEVER_APPROVED}" if approved else ""
    where = f"agent = ? AND id < ? AND commit_hash IS NOT NULL {more} ORDER BY id DESC LIMIT 1"
    found = _select(connection, where, (approval.agent, approval.id))
    return found[0] if found else None


def due(connection: apsw.Connection, now: float, limit: int) -> tuple[Approval, ...]:
    """Open approvals whose time is over, those that waited longest first."""
    where = "state = 'open' AND expires_at <= ? ORDER BY expires_at LIMIT ?"
    return _select(connection, where, (now, limit))


def waiting(connection: apsw.Connection) -> tuple[int, float | None]:
    """How many approvals are open, and when the next of them expires; None: none does."""
    sql = "SELECT count(*), min(expires_at) FROM approvals WHERE state = 'open'"
    ((count, first),) = fetch(connection, sql)
    return int(count), first


def newest(connection: apsw.Connection, limit: int, *, ended: bool) -> tuple[Approval, ...]:
    """The newest that have not ended, or with `ended` those of every state; oldest first."""
    where = "1" if ended else "ended_at IS NULL"
    return _select(connection, f"{where} ORDER BY id DESC LIMIT ?", (limit,))[::-1]


def _select(
    connection: apsw.Connection, where: str, bindings: Sequence[Any]
) -> tuple[Approval, ...]:
    found = fetch(connection, f"SELECT {_COLUMNS} FROM approvals WHERE {where}", bindings)
    return tuple(_approval(row) for row in found)


def _approval(row: Sequence[Any]) -> Approval:
    id_, kind, agent, by, commit, base, description, fields, created, expires, state, *rest = row
    return Approval(
        id_,
        ApprovalKind(kind),
        agent,
        by,
        commit,
        base,
        description,
        tuple(ChangedField(key, KeyClass(key_class)) for key, key_class in json.loads(fields)),
        created,
        expires,
        ApprovalState(state),
        *rest,
    )
