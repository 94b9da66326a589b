"""SQL that finds old messages in the order of their age, and removes those that still are old.

No index serves this: messages and events are numbered in the order of their times, so that the
oldest come first, and the walk ends at the first that is too young.
"""

import json
from collections.abc import Sequence

import apsw
from attrs import frozen

from hive.store import fetch
from hive.wire.messages import MessageState

STRIDE = 2_000
"""Rows that one read looks at."""


@frozen
class Found:
    """Ids of old messages, and after which id to go on looking (None: nothing else can be old)."""

    ids: tuple[int, ...]
    after: int | None


def old_messages(connection: apsw.Connection, before: float, after: int) -> Found:
    """Find old messages among the next ones above the id `after`.

    Old are those that were acknowledged before `before` (epoch seconds). The walk ends at one that
    was sent after that: what came later cannot have changed before. (Where the wall clock was set
    back meanwhile, some stay for longer.)
    """
    found = fetch(
        connection,
        "SELECT id, state, changed_at, sent_at FROM messages WHERE id > ? ORDER BY id LIMIT ?",
        (after, STRIDE),
    )
    ids = tuple(
        id_
        for id_, state, changed_at, _ in found
        if state == MessageState.DONE and changed_at < before
    )
    ended = len(found) < STRIDE or found[-1][3] >= before
    return Found(ids, None if ended else found[-1][0])


def remove_messages(connection: apsw.Connection, before: float, ids: Sequence[int]) -> int:
    """Remove those of `ids` that are still acknowledged and old; returns how many that were."""
    fetch(
        connection,
        "DELETE FROM messages WHERE id IN (SELECT value FROM json_each(?))"
        " AND state = ? AND changed_at < ?",
        (json.dumps(ids), MessageState.DONE, before),
    )
    return connection.changes()
