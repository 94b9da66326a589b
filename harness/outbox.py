"""Two bounded queues, of which no writer ever waits: the events of a harness, and its pushes.

Events must arrive, at the daemon and on the disk. Each has a number, counted from 0 in the life of
this harness instance; the daemon skips the numbers that it has, so a batch may be sent again after
a broken connection. Pushes go to the daemon only, at once or not at all.
"""

import time
from collections import deque

import trio

from hive.wire.daemon import Notice
from hive.wire.events import Event
from hive.wire.turns import PushedByAgent

CAPACITY = 5000
BATCH = 50
"""Events of 2,000 characters each: a batch stays far below the largest frame."""

MOST_PUSHES = 32
"""Pushes that may wait for the daemon."""

Stamped = tuple[float, Event]
"""An event and when it happened, in epoch seconds."""


class Outbox:
    """A bounded queue for one reader; when it is full the oldest go, and a notice says so."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._events: deque[Stamped] = deque()
        self._first = 0
        self._lost = 0
        self._lost_at = 0.0
        self._filled = trio.Event()

    def put(self, event: Event) -> None:
        """Add an event, with the time of now. Never blocks, never fails."""
        self._events.append((time.time(), event))
        if len(self._events) > self._capacity:
            self._lost_at, _ = self._events.popleft()
            self._first += 1
            self._lost += 1
        self._filled.set()

    async def wait(self) -> None:
        """Return as soon as there is an event to send."""
        while not self._events:
            self._filled = trio.Event()
            await self._filled.wait()

    def batch(self, limit: int = BATCH) -> tuple[int, tuple[Stamped, ...]]:
        """The number of the first event, and up to `limit` events; they stay until `done`.

        Events that were lost are told by a notice in their place.
        """
        events = tuple(self._events[place] for place in range(min(limit, len(self._events))))
        if not self._lost or not events:
            return self._first, events
        # The notice takes number and time of the last lost event, which nobody needs any more.
        notice = Notice(f"{self._lost} events were lost: too many waited to be taken")
        return self._first - 1, ((self._lost_at, notice), *events)

    def done(self, upto: int) -> None:
        """Remove the events whose number is below `upto`: they have arrived."""
        while self._events and self._first < upto:
            self._events.popleft()
            self._first += 1
        self._lost = max(0, self._first - upto)  # the others were in the batch, or told by it


class PushQueue:
    """What the daemon should know at once and may miss, in a bounded queue for one reader.

    When it is full the oldest go: newer ones say more.
    """

    def __init__(self) -> None:
        self._waiting: deque[PushedByAgent] = deque(maxlen=MOST_PUSHES)
        self._filled = trio.Event()

    def put(self, push: PushedByAgent) -> None:
        """Add a push. Never blocks, never fails."""
        self._waiting.append(push)
        self._filled.set()

    def clear(self) -> None:
        """Forget the pushes that wait."""
        self._waiting.clear()

    async def take(self) -> PushedByAgent:
        """The oldest push that waits, or the next one; it is taken out of the queue."""
        while not self._waiting:
            self._filled = trio.Event()
            await self._filled.wait()
        return self._waiting.popleft()
