"""The newest events in memory, shared by all who read: a reader is a cursor, not a queue."""

from collections import deque
from collections.abc import Iterable

from hive.wire.events import LiveEvent


class Ring:
    """At most `size` events with rising sequence numbers."""

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
        """Begin with these events of earlier; those up to `lost` are elsewhere or nowhere."""
        self._events.extend(lives)
        self.lost = lost

    def after(self, seq: int) -> list[LiveEvent]:
        """What is newer than `seq`, oldest first, in time that grows with its number."""
        found: list[LiveEvent] = []
        for live in reversed(self._events):
            if live.seq <= seq:
                break
            found.append(live)
        return found[::-1]
