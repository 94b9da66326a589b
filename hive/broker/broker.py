"""The owner of the messages: sends, leases, acks, dead letters, and wakes who waits for one."""

import math
import time
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

import apsw
import trio
from attrs import evolve

from hive.broker import rows
from hive.broker.draft import Draft, addressed, check, check_rights, check_single
from hive.broker.errors import BrokerError, NotUrgent, TooManyBroadcasts
from hive.broker.events import events_of
from hive.broker.lifecycle import (
    DESTROYED,
    DROPPED,
    NOTHING,
    UNDELIVERED,
    Change,
    Counts,
    Move,
    Returned,
    acknowledged,
    dropped,
    failed_too_often,
    ids_in,
    leased,
    recipient_gone,
    recount,
    retried,
    returned,
    returned_by_limit,
    returned_ids,
)
from hive.broker.reader import Reader, row_limit
from hive.broker.rows import LeaseRow, with_bounces, write
from hive.directory import Directory
from hive.rate import Rate, allowed
from hive.store import JoinedWrite, Store
from hive.supervisors import Context
from hive.wire.bounds import BODY_CAP, MAX_ID
from hive.wire.codec import fitting
from hive.wire.events import Event
from hive.wire.messages import Awaited, Message, MessageState
from hive.wire.names import EVERYBODY, OPERATOR
from hive.wire.turns import Lease

BROADCASTS = Rate(burst=5, every=180.0)
"""How often one agent may send to everybody: each costs every agent a turn."""

RETRIED_BY, DROPPED_BY = "retried by the operator", "dropped by the operator"

_WHY = 200


def nobody_urgent(recipient: str) -> str | None:
    """Refuse every urgent message: the rule of a broker whose hive has no budgets."""
    return f"nothing to {recipient} may be urgent: send it without `urgent`"


class Broker(Reader):
    """Owner of the messages. After each commit it recounts, publishes and wakes, in that order.

    `publish(agent, event)` and `urgent(recipient)` (why no message to it may be urgent now, None if
    one may) are called in Trio's thread; the directory says who may send to whom. Every method that
    writes raises StoreFull, StoreError or StoreClosed, with nothing changed. A holder is one
    instance of a harness; a lease id names one turn.
    """

    def __init__(
        self,
        store: Store,
        directory: Directory,
        *,
        publish: Callable[[str | None, Event], object],
        body_cap: int = BODY_CAP,
        max_attempts: int = 5,
        max_redeliveries: int = 5,
        urgent: Callable[[str], str | None] = nobody_urgent,
        broadcasts: Rate = BROADCASTS,
    ) -> None:
        super().__init__(store)
        self._publish = publish
        self._directory = directory
        self._body_cap = body_cap
        self._max_attempts = max_attempts
        self._max_redeliveries = max_redeliveries
        self._urgent = urgent
        self._broadcasts = broadcasts
        self._broadcasts_due: dict[str, float] = {}
        self._counts: dict[str, Counts] = {}
        self._arrivals = _Arrivals()
        self._awaited = Counter[int]()
        """Messages of the operator whose answer somebody waits for, and how many do."""

    async def run(self, ctx: Context) -> None:
        """The supervised child: load, then be there. It has no loop, so it never ticks.

        Raises StoreError when the messages cannot be counted.
        """
        await self.load()
        ctx.ready(self)
        await trio.sleep_forever()

    async def load(self) -> None:
        """Count what the store holds; to be called once before anything else. Raises StoreError."""
        await self._store.write(rows.count, self._loaded)

    # --- sending -------------------------------------------------------------------------------

    async def send(
        self, draft: Draft, also: Callable[[apsw.Connection, int], None] | None = None
    ) -> int:
        """Queue a message and return its id (of a broadcast the first one's) after the commit.

        The same sender and key again within a day give the first message's id and send nothing.
        `also` writes what belongs to it, in the same commit; it gets the id.
        Raises UnknownRecipient, BodyTooLarge, BadMessage, NotAllowed, NotUrgent,
        TooManyBroadcasts.
        """
        recipients = self._directory.names()
        check(draft, recipients, self._body_cap)
        check_rights(draft, self._directory.rights(draft.sender))
        drafts = addressed(draft, recipients)
        broadcast = uuid.uuid4().hex if draft.to == EVERYBODY else None
        refusal = self._refusal(draft)
        awaited = frozenset(self._awaited)

        def queue(connection: apsw.Connection) -> tuple[int, Change]:
            now, moves = time.time(), []
            for one in drafts:
                message = rows.insert(connection, one, now, broadcast, awaited)
                if message is None:
                    return rows.id_of_key(connection, one.sender, one.key), Change()
                if refusal is not None:  # not before: what was sent is not refused when repeated
                    raise refusal
                moves.append(Move(message, None))
            return moves[0].message.id, Change(tuple(moves))

        def job(connection: apsw.Connection) -> tuple[int, Change]:
            id_, change = queue(connection)
            if also is not None:
                also(connection, id_)
            return id_, change

        # A waiting lease so comes right behind this, and nearly always into the same commit.
        self._arrivals.wake(one.to for one in drafts)

        def committed(result: tuple[int, Change]) -> None:
            repeated = draft.to == EVERYBODY and refusal is None and not result[1].moves
            if repeated and draft.sender in self._broadcasts_due:
                self._broadcasts_due[draft.sender] -= self._broadcasts.every  # it was said before
            self._committed(result[1])

        id_, _ = await self._store.write(job, committed)
        return id_

    def check(self, draft: Draft) -> None:
        """Raise UnknownRecipient, BodyTooLarge, BadMessage or NotAllowed if `send` would refuse it.

        For a message to one recipient: a broadcast is a BadMessage here.
        """
        check_single(draft, self._directory.names(), self._body_cap)
        check_rights(draft, self._directory.rights(draft.sender))

    async def send_in_transaction(
        self, prepare: Callable[[apsw.Connection], Sequence[Draft]]
    ) -> tuple[int, ...]:
        """Run `prepare` in the writer's transaction and queue the drafts that it returns.

        Returns their ids; for a key that was used before, the first message's. All of it is
        committed, or nothing. `prepare` may be run twice, as any job of the store; what it raises
        is raised here. The first draft gets `next_id(connection)`, the others follow, if no key
        was used before. Drafts are not checked: see `check`.
        """
        awaited = frozenset(self._awaited)

        def job(connection: apsw.Connection) -> tuple[tuple[int, ...], Change]:
            ids, moves, now = list[int](), list[Move](), time.time()
            for draft in prepare(connection):
                message = rows.insert(connection, draft, now, awaited=awaited)
                if message is None:
                    ids.append(rows.id_of_key(connection, draft.sender, draft.key))
                else:
                    ids.append(message.id)
                    moves.append(Move(message, None))
            return tuple(ids), Change(tuple(moves))

        ids, _ = await self._store.write(job, lambda result: self._committed(result[1]))
        return ids

    # --- leases --------------------------------------------------------------------------------

    async def lease(
        self, agent: str, holder: str, lease_id: str, limit: int = 1, *, urgent_only: bool = False
    ) -> Lease | None:
        """Give `holder` the `limit` oldest queued messages; None if there are none.

        As many as fit into one frame, at least one. `urgent_only`: the others do not count.
        """
        taken = await self._take(agent, holder, lease_id, limit, urgent_only, joining=False)
        if not taken:
            return None
        return Lease(lease_id, taken, self._waiting(agent, urgent_only))

    async def join(
        self, lease_id: str, agent: str, holder: str, limit: int, *, urgent_only: bool = False
    ) -> tuple[Message, ...]:
        """Take up to `limit` more messages into a lease; none if the holder no longer has it."""
        return await self._take(agent, holder, lease_id, limit, urgent_only, joining=True)

    async def ack(
        self, lease_id: str, holder: str, also: JoinedWrite | None = None
    ) -> tuple[int, ...]:
        """Mark every message of the lease as done; returns their ids.

        Returns none when the lease is over already, so that it may be repeated. `also` is written
        in the same transaction.
        """

        def end(connection: apsw.Connection, messages: Sequence[Message]) -> Change:
            return write(connection, [acknowledged(m) for m in messages], lease=lease_id)

        return ids_in((await self._end(lease_id, holder, end, also)).moves, MessageState.DONE)

    async def nack(
        self,
        lease_id: str,
        holder: str,
        *,
        count: bool,
        why: str,
        limited: bool = False,
        also: JoinedWrite | None = None,
    ) -> Returned:
        """End the lease without an ack: its messages are queued again, held, or dead.

        `count` says that this was an attempt that failed (the last one: dead, with a bounce),
        `limited` that a limit, a login, an overload or a budget was in the way (the last time:
        held, with a notice). Raises ValueError for both. Returns none when the lease is over
        already, so that it may be repeated. `also` is written in the same transaction.
        """
        if count and limited:
            raise ValueError("a limit is no failed attempt: give either count or limited")

        def end(connection: apsw.Connection, messages: Sequence[Message]) -> Change:
            if not limited:
                return self._return(connection, messages, count, _clean(why), known)
            moves = [
                returned_by_limit(m, max_redeliveries=self._max_redeliveries) for m in messages
            ]
            return write(connection, moves, why=_clean(why))

        known = self._directory.names()
        return returned_ids((await self._end(lease_id, holder, end, also)).moves)

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

        def kept(one: LeaseRow) -> bool:
            return (keep_holder is not None or keep_lease is not None) and (
                keep_holder in (None, one.holder) and keep_lease in (None, one.lease)
            )

        def job(connection: apsw.Connection) -> Change:
            lost = [one for one in rows.leases(connection, agent) if not kept(one)]
            messages = [
                m for one in lost for m in rows.leased_under(connection, one.lease, one.holder)
            ]
            return self._return(connection, messages, count, _clean(why), known)

        known = self._directory.names()
        back = returned_ids((await self._change(job)).moves)
        return len(back.queued) + len(back.dead)

    async def acknowledge(self, ids: Iterable[int]) -> tuple[int, ...]:
        """Mark these messages of the operator's inbox as read; returns the ids that were new."""
        wanted = [id_ for id_ in ids if 0 < id_ <= MAX_ID]

        def job(connection: apsw.Connection) -> Change:
            moves = [acknowledged(m) for m in rows.queued_of(connection, OPERATOR, wanted)]
            return write(connection, moves)

        return ids_in((await self._change(job)).moves, MessageState.DONE)

    # --- what was not delivered ----------------------------------------------------------------

    async def dead_letter_all(self, agent: str) -> int:
        """Make dead what an agent that is no more had not done; returns how many that was.

        Each sender gets a bounce.
        """

        def job(connection: apsw.Connection) -> Change:
            moves = [recipient_gone(message) for message in rows.unfinished(connection, agent)]
            change = write(connection, moves, why=f"{agent} was destroyed")
            return with_bounces(connection, change, lambda _: DESTROYED, known)

        known = self._directory.names() - {agent}
        return len(ids_in((await self._change(job)).moves, MessageState.DEAD))

    async def retry(self, ids: Iterable[int]) -> int:
        """Queue those of `ids` that are dead or held anew; returns how many that were."""
        return await self._resolve(ids, retried, RETRIED_BY)

    async def drop(self, ids: Iterable[int]) -> int:
        """Give up those of `ids` that are held (dead then, with a bounce) or dead (done then).

        Returns how many that were.
        """
        return await self._resolve(ids, dropped, DROPPED_BY)

    # --- waiting -------------------------------------------------------------------------------

    def counts(self) -> Mapping[str, Counts]:
        """A live view, exact after each commit; a name that is missing has nothing."""
        return MappingProxyType(self._counts)

    async def wait_queued(self, agent: str, *, urgent_only: bool = False) -> None:
        """Return when something is queued for the agent; somebody else may take it first.

        Unless it must be urgent, also when it is about to be queued, which then may fail.
        """
        await trio.lowlevel.checkpoint()
        while self._waiting(agent, urgent_only) == 0:
            await self._arrivals.next(agent).wait()
            if not urgent_only:
                return

    async def wait_reply(self, id_: int) -> Awaited:
        """Wait for the answer to the operator's message, as docs/messages.md defines it.

        Returns without one when the message is dead or held: nobody works on it any more. Raises
        BadMessage.
        """
        self._awaited[id_] += 1
        try:
            while True:
                # Taken before the look, so that what comes during it is not missed.
                arrival = self._arrivals.next(OPERATOR)
                found = await self.reply(id_)
                if found.answer is not None or found.question.state in UNDELIVERED:
                    return found
                await arrival.wait()
        finally:
            self._awaited[id_] -= 1
            self._awaited += Counter()  # drops those that nobody waits for

    # --- inside --------------------------------------------------------------------------------

    def _refusal(self, draft: Draft) -> BrokerError | None:
        """Why this message, which is right in itself, may not be sent now."""
        if draft.urgent and (why := self._urgent(draft.to)) is not None:
            return NotUrgent(why)
        if draft.to == EVERYBODY and draft.sender != OPERATOR:
            due = self._broadcasts_due.get(draft.sender, 0.0)
            due, wait = allowed(due, trio.current_time(), self._broadcasts)
            self._broadcasts_due[draft.sender] = due
            if wait:
                return TooManyBroadcasts(
                    f"you have sent to all too often: the next broadcast is allowed in "
                    f"{math.ceil(wait)} s; send to those who must act"
                )
        return None

    def _waiting(self, agent: str, urgent_only: bool) -> int:
        counts = self._counts.get(agent, NOTHING)
        return counts.urgent if urgent_only else counts.queued

    async def _take(
        self,
        agent: str,
        holder: str,
        lease_id: str,
        limit: int,
        urgent_only: bool,
        *,
        joining: bool,
    ) -> tuple[Message, ...]:
        def job(connection: apsw.Connection) -> Change:
            if joining and not rows.leased_under(connection, lease_id, holder):
                return Change()
            waiting = fitting(rows.queued(connection, agent, row_limit(limit), urgent_only))
            moves = [leased(_resolved(connection, message)) for message in waiting]
            return write(connection, moves, lease=lease_id, holder=holder)

        return tuple(move.message for move in (await self._change(job)).moves)

    async def _end(
        self,
        lease_id: str,
        holder: str,
        end: Callable[[apsw.Connection, Sequence[Message]], Change],
        also: JoinedWrite | None,
    ) -> Change:
        """End a lease, and do what belongs to that, in one transaction; nothing if it is over."""

        def job(connection: apsw.Connection) -> tuple[Change, Callable[[], None] | None]:
            messages = rows.leased_under(connection, lease_id, holder)
            if not messages:
                return Change(), None
            written = None if also is None else partial(also.then, also.write(connection))
            return end(connection, messages), written

        def committed(result: tuple[Change, Callable[[], None] | None]) -> None:
            change, written = result
            if written is not None:
                written()
            self._committed(change)

        change, _ = await self._store.write(job, committed)
        return change

    def _return(
        self,
        connection: apsw.Connection,
        messages: Iterable[Message],
        count: bool,
        why: str,
        known: Collection[str],
    ) -> Change:
        moves = [returned(m, count=count, max_attempts=self._max_attempts) for m in messages]
        change = write(connection, moves, why=why)
        return with_bounces(connection, change, lambda dead: failed_too_often(dead, why), known)

    async def _resolve(
        self, ids: Iterable[int], decide: Callable[[Message], Move | None], why: str
    ) -> int:
        wanted = [id_ for id_ in ids if 0 < id_ <= MAX_ID]

        def job(connection: apsw.Connection) -> Change:
            there = (m for m in rows.by_ids(connection, wanted) if m.recipient in known)
            moves = [move for m in there if (move := decide(m)) is not None]
            change = write(connection, moves, why=why)
            return with_bounces(connection, change, lambda _: DROPPED, known)

        known = self._directory.names() | {OPERATOR}
        return sum(move.before is not None for move in (await self._change(job)).moves)

    async def _change(self, job: Callable[[apsw.Connection], Change]) -> Change:
        return await self._store.write(job, self._committed)

    def _loaded(self, counts: dict[str, Counts]) -> None:
        self._counts.clear()
        self._counts.update(counts)
        self._arrivals.wake(name for name, count in counts.items() if count.queued)

    def _committed(self, change: Change) -> None:
        self._counts.update(recount(self._counts, change.moves))
        for agent, event in events_of(change):
            self._publish(agent, event)
        arrived = {m.message.recipient for m in change.moves if m.message.state == "queued"}
        if any(m.message.state == "held" and m.message.sender == OPERATOR for m in change.moves):
            arrived.add(OPERATOR)  # who waits for its answer waits in vain
        self._arrivals.wake(arrived)


class _Arrivals:
    """One event for each recipient that somebody waits for; to be taken before one looks."""

    def __init__(self) -> None:
        self._events: dict[str, trio.Event] = {}

    def next(self, name: str) -> trio.Event:
        """Set when something comes for this recipient."""
        return self._events.setdefault(name, trio.Event())

    def wake(self, names: Iterable[str]) -> None:
        """Something comes for these."""
        for name in names:
            if (event := self._events.pop(name, None)) is not None:
                event.set()


def _resolved(connection: apsw.Connection, message: Message) -> Message:
    """The message as its reader gets it: what it answers is named only if it is there."""
    if message.in_reply_to is None or rows.is_linked(connection, message):
        return message
    return evolve(message, in_reply_to=None)


def _clean(why: str) -> str:
    """A reason as text that can be stored: it may come from a file name or a broken process."""
    return why[:_WHY].encode(errors="replace").decode()
