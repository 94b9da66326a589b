"""The newest events, encoded once: every browser shares them and holds only its place."""

from collections import deque
from collections.abc import Iterable
from itertools import takewhile

import orjson
from attrs import frozen

from hive.wire.codec import flat
from hive.wire.events import LiveEvent


@frozen
class EncodedEvent:
    """An event as the JSON that the page gets."""

    seq: int
    json: orjson.Fragment


class RecentEvents:
    """The newest `size` events in order; a reader whose place has been overwritten must resync."""

    def __init__(self, size: int = 2000) -> None:
        self._events: deque[EncodedEvent] = deque(maxlen=size)
        self._floor: int | None = None
        self.last = 0
        """Sequence number of the newest event, 0 when there is none."""

    def append(self, events: Iterable[LiveEvent]) -> list[LiveEvent]:
        """Add those that are newer than the newest; returns those that were added."""
        added = []
        for event in events:
            if event.seq <= self.last:
                continue
            if len(self._events) == self._events.maxlen:
                self._floor = self._events[0].seq
            elif self._floor is None:
                self._floor = event.seq - 1
            self._events.append(EncodedEvent(event.seq, orjson.Fragment(orjson.dumps(flat(event)))))
            self.last = event.seq
            added.append(event)
        return added

    def covers(self, since: int) -> bool:
        """Return whether all that came after the event number `since` is here."""
        floor = 0 if self._floor is None else self._floor
        return floor <= since <= self.last

    def after(self, since: int) -> list[EncodedEvent]:
        """Return what is newer than the event number `since`, oldest first."""
        newer = list(takewhile(lambda event: event.seq > since, reversed(self._events)))
        newer.reverse()
        return newer

    def newest(self, count: int) -> list[EncodedEvent]:
        """Return the newest `count`, oldest first."""
        return list(self._events)[-count:]
