"""Wake-ups in process for those who wait for messages."""

from collections.abc import Iterable

import trio


class Arrivals:
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
