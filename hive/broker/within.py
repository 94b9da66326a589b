"""What others may look up or write inside of one of the broker's transactions."""

from collections.abc import Callable
from typing import Any

import apsw
from attrs import frozen

from hive.broker import rows
from hive.broker.lifecycle import HIVE
from hive.store import fetch
from hive.wire import Message


@frozen
class WithLease:
    """A write that belongs to the end of a lease: committed with it, or not at all.

    Not done at all when the lease has ended before. `then` gets what `write` returned, in Trio's
    thread right after the commit, before anybody learns that the lease has ended.
    """

    write: Callable[[apsw.Connection], Any]
    then: Callable[[Any], None]


def next_id(connection: apsw.Connection) -> int:
    """The id of the next message that this transaction inserts (SQLite's rule of AUTOINCREMENT)."""
    found = fetch(connection, "SELECT seq FROM sqlite_sequence WHERE name = 'messages'")
    return int(found[0][0]) + 1 if found else 1


def key_is_used(connection: apsw.Connection, sender: str, key: str, now: float) -> bool:
    """Whether a draft with this key would be the repetition of a message."""
    sql = "SELECT 1 FROM messages WHERE sender = ? AND idempotency_key = ? AND sent_at >= ?"
    return bool(fetch(connection, sql, (sender, key, now - rows.KEY_S)))


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
    found = (rows.by_id(connection, id_) for (id_,) in held)
    return tuple(message for message in found if message is not None)
