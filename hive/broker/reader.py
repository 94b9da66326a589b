"""Reading messages: nothing here changes any."""

import apsw

from hive.broker import rows
from hive.broker.errors import BadMessage
from hive.broker.rows import LeaseRow
from hive.store import Store
from hive.wire.bounds import MAX_ID, MOST_ROWS, clamp
from hive.wire.codec import fitting
from hive.wire.messages import Awaited, Message, MessageState
from hive.wire.names import OPERATOR


class Reader:
    """Reads messages. Lists are cut to what fits into one frame. Every method raises StoreError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def message(self, id_: int) -> Message | None:
        """Return the message with this id; None if there is none."""
        return await self._store.read(lambda c: rows.by_id(c, clamp(id_, 0, MAX_ID)))

    async def inbox(self, name: str, limit: int = 100) -> tuple[Message, ...]:
        """The newest `limit` messages to `name` in whatever state, newest last."""
        newest = await self._store.read(lambda c: rows.newest(c, name, row_limit(limit)))
        return fitting(newest)[::-1]

    async def undelivered(self, limit: int = 100) -> tuple[Message, ...]:
        """The newest `limit` dead and held messages of all recipients, newest last."""
        newest = await self._store.read(lambda c: rows.undelivered(c, row_limit(limit)))
        return fitting(newest)[::-1]

    async def sent(
        self, sender: str, to: str, after: int = 0, limit: int = 100
    ) -> tuple[Message, ...]:
        """The first `limit` messages from `sender` to `to` with ids above `after`."""
        return fitting(
            await self._store.read(
                lambda c: rows.sent(c, sender, to, clamp(after, 0, MAX_ID), row_limit(limit))
            )
        )

    async def reply(self, id_: int) -> Awaited:
        """Return what there is by now of an answer to a message of the operator.

        Raises BadMessage if the operator has sent no message with this id.
        """

        def read(connection: apsw.Connection) -> Awaited | None:
            question = rows.by_id(connection, clamp(id_, 0, MAX_ID))
            if question is None or question.sender != OPERATOR:
                return None
            dead = question.state is MessageState.DEAD
            return Awaited(
                question,
                rows.answer(connection, question),
                rows.bounced(connection, question) if dead else None,
            )

        if (found := await self._store.read(read)) is None:
            raise BadMessage(f"there is no message {id_} of the operator to wait for an answer to")
        return found

    async def broadcast(self, broadcast_id: str) -> tuple[Message, ...]:
        """Return the message of a broadcast to each recipient, as it stands."""
        return fitting(await self._store.read(lambda c: rows.broadcast(c, broadcast_id)))

    async def thread(self, id_: int, reader: str) -> tuple[Message, ...]:
        """The thread of a message, oldest first: what it answers, what answers it, and so on.

        Empty unless `reader` has sent or received some of it, or is the operator.
        """
        found = await self._store.read(lambda c: rows.thread(c, clamp(id_, 0, MAX_ID)))
        members = {OPERATOR} | {name for m in found for name in (m.sender, m.recipient)}
        return fitting(found) if reader in members else ()

    async def leases(self, agent: str) -> tuple[LeaseRow, ...]:
        """The leases on the agent's messages as they stand, also those of an earlier daemon."""
        return await self._store.read(lambda c: rows.leases(c, agent))


def row_limit(limit: int) -> int:
    """A limit of rows that somebody asked for, within what is allowed."""
    return clamp(limit, 0, MOST_ROWS)
