"""The harness's events on their way to the daemon and the disk, bounded and numbered.

Each event has a number, counted from 0 in the life of this harness instance; the daemon skips the
numbers that it has, so a batch may be sent again after a broken connection.
"""

import time
from collections import deque

import trio

from hive.wire import Event, Notice

CAPACITY = 5000
BATCH = 50
"""Events of 2,000 characters each: a batch stays far below the largest frame."""

Stamped = tuple[float, Event]


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
        """Never blocks, never fails."""
        self._events.append((time.time(), event))
        if len(self._events) > self._capacity:
            self._lost_at, _ = self._events.popleft()
            self._first += 1
            self._lost += 1
        self._filled.set()

    async def wait(self) -> None:
        """Until there is something to send."""
        while not self._events:
            self._filled = trio.Event()
            await self._filled.wait()

    def batch(self, limit: int = BATCH) -> tuple[int, tuple[Stamped, ...]]:
        """The number of the first event, and the events; they stay until `done`."""
        events = tuple(self._events[place] for place in range(min(limit, len(self._events))))
        if not self._lost or not events:
            return self._first, events
        # The notice takes number and time of the last lost event, which nobody needs any more.
        notice = Notice(f"{self._lost} events were lost: too many waited to be taken")
        return self._first - 1, ((self._lost_at, notice), *events)

    def done(self, upto: int) -> None:
        """The events below the number `upto` are where they should be."""
        while self._events and self._first < upto:
            self._events.popleft()
            self._first += 1
        self._lost = max(0, self._first - upto)  # the others were in the batch, or told by it
