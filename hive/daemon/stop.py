"""The ordered stop of the hive: who asks for it, and what it takes along."""

import trio

from hive.agents import Fleet, Publish
from hive.wire.daemon import Notice


class HiveStop:
    """Whether the hive is to stop, and its agents' containers with it.

    `takes_containers` is whether a signal, or a stop by itself, ends the containers too; otherwise
    they go on, and the next daemon adopts them.
    """

    def __init__(self, fleet: Fleet, publish: Publish, *, takes_containers: bool) -> None:
        self._fleet, self._publish = fleet, publish
        self._takes_containers = takes_containers
        self.asked = trio.Event()
        """Set when the tree must stop; a signal stops it by itself."""
        self.why: str | None = None
        """Why the hive stops by itself, and what to do; None unless it does."""

    def take_containers(self) -> None:
        """The stop has begun: let the containers end with their agents if it takes them along."""
        if self._takes_containers:
            self._fleet.stop_containers()

    def stop_all(self) -> None:
        """Stop the hive and every container of it."""
        self._fleet.stop_containers()
        self.asked.set()

    def give_up(self, why: str) -> None:
        """Stop the hive in order, because it cannot go on; `why` says what to do."""
        if self.why is None:
            self.why = why
            self._publish(None, Notice(why))
            self.take_containers()
            self.asked.set()
