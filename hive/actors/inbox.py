"""An actor's mailbox together with those who wait for its answers. It outlives a park."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from hive.actors.deadlines import deadlines
from hive.actors.errors import ActorError
from hive.actors.mailbox import Full, Mailbox
from hive.actors.messages import Asked, Cast, Envelope

Refusal = Callable[[], ActorError]  # one exception for each who gets it


class Inbox(Mailbox[Envelope]):
    """`pending` are those without an answer, wherever they are now."""

    __slots__ = ("late_replies", "name", "pending", "postponed")

    def __init__(self, name: str, capacity: int, full: Full) -> None:
        super().__init__(capacity, full)
        self.name = name
        self.pending: set[Asked] = set()
        self.late_replies = 0
        self.postponed: list[Envelope] = []

    async def answer(self, asked: Asked) -> Any:
        """Wait for the answer of one that has been put here, until its deadline.

        Raises trio.TooSlowError, and what it is failed or refused with.
        """
        self.pending.add(asked)
        bucket = deadlines().add(asked) if asked.deadline != math.inf else None
        try:
            return await asked.wait()
        finally:
            self.pending.discard(asked)
            if bucket is not None:
                bucket.discard(asked)

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
            slot.refuse(refusal())
