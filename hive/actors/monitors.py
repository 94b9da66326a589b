"""Monitors: be told once when an incarnation ends, also if it has ended already."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from hive.actors.exits import Exit


@frozen
class Down:
    """The incarnation that was monitored is gone; `incarnation` 0: there was none."""

    name: str
    incarnation: int
    exit: Exit


class Monitor:
    """One monitor; `cancel()` (demonitor) guarantees that nothing is delivered afterwards."""

    def __init__(self, deliver: Callable[[Down], None]) -> None:
        self._deliver: Callable[[Down], None] | None = deliver

    @property
    def active(self) -> bool:
        """Neither delivered nor cancelled."""
        return self._deliver is not None

    def cancel(self) -> None:
        """Deliver nothing any more."""
        self._deliver = None

    def fire(self, down: Down) -> None:
        """Deliver, the first time only."""
        deliver, self._deliver = self._deliver, None
        if deliver is not None:
            deliver(down)
