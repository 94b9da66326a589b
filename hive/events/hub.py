"""The event hub: gives every event its number, keeps the newest in memory, saves all in batches.

A reader is a cursor on that memory, not a queue: a slow one costs nothing and lags at last.
"""

import time
from collections import deque
from collections.abc import Iterable
from functools import partial
from itertools import islice

import apsw
import trio

from hive.events import rows
from hive.store import Store, StoreError
from hive.supervisors import Context
from hive.wire.bounds import MAX_ID
from hive.wire.codec import encode
from hive.wire.daemon import Notice
from hive.wire.events import Event, LiveEvent

RING = 5_000
KEEP = 50_000
GAP = 10_000
"""Numbers left out at each start, for events that were shown but never saved."""

BATCH = 256
"""Events that one write saves, and that a reader gets at once."""
_GATHER_S = 0.1
_RETRY_S = 2.0
_TICK_S = 5.0
_FLUSH_S = 2.0


class EventRing:
    """The newest events in memory, at most `size`, with rising sequence numbers."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._events: deque[LiveEvent] = deque(maxlen=size)
        self.lost = 0
        """Sequence number up to which events are no longer here."""

    def append(self, live: LiveEvent) -> None:
        """Add the newest event; the oldest goes if there is no room."""
        if len(self._events) == self.size:
            self.lost = self._events[0].seq
        self._events.append(live)

    def restore(self, lives: Iterable[LiveEvent], lost: int) -> None:
        """Begin with saved events; those numbered up to `lost` are not among them."""
        self._events.extend(lives)
        self.lost = lost

    def after(self, seq: int) -> list[LiveEvent]:
        """Return the events above number `seq`, oldest first, in time linear in how many."""
        found: list[LiveEvent] = []
        for live in reversed(self._events):
            if live.seq <= seq:
                break
            found.append(live)
        return found[::-1]


class Lagged(Exception):
    """The next events for a reader are gone: take a new snapshot and subscribe from its number."""


class Subscription:
    """A reader's place in the sequence. It holds nothing, so it needs no closing."""

    def __init__(
        self, ring: EventRing, arrival: trio.lowlevel.ParkingLot, agent: str | None, seen: int
    ) -> None:
        self._ring = ring
        self._arrival = arrival
        self._agent = agent
        self._seen = seen

    async def next_batch(self, gather: float = 0.0) -> tuple[LiveEvent, ...]:
        """Wait for events and return up to 256 of them, oldest first, each once, without a gap.

        When there is none yet, `gather` seconds after the first one are waited for more. Raises
        Lagged when the reader was so slow that the next ones are gone.
        """
        await trio.lowlevel.checkpoint()
        while True:
            self.check()
            for_me = []
            for live in self._ring.after(self._seen):
                self._seen = live.seq
                if self._agent in (None, live.agent):
                    for_me.append(live)
                    if len(for_me) == BATCH:
                        break
            if for_me:
                return tuple(for_me)
            await self._arrival.park()
            if gather > 0:
                await trio.sleep(gather)

    def check(self) -> None:
        """Check that the next events are still there. Raises Lagged if they are not."""
        if self._seen < self._ring.lost:
            raise Lagged(
                f"events {self._seen + 1} to {self._ring.lost} are no longer in memory: take a "
                "new snapshot"
            )


class Hub:
    """One sequence of LiveEvents. All methods are for Trio's thread.

    `ring` is how many events are kept in memory, `keep` how many are saved at most.
    """

    def __init__(self, store: Store, *, ring: int = RING, keep: int = KEEP) -> None:
        self._store = store
        self._ring = EventRing(ring)
        self._keep = keep
        self._early: deque[tuple[float, str | None, Event]] = deque(maxlen=ring)
        self._unsaved: deque[rows.Row] = deque(maxlen=GAP)
        self._arrival = trio.lowlevel.ParkingLot()
        self._to_save = trio.Event()
        self._seq = 0
        self._start = 0  # the number before this process's first event; 0 until loaded
        self._restored = 0  # the last number of the processes before
        self._saved = 0  # rows in the table
        self._failing = False

    @property
    def seq(self) -> int:
        """The last number given; a snapshot that is taken now includes all events up to it."""
        return self._seq

    def publish(self, agent: str | None, event: Event, at: float | None = None) -> LiveEvent | None:
        """Add an event, of an agent or of the hive as a whole (None). Never blocks, never raises.

        `at` is in epoch seconds, None for now. Returns None if the hub is not loaded yet: the event
        gets its number as soon as it is.
        """
        at = time.time() if at is None else at
        if not self._start:
            self._early.append((at, agent, event))
            return None
        try:
            body = encode(event, Event).decode()
        except (TypeError, ValueError) as error:  # text that is not Unicode, a giant number
            kind = type(event).__name__
            return self.publish(agent, Notice(f"a {kind} event cannot be encoded: {error}"), at)
        self._seq += 1
        live = LiveEvent(self._seq, at, agent, event)
        self._ring.append(live)
        self._unsaved.append((self._seq, at, agent, body))
        self._to_save.set()
        self._arrival.unpark_all()
        return live

    def subscribe(self, agent: str | None = None, since: int = 0) -> Subscription:
        """Begin to read after number `since`; 0: from the oldest in memory.

        Only the events of `agent`, or with None all of them. Raises Lagged if this hub never gave
        that number, or no longer has in memory what came after it.
        """
        if since > self._seq or self._restored < since < self._start:
            raise Lagged(f"event {since} is not of this hive's sequence: take a new snapshot")
        subscription = Subscription(self._ring, self._arrival, agent, since or self._ring.lost)
        subscription.check()
        return subscription

    async def recent(
        self, agent: str | None = None, since: int = 0, limit: int = 500
    ) -> tuple[LiveEvent, ...]:
        """Return the newest `limit` events above number `since`, oldest first.

        Those that are no longer in memory are read from disk; raises StoreError (StoreClosed) when
        that is not possible.
        """
        since, limit = max(since, 0), max(limit, 0)
        fresh = [live for live in self._ring.after(since) if agent in (None, live.agent)]
        missing = limit - len(fresh)
        if missing <= 0 or since >= self._ring.lost:
            await trio.lowlevel.checkpoint()
            return tuple(fresh[-limit:] if limit else ())
        before = self._ring.lost + 1
        older = await self._store.read(
            lambda c: rows.newest(c, agent, since, before, min(missing, self._keep))
        )
        return (*older, *fresh)

    async def run(self, ctx: Context) -> None:
        """Load, then save in batches until cancelled: the start of a supervised child.

        Not being able to save never ends it; not being able to load does. Raises StoreError.
        """
        await self.load()
        ctx.ready(self)
        try:
            while True:
                ctx.tick()
                with trio.move_on_after(_TICK_S):
                    await self._to_save.wait()
                    await trio.sleep(_RETRY_S if self._failing else _GATHER_S)
                await self._save()
        finally:
            with trio.move_on_after(_FLUSH_S, shield=True):
                await self._save()

    async def forget(self, before: float, limit: int) -> int:
        """Remove up to `limit` saved events from before a time (epoch seconds).

        Returns how many that were. Raises StoreError.
        """

        def removed(number: int) -> None:
            self._saved -= number

        return await self._store.write(
            partial(rows.prune_before, before=before, number=limit), removed
        )

    async def load(self) -> None:
        """Take up the sequence behind what is stored; raises StoreError."""
        await trio.lowlevel.checkpoint()
        if self._start:  # a restart of the child: memory knows better than the disk
            return
        newest, last, saved = await self._store.read(self._read)
        self._ring.restore(newest, newest[0].seq - 1 if newest else last)
        self._restored = last
        self._saved = saved
        self._seq = self._start = last + GAP
        while self._early:
            at, agent, event = self._early.popleft()
            self.publish(agent, event, at)

    async def _save(self) -> None:
        """Write what is unsaved, one batch after the other; says once when it cannot."""
        await trio.lowlevel.checkpoint()
        self._to_save = trio.Event()
        while self._unsaved:
            batch = tuple(islice(self._unsaved, BATCH))
            try:
                await self._store.write(partial(self._insert, batch), self._inserted)
            except StoreError as error:
                self._to_save.set()
                if not self._failing:
                    self._failing = True
                    self.publish(None, Notice(f"events are not saved for now: {error}"))
                return
            while self._unsaved and self._unsaved[0][0] <= batch[-1][0]:
                self._unsaved.popleft()
            if self._failing:
                self._failing = False
                self.publish(None, Notice("events are saved again"))

    def _insert(self, batch: tuple[rows.Row, ...], connection: apsw.Connection) -> int:
        added = rows.insert(connection, batch)
        excess = min(self._saved + added - self._keep, 2 * BATCH)
        return added - (rows.prune(connection, excess) if excess > 0 else 0)

    def _inserted(self, added: int) -> None:
        self._saved += added

    def _read(self, connection: apsw.Connection) -> tuple[list[LiveEvent], int, int]:
        newest = rows.newest(connection, None, 0, MAX_ID, self._ring.size)
        return newest, *rows.extent(connection)
