"""Monitors: be told once when an incarnation ends, also if it has ended already."""

from __future__ import annotations

import logging
from collections.abc import Callable

from attrs import frozen

from hive.actors.exits import Exit, Park

log = logging.getLogger("hive.actors")


@frozen
class Down:
    """The incarnation that was monitored is gone; `incarnation` 0: there was none.

    `park` is set when its place is kept for it, name and mailbox too.
    """

    name: str
    incarnation: int
    exit: Exit
    park: Park | None = None


class Monitor:
    """One monitor; `cancel()` (demonitor) guarantees that nothing is delivered afterwards."""

    __slots__ = ("_deliver",)

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
        """Deliver, the first time only; one that raises harms nobody else."""
        deliver, self._deliver = self._deliver, None
        if deliver is None:
            return
        try:
            deliver(down)
        except Exception:
            log.exception("a monitor of %s raised", down.name)
