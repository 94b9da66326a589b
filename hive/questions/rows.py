"""The table `questions`: rows to values and back, nothing decided here."""

import json
from collections.abc import Sequence
from typing import Any

import apsw

from hive.store import fetch
from hive.wire.questions import Question, QuestionState

_COLUMNS = (
    "id, asker, recipient, body, asked_at, options, multi, expires_at, state, answer, answered_by,"
    " ended_at, end_message"
)


def insert(connection: apsw.Connection, question: Question, key: str | None) -> None:
    """Add an open question; `key` is its idempotency key."""
    fetch(
        connection,
        "INSERT INTO questions (id, asker, recipient, body, asked_at, options, multi, expires_at,"
        " state, key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'open', ?)",
        (
            question.id,
            question.asker,
            question.to,
            question.text,
            question.asked_at,
            json.dumps(question.options),
            question.multi,
            question.expires_at,
            key,
        ),
    )


def end(connection: apsw.Connection, question: Question) -> None:
    """Write how an open question ended."""
    fetch(
        connection,
        "UPDATE questions SET state = ?, answer = ?, answered_by = ?, ended_at = ?,"
        " end_message = ? WHERE id = ? AND state = 'open'",
        (
            question.state,
            question.answer,
            question.answered_by,
            question.ended_at,
            question.end_message,
            question.id,
        ),
    )


def by_id(connection: apsw.Connection, id_: int) -> Question | None:
    """Return the question with this id; None if there is none."""
    found = _select(connection, "id = ?", (id_,))
    return found[0] if found else None


def id_of_key(connection: apsw.Connection, asker: str, key: str | None) -> int | None:
    """The id of the question that `asker` asked with `key`; None if there is none."""
    if key is None:
        return None
    found = fetch(connection, "SELECT id FROM questions WHERE asker = ? AND key = ?", (asker, key))
    return int(found[0][0]) if found else None


def asked_by(connection: apsw.Connection, asker: str) -> tuple[Question, ...]:
    """Open questions of this asker, oldest first."""
    return _select(connection, "asker = ? AND state = 'open' ORDER BY id", (asker,))


def owed_by(connection: apsw.Connection, recipient: str, limit: int) -> tuple[Question, ...]:
    """Open questions to this recipient, oldest first."""
    where = "recipient = ? AND state = 'open' ORDER BY id LIMIT ?"
    return _select(connection, where, (recipient, limit))


def due(connection: apsw.Connection, now: float, limit: int) -> tuple[Question, ...]:
    """Open questions whose time is over, those that waited longest first."""
    where = "state = 'open' AND expires_at <= ? ORDER BY expires_at LIMIT ?"
    return _select(connection, where, (now, limit))


def next_due(connection: apsw.Connection) -> float | None:
    """When the next open question expires (epoch seconds); None: none does."""
    sql = (
        "SELECT expires_at FROM questions WHERE state = 'open' AND expires_at > 0"
        " ORDER BY expires_at LIMIT 1"
    )
    found = fetch(connection, sql)
    return float(found[0][0]) if found else None


def newest(connection: apsw.Connection, limit: int, *, ended: bool) -> tuple[Question, ...]:
    """The newest open questions, or with `ended` those of every state; oldest first."""
    where = "1" if ended else "state = 'open'"
    return _select(connection, f"{where} ORDER BY id DESC LIMIT ?", (limit,))[::-1]


def _select(
    connection: apsw.Connection, where: str, bindings: Sequence[Any]
) -> tuple[Question, ...]:
    found = fetch(connection, f"SELECT {_COLUMNS} FROM questions WHERE {where}", bindings)
    return tuple(_question(row) for row in found)


def _question(row: Sequence[Any]) -> Question:
    id_, asker, to, body, asked_at, options, multi, expires_at, state, *rest = row
    return Question(
        id_,
        asker,
        to,
        body,
        asked_at,
        tuple(json.loads(options)),
        bool(multi),
        expires_at,
        QuestionState(state),
        *rest,
    )
