"""An actor's mailbox together with those who wait for its answers. It outlives a park."""

from __future__ import annotations

from collections.abc import Callable

import trio

from hive.actors.deadlines import deadlines
from hive.actors.errors import ActorError
from hive.actors.mailbox import Full, Mailbox
from hive.actors.messages import Asked, Cast, Envelope

Refusal = Callable[[], ActorError]  # one exception for each who gets it


class Inbox(Mailbox[Envelope]):
    """`pending` are those without an answer, wherever they are now; `now()` is Trio's time."""

    __slots__ = ("deadlines", "late_replies", "name", "now", "pending", "postponed")

    def __init__(self, name: str, capacity: int, full: Full) -> None:
        super().__init__(capacity, full)
        self.name = name
        self.deadlines = deadlines()
        self.now = trio.lowlevel.current_clock().current_time
        self.pending: set[Asked] = set()
        self.late_replies = 0
        self.postponed: list[Envelope] = []

    def retry(self) -> None:
        """Put what was postponed in front again."""
        back, self.postponed = self.postponed, []
        self.put_back(back)

    def park(self, refusal: Refusal) -> None:
        """Nobody is there for a while: refuse all who wait for an answer, keep the casts."""
        self.retry()
        self.keep(lambda envelope: isinstance(envelope, Cast), refusal)
        self._refuse(refusal)

    def end(self, refusal: Refusal) -> None:
        """Nobody is there any more: refuse all who wait, and drop the rest."""
        self.close()
        self.postponed.clear()
        self._refuse(refusal)

    def _refuse(self, refusal: Refusal) -> None:
        for slot in tuple(self.pending):
            slot.refuse(refusal)
