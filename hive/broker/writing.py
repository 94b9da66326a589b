"""Moves as they are written: one update each, and the bounces of what died by them."""

import time
from collections.abc import Callable, Collection, Sequence

import apsw

from hive.broker import rows
from hive.broker.lifecycle import Change, Move, bounce
from hive.wire import Message, MessageState


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
        rows.update(connection, move.message, time.time(), lease, holder)
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
        and (message := rows.insert(connection, draft, time.time())) is not None
    ]
    return Change((*change.moves, *bounces), change.why)
