"""The broker: durable messages, leases, acks, dead letters, and wake-ups in process."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

import apsw
import trio

from hive.broker import rows
from hive.broker.announce import announce
from hive.broker.draft import MAX_ID, Draft, check
from hive.broker.fitting import fitting
from hive.broker.lifecycle import (
    NOTHING,
    Change,
    Counts,
    Move,
    Returned,
    acknowledged,
    bounce,
    leased,
    recount,
    returned,
)
from hive.broker.rows import Held
from hive.store import Store
from hive.supervisors import Context
from hive.wire import OPERATOR, Event, Lease, Message, MessageState

MAX_LISTED = 1_000
"""Most messages that one query returns, whatever its `limit` says."""

_WHY = 200


class Broker:
    """Owner of the messages. After each commit it recounts, publishes and wakes, in that order.

    `publish(agent, event)` and `recipients()` (the names of all agents) are called in Trio's
    thread. Every method that writes raises StoreFull, StoreError or StoreClosed, with nothing
    changed. A holder is one instance of a harness; a lease id names one turn.
    """

    def __init__(
        self,
        store: Store,
        *,
        publish: Callable[[str | None, Event], object],
        recipients: Callable[[], Collection[str]],
        body_cap: int = 16_384,
        max_attempts: int = 5,
    ) -> None:
        self._store = store
        self._publish = publish
        self._recipients = recipients
        self._body_cap = body_cap
        self._max_attempts = max_attempts
        self._counts: dict[str, Counts] = {}
        self._arrivals: dict[str, trio.Event] = {}

    async def run(self, ctx: Context) -> None:
        """The supervised child: load, then be there. It has no loop, so it never ticks."""
        await self.load()
        ctx.ready(self)
        await trio.sleep_forever()

    async def load(self) -> None:
        """Count what the store holds; to be called once before anything else."""
        await self._store.write(rows.count, self._loaded)

    # --- sending -------------------------------------------------------------------------------

    async def send(self, draft: Draft) -> int:
        """Queue a message and return its id after the commit.

        The same sender and key again give the first message's id and send nothing.
        Raises UnknownRecipient, BodyTooLarge, BadMessage.
        """
        self.check(draft)

        def job(connection: apsw.Connection) -> tuple[int, Change]:
            message = rows.insert(connection, draft, time.time())
            if message is None:
                return rows.id_of_key(connection, draft.sender, draft.key), Change()
            return message.id, Change((Move(message, None),))

        id_, _ = await self._store.write(job, lambda result: self._committed(result[1]))
        return id_

    def check(self, draft: Draft) -> None:
        """Raise what `send` would: UnknownRecipient, BodyTooLarge, BadMessage."""
        check(draft, self._recipients(), self._body_cap)

    async def send_within(
        self, prepare: Callable[[apsw.Connection], Sequence[Draft]]
    ) -> tuple[int, ...]:
        """Run `prepare` in the writer's transaction and queue the drafts that it returns.

        Returns their ids. All of it is committed, or nothing. `prepare` may be run twice, as any
        job of the store; what it raises is raised here. The first draft gets `next_id(connection)`,
        the others follow, if no key was used before. Drafts are not checked: see `check`.
        """

        def job(connection: apsw.Connection) -> tuple[tuple[int, ...], Change]:
            ids, moves, now = list[int](), list[Move](), time.time()
            for draft in prepare(connection):
                message = rows.insert(connection, draft, now)
                if message is None:
                    ids.append(rows.id_of_key(connection, draft.sender, draft.key))
                else:
                    ids.append(message.id)
                    moves.append(Move(message, None))
            return tuple(ids), Change(tuple(moves))

        ids, _ = await self._store.write(job, lambda result: self._committed(result[1]))
        return ids

    # --- leases --------------------------------------------------------------------------------

    async def lease(self, agent: str, holder: str, lease_id: str, limit: int = 1) -> Lease | None:
        """Give `holder` the `limit` oldest queued messages; None if there are none.

        As many as fit into one frame, at least one.
        """
        taken = await self._take(agent, holder, lease_id, limit, joining=False)
        if not taken:
            return None
        return Lease(lease_id, taken, self._counts.get(agent, NOTHING).queued)

    async def join(self, lease_id: str, agent: str, holder: str, limit: int) -> tuple[Message, ...]:
        """Take up to `limit` more messages into a lease; none if the holder no longer has it."""
        return await self._take(agent, holder, lease_id, limit, joining=True)

    async def ack(self, lease_id: str, holder: str) -> tuple[int, ...]:
        """The turn ended well: everything in the lease is done. Again: finds nothing."""

        def job(connection: apsw.Connection) -> Change:
            moves = [acknowledged(m) for m in rows.held(connection, lease_id, holder)]
            return _write(connection, moves, lease_id, None)

        return _ids((await self._change(job)).moves, MessageState.DONE)

    async def give_back(self, lease_id: str, holder: str, *, count: bool, why: str) -> Returned:
        """The lease ended without an ack: its messages are queued again, or dead with a bounce.

        `count` says whether this was an attempt that failed. Again: finds nothing.
        """

        def job(connection: apsw.Connection) -> Change:
            return self._return(
                connection, rows.held(connection, lease_id, holder), count, _clean(why), known
            )

        known = frozenset(self._recipients())
        return _returned((await self._change(job)).moves)

    async def release(
        self,
        agent: str,
        *,
        keep_holder: str | None = None,
        keep_lease: str | None = None,
        count: bool,
        why: str,
    ) -> int:
        """Give back every lease on the agent's messages and return how many messages that was.

        With `keep_holder` that holder's leases stay, with `keep_lease` that lease, with both only
        that lease of that holder.
        """

        def kept(held: Held) -> bool:
            return (keep_holder is not None or keep_lease is not None) and (
                keep_holder in (None, held.holder) and keep_lease in (None, held.lease)
            )

        def job(connection: apsw.Connection) -> Change:
            lost = [held for held in rows.leases(connection, agent) if not kept(held)]
            messages = [m for held in lost for m in rows.held(connection, held.lease, held.holder)]
            return self._return(connection, messages, count, _clean(why), known)

        known = frozenset(self._recipients())
        back = _returned((await self._change(job)).moves)
        return len(back.queued) + len(back.dead)

    async def acknowledge(self, ids: Iterable[int]) -> tuple[int, ...]:
        """The operator has read these messages of his own inbox; returns those that were new."""
        wanted = [id_ for id_ in ids if 0 < id_ <= MAX_ID]

        def job(connection: apsw.Connection) -> Change:
            moves = [acknowledged(m) for m in rows.queued_of(connection, OPERATOR, wanted)]
            return _write(connection, moves, None, None)

        return _ids((await self._change(job)).moves, MessageState.DONE)

    # --- looking -------------------------------------------------------------------------------

    def counts(self) -> Mapping[str, Counts]:
        """A live view, exact after each commit; a name that is missing has nothing."""
        return MappingProxyType(self._counts)

    async def message(self, id_: int) -> Message | None:
        """One message, or None."""
        return await self._store.read(lambda c: rows.by_id(c, _bounded(id_)))

    async def inbox(self, name: str, limit: int = 100) -> tuple[Message, ...]:
        """The newest `limit` messages to `name` in whatever state, newest last.

        Fewer if they do not fit into one frame; so with `sent`.
        """
        newest = await self._store.read(lambda c: rows.newest(c, name, _listed(limit)))
        return fitting(newest)[::-1]

    async def sent(
        self, sender: str, to: str, after: int = 0, limit: int = 100
    ) -> tuple[Message, ...]:
        """The first `limit` messages from `sender` to `to` with ids above `after`."""
        return fitting(
            await self._store.read(
                lambda c: rows.sent(c, sender, to, _bounded(after), _listed(limit))
            )
        )

    async def leases(self, agent: str) -> tuple[Held, ...]:
        """The leases on the agent's messages as they stand, also those of an earlier daemon."""
        return await self._store.read(lambda c: rows.leases(c, agent))

    async def wait_queued(self, agent: str) -> None:
        """Return when something is queued for the agent; somebody else may take it first."""
        await trio.lowlevel.checkpoint()
        while self._counts.get(agent, NOTHING).queued == 0:
            await self._arrival(agent).wait()

    async def wait_sent(self, sender: str, to: str, after: int) -> Message:
        """Wait for the first message from `sender` to `to` with an id above `after`."""
        while True:
            # Taken before the look, so that what comes during it is not missed.
            arrival = self._arrival(to)
            if found := await self.sent(sender, to, after, 1):
                return found[0]
            await arrival.wait()

    # --- inside --------------------------------------------------------------------------------

    async def _take(
        self, agent: str, holder: str, lease_id: str, limit: int, *, joining: bool
    ) -> tuple[Message, ...]:
        def job(connection: apsw.Connection) -> Change:
            if joining and not rows.held(connection, lease_id, holder):
                return Change()
            waiting = rows.queued(connection, agent, _listed(limit))
            moves = [leased(message) for message in fitting(waiting)]
            return _write(connection, moves, lease_id, holder)

        return tuple(move.message for move in (await self._change(job)).moves)

    def _return(
        self,
        connection: apsw.Connection,
        messages: Iterable[Message],
        count: bool,
        why: str,
        known: Collection[str],
    ) -> Change:
        moves = [returned(m, count=count, max_attempts=self._max_attempts) for m in messages]
        change = _write(connection, moves, None, None)
        bounces = [
            Move(message, None)
            for move in moves
            if move.message.state is MessageState.DEAD
            and (draft := bounce(move.message, why, known)) is not None
            and (message := rows.insert(connection, draft, time.time())) is not None
        ]
        return Change((*change.moves, *bounces), why)

    async def _change(self, job: Callable[[apsw.Connection], Change]) -> Change:
        return await self._store.write(job, self._committed)

    def _loaded(self, counts: dict[str, Counts]) -> None:
        self._counts.clear()
        self._counts.update(counts)
        self._wake(name for name, count in counts.items() if count.queued)

    def _committed(self, change: Change) -> None:
        self._counts.update(recount(self._counts, change.moves))
        for agent, event in announce(change):
            self._publish(agent, event)
        arrived = {m.message.recipient for m in change.moves if m.message.state == "queued"}
        self._wake(arrived)

    def _arrival(self, name: str) -> trio.Event:
        return self._arrivals.setdefault(name, trio.Event())

    def _wake(self, names: Iterable[str]) -> None:
        for name in names:
            if (arrival := self._arrivals.pop(name, None)) is not None:
                arrival.set()


def _write(
    connection: apsw.Connection, moves: Sequence[Move], lease: str | None, holder: str | None
) -> Change:
    for move in moves:
        rows.update(connection, move.message, time.time(), lease, holder)
    return Change(tuple(moves))


def _clean(why: str) -> str:
    """A reason as text that can be stored: it may come from a file name or a broken process."""
    return why[:_WHY].encode(errors="replace").decode()


def _ids(moves: Iterable[Move], state: MessageState) -> tuple[int, ...]:
    """The ids of the messages that were moved (not sent) into `state`."""
    return tuple(m.message.id for m in moves if m.before and m.message.state is state)


def _returned(moves: Sequence[Move]) -> Returned:
    return Returned(_ids(moves, MessageState.QUEUED), _ids(moves, MessageState.DEAD))


def _bounded(id_: int) -> int:
    """SQLite's integers have 64 bits; no message has an id outside of them."""
    return min(max(id_, 0), MAX_ID)


def _listed(limit: int) -> int:
    return min(max(limit, 0), MAX_LISTED)
