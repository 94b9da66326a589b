"""A reader's place in the sequence."""

import trio

from hive.events.ring import Ring
from hive.wire.events import LiveEvent

MAX_BATCH = 256


class Lagged(Exception):
    """Events were lost to this reader: take a new snapshot and subscribe from its number."""


class Subscription:
    """A cursor on the hub's memory. It holds nothing, so it needs no closing."""

    def __init__(
        self, ring: Ring, arrival: trio.lowlevel.ParkingLot, agent: str | None, seen: int
    ) -> None:
        self._ring = ring
        self._arrival = arrival
        self._agent = agent
        self._seen = seen

    async def next_batch(self, gather: float = 0.0) -> tuple[LiveEvent, ...]:
        """Wait for events and return up to 256, oldest first, each once and without a gap.

        An event that had to be waited for waits `gather` seconds for those behind it.
        Raises Lagged when the reader was so slow that the next ones are gone.
        """
        await trio.lowlevel.checkpoint()
        while True:
            self.check()
            for_me = []
            for live in self._ring.after(self._seen):
                self._seen = live.seq
                if self._agent in (None, live.agent):
                    for_me.append(live)
                    if len(for_me) == MAX_BATCH:
                        break
            if for_me:
                return tuple(for_me)
            await self._arrival.park()
            if gather > 0:
                await trio.sleep(gather)

    def check(self) -> None:
        """Raise Lagged if what comes next is gone."""
        if self._seen < self._ring.lost:
            raise Lagged(
                f"events {self._seen + 1} to {self._ring.lost} are no longer in memory: take a "
                "new snapshot"
            )
