"""The table `messages`: rows to values and back, nothing decided here."""

import json
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import apsw
from attrs import frozen

from hive.broker.draft import Draft
from hive.broker.lifecycle import HIVE, Change, Counts, Move, bounce
from hive.store import fetch
from hive.wire.messages import Message, MessageState
from hive.wire.names import OPERATOR

_LINKED = "{reply}.sender IN ({parent}.sender, {parent}.recipient, 'operator', 'hive')"
"""Whether an answer belongs to what it names: nobody joins a thread by guessing a number."""

_COLUMNS = (
    "id, sender, recipient, body, sent_at, state, in_reply_to, broadcast_id, attempts, redelivered,"
    " urgent, returns"
)

_ANSWERS = (
    "(answer.in_reply_to = question.id OR answer.answers = question.id)"
    " AND +answer.id > question.id AND answer.sender = question.recipient"
    " AND +answer.recipient = question.sender"
)
"""`+` keeps SQLite from reading all that the recipient got since then instead of two indexes."""

_HAS_ANSWER = f"EXISTS (SELECT 1 FROM messages AS answer WHERE {_ANSWERS})"

_LONGEST_THREAD = 1_000
_THREAD = f"""
WITH RECURSIVE thread (id) AS (
    VALUES (?)
    UNION
    SELECT parent.id
        FROM thread JOIN messages AS reply ON reply.id = thread.id
        JOIN messages AS parent ON parent.id = reply.in_reply_to
        WHERE {_LINKED.format(reply="reply", parent="parent")}
    UNION
    SELECT reply.id
        FROM thread JOIN messages AS parent ON parent.id = thread.id
        JOIN messages AS reply ON reply.in_reply_to = parent.id
        WHERE {_LINKED.format(reply="reply", parent="parent")}
    LIMIT {_LONGEST_THREAD}
)
SELECT id FROM thread"""
"""All that hangs together with one message, up and down; UNION ends cycles."""

_UNDELIVERED = "state IN ('held', 'dead')"

_INDEXES = {
    "messages_queued": "state = 'queued'",
    "messages_leased": "state = 'leased'",
    "messages_undelivered": _UNDELIVERED,
}
"""Each index with exactly its own condition: SQLite does not see what only implies it, and would
rather read the whole table in the order of an index than sort the little that this one holds.
"""


@frozen
class LeaseRow:
    """A lease as it stands in the table."""

    lease: str
    holder: str
    ids: tuple[int, ...]


KEY_S = 86_400.0
"""How long a key stands for the first message that was sent with it."""


def insert(
    connection: apsw.Connection,
    draft: Draft,
    now: float,
    broadcast: str | None = None,
    awaited: Collection[int] = (),
) -> Message | None:
    """A new queued message; None if the sender has used this key within the last KEY_S.

    `awaited` are the messages of which somebody waits for the answer.
    """
    fetch(
        connection,
        "INSERT INTO messages (sender, recipient, body, sent_at, state, in_reply_to,"
        " broadcast_id, idempotency_key, urgent, changed_at, answers)"
        " VALUES (?, ?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (sender, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING",
        (
            draft.sender,
            draft.to,
            draft.body,
            now,
            draft.in_reply_to,
            broadcast,
            draft.key,
            draft.urgent,
            now,
            _answered(connection, draft, awaited),
        ),
    )
    if draft.key is not None and connection.changes() == 0:
        old = _forget_key(connection, draft, now - KEY_S)
        return insert(connection, draft, now, broadcast, awaited) if old else None
    id_ = connection.last_insert_rowid()
    return Message(
        id_,
        draft.sender,
        draft.to,
        draft.body,
        now,
        in_reply_to=draft.in_reply_to,
        broadcast_id=broadcast,
        urgent=draft.urgent,
    )


def _answered(connection: apsw.Connection, draft: Draft, awaited: Collection[int]) -> int | None:
    """The operator's message that this one answers without naming it: see docs/messages.md."""
    if not draft.by_turn or draft.to != OPERATOR or draft.in_reply_to is not None:
        return None
    bindings = {"agent": draft.sender, "operator": OPERATOR, "awaited": json.dumps(list(awaited))}
    theirs = "recipient = :agent AND sender = :operator"
    is_awaited = "id IN (SELECT value FROM json_each(:awaited))"
    held = fetch(
        connection,
        f"SELECT id, {_HAS_ANSWER} FROM messages AS question INDEXED BY messages_leased"
        f" WHERE state = 'leased' AND {theirs} ORDER BY {is_awaited} DESC, id",
        bindings,
    )
    if held:
        return next((id_ for id_, has_answer in held if not has_answer), None)
    done = fetch(
        connection,
        f"SELECT id FROM messages AS question WHERE {is_awaited} AND state = 'done' AND {theirs}"
        f" AND NOT {_HAS_ANSWER} ORDER BY id LIMIT 1",
        bindings,
    )
    return done[0][0] if done else None


def answer(connection: apsw.Connection, question: Message) -> Message | None:
    """The first message that answers this one: it names it, or came from the turn that held it."""
    first = (
        "SELECT answer.id FROM messages AS question, messages AS answer"
        f" WHERE question.id = ? AND {_ANSWERS} ORDER BY answer.id LIMIT 1"
    )
    found = _select(connection, f"id = ({first})", (question.id,))
    return found[0] if found else None


def bounced(connection: apsw.Connection, dead: Message) -> Message | None:
    """The newest message in which the hive told that this one was given up."""
    where = "in_reply_to = ? AND sender = ? ORDER BY id DESC LIMIT 1"
    found = _select(connection, where, (dead.id, HIVE))
    return found[0] if found else None


def _forget_key(connection: apsw.Connection, draft: Draft, before: float) -> bool:
    """Take the key from a message that was sent before then; whether there was one."""
    fetch(
        connection,
        "UPDATE messages SET idempotency_key = NULL"
        " WHERE sender = ? AND idempotency_key = ? AND sent_at < ?",
        (draft.sender, draft.key, before),
    )
    return connection.changes() > 0


def id_of_key(connection: apsw.Connection, sender: str, key: str | None) -> int:
    """The id of the message that `sender` sent with `key`."""
    sql = "SELECT id FROM messages WHERE sender = ? AND idempotency_key = ?"
    found: int = fetch(connection, sql, (sender, key))[0][0]
    return found


def update(
    connection: apsw.Connection, message: Message, now: float, lease: str | None, holder: str | None
) -> None:
    """Write the columns of a message that a move may change."""
    fetch(
        connection,
        "UPDATE messages SET state = ?, attempts = ?, returns = ?, redelivered = ?, lease = ?,"
        " holder = ?, changed_at = ? WHERE id = ?",
        (
            message.state,
            message.attempts,
            message.returns,
            message.redelivered,
            lease,
            holder,
            now,
            message.id,
        ),
    )


def queued(
    connection: apsw.Connection, recipient: str, limit: int, urgent_only: bool
) -> tuple[Message, ...]:
    """The oldest queued messages of one recipient."""
    urgent = " AND urgent" if urgent_only else ""
    where = f"recipient = ? AND state = 'queued'{urgent} ORDER BY id LIMIT ?"
    return _select(connection, where, (recipient, limit))


def queued_of(
    connection: apsw.Connection, recipient: str, ids: Iterable[int]
) -> tuple[Message, ...]:
    """Those of `ids` that are queued for this recipient."""
    where = "id IN (SELECT value FROM json_each(?)) AND recipient = ? AND state = 'queued'"
    return _select(connection, f"{where} ORDER BY id", (json.dumps(list(ids)), recipient))


def by_ids(connection: apsw.Connection, ids: Iterable[int]) -> tuple[Message, ...]:
    """The messages with these ids, in any state; an id without one is left out."""
    where = "id IN (SELECT value FROM json_each(?)) ORDER BY id"
    return _select(connection, where, (json.dumps(list(ids)),))


def leased_under(connection: apsw.Connection, lease: str, holder: str) -> tuple[Message, ...]:
    """What `holder` holds under `lease`."""
    where = "lease = ? AND holder = ? AND state = 'leased' ORDER BY id"
    return _select(connection, where, (lease, holder))


def leases(connection: apsw.Connection, recipient: str) -> tuple[LeaseRow, ...]:
    """Every lease on messages of this recipient."""
    rows = fetch(
        connection,
        "SELECT lease, holder, id FROM messages WHERE recipient = ? AND state = 'leased'"
        " ORDER BY id",
        (recipient,),
    )
    found: dict[tuple[str, str], list[int]] = {}
    for lease, holder, id_ in rows:
        found.setdefault((lease, holder), []).append(id_)
    return tuple(LeaseRow(lease, holder, tuple(ids)) for (lease, holder), ids in found.items())


def unfinished(connection: apsw.Connection, recipient: str) -> tuple[Message, ...]:
    """Every message to this recipient that is neither done nor dead."""
    where = "recipient = ? AND state IN ('queued', 'leased', 'held') ORDER BY id"
    return _select(connection, where, (recipient,))


def by_id(connection: apsw.Connection, id_: int) -> Message | None:
    """Return the message with this id; None if there is none."""
    found = _select(connection, "id = ?", (id_,))
    return found[0] if found else None


def is_linked(connection: apsw.Connection, message: Message) -> bool:
    """Whether the message that this one answers is there, and was its sender's to answer."""
    sql = (
        "SELECT 1 FROM messages AS reply JOIN messages AS parent ON parent.id = reply.in_reply_to"
        f" WHERE reply.id = ? AND {_LINKED.format(reply='reply', parent='parent')}"
    )
    return bool(fetch(connection, sql, (message.id,)))


def thread(connection: apsw.Connection, id_: int) -> tuple[Message, ...]:
    """The message and all that it answers and that answers it, oldest first."""
    return _select(connection, f"id IN ({_THREAD}) ORDER BY id", (id_,))


def broadcast(connection: apsw.Connection, broadcast_id: str) -> tuple[Message, ...]:
    """Every row of one broadcast."""
    return _select(connection, "broadcast_id = ? ORDER BY id", (broadcast_id,))


def newest(connection: apsw.Connection, recipient: str, limit: int) -> tuple[Message, ...]:
    """The newest messages of a recipient in any state, newest first."""
    return _select(connection, "recipient = ? ORDER BY id DESC LIMIT ?", (recipient, limit))


def undelivered(connection: apsw.Connection, limit: int) -> tuple[Message, ...]:
    """The newest dead and held messages of all recipients, newest first."""
    return _select(connection, f"{_UNDELIVERED} ORDER BY id DESC LIMIT ?", (limit,))


def sent(
    connection: apsw.Connection, sender: str, recipient: str, after: int, limit: int
) -> tuple[Message, ...]:
    """Messages from one to the other with ids above `after`, oldest first."""
    where = "recipient = ? AND id > ? AND sender = ? ORDER BY id LIMIT ?"
    return _select(connection, where, (recipient, after, sender, limit))


def count(connection: apsw.Connection) -> dict[str, Counts]:
    """The counts of every recipient; what is done is not read."""
    found: dict[str, dict[str, int]] = {}
    for index, where in _INDEXES.items():
        sql = (
            f"SELECT recipient, state, count(*), sum(urgent) FROM messages INDEXED BY {index}"
            f" WHERE {where} GROUP BY recipient, state"
        )
        for recipient, state, number, urgent in fetch(connection, sql):
            numbers = found.setdefault(recipient, {})
            numbers[state] = number
            if state == MessageState.QUEUED:
                numbers["urgent"] = urgent
    return {name: Counts(**numbers) for name, numbers in found.items()}


def _select(
    connection: apsw.Connection, where: str, bindings: Sequence[Any]
) -> tuple[Message, ...]:
    found = fetch(connection, f"SELECT {_COLUMNS} FROM messages WHERE {where}", bindings)
    return tuple(_message(row) for row in found)


def _message(row: Sequence[Any]) -> Message:
    id_, sender, recipient, body, sent_at, state, reply, broadcast, *rest = row
    attempts, redelivered, urgent, returns = rest
    return Message(
        id_,
        sender,
        recipient,
        body,
        sent_at,
        MessageState(state),
        reply,
        broadcast,
        attempts,
        bool(redelivered),
        bool(urgent),
        returns,
    )


# -- changes: moves with the bounces of what died by them ----------------------------------------


def write(
    connection: apsw.Connection,
    moves: Sequence[Move],
    *,
    lease: str | None = None,
    holder: str | None = None,
    why: str = "",
) -> Change:
    """Write the moves; `lease` and `holder` are whose the messages are (were) then."""
    for move in moves:
        update(connection, move.message, time.time(), lease, holder)
    return Change(tuple(moves), why)


def with_bounces(
    connection: apsw.Connection,
    change: Change,
    end: Callable[[Message], str],
    recipients: Collection[str],
) -> Change:
    """The change with a bounce for each message that is dead now; `end` says how it ended."""
    bounces = [
        Move(message, None)
        for move in change.moves
        if move.message.state is MessageState.DEAD
        and (draft := bounce(move.message, end(move.message), recipients)) is not None
        and (message := insert(connection, draft, time.time())) is not None
    ]
    return Change((*change.moves, *bounces), change.why)


# -- for the transactions of others, see Broker.send_in_transaction ------------------------------


def next_id(connection: apsw.Connection) -> int:
    """The id of the next message that this transaction inserts (SQLite's rule of AUTOINCREMENT)."""
    found = fetch(connection, "SELECT seq FROM sqlite_sequence WHERE name = 'messages'")
    return int(found[0][0]) + 1 if found else 1


def key_is_used(connection: apsw.Connection, sender: str, key: str, now: float) -> bool:
    """Whether a draft with this key would be the repetition of a message."""
    sql = "SELECT 1 FROM messages WHERE sender = ? AND idempotency_key = ? AND sent_at >= ?"
    return bool(fetch(connection, sql, (sender, key, now - KEY_S)))


def unreplied(connection: apsw.Connection, agent: str) -> tuple[Message, ...]:
    """Messages that the agent holds and has not replied to (`in_reply_to`) to their sender.

    Not those of the hive or itself, broadcasts, and what replies to a message of its own: a reply
    ends an exchange.
    """
    held = fetch(
        connection,
        "SELECT id FROM messages AS held INDEXED BY messages_leased"
        " WHERE state = 'leased' AND recipient = :agent AND sender NOT IN (:agent, :hive)"
        " AND broadcast_id IS NULL"
        " AND NOT EXISTS (SELECT 1 FROM messages WHERE id = held.in_reply_to AND sender = :agent)"
        " AND NOT EXISTS (SELECT 1 FROM messages WHERE recipient = held.sender AND id > held.id"
        "                 AND sender = :agent AND in_reply_to = held.id)"
        " ORDER BY id",
        {"agent": agent, "hive": HIVE},
    )
    found = (by_id(connection, id_) for (id_,) in held)
    return tuple(message for message in found if message is not None)
