"""Questions whose time is over, ended at that time."""

import time
from collections.abc import Awaitable, Callable

import trio

from hive.alarm import Alarm
from hive.broker import BrokerError
from hive.store import StoreError
from hive.supervisors import Context

RETRY_S = 5.0


class Expiry:
    """Calls `expire` (how many it ended) when `next_due` (epoch seconds) has come."""

    def __init__(
        self,
        next_due: Callable[[], Awaitable[float | None]],
        expire: Callable[[], Awaitable[int]],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._next_due = next_due
        self._expire = expire
        self._wall = wall
        self._alarm = Alarm(wall)

    def look(self) -> None:
        """There may be an earlier time than the one that is waited for."""
        self._alarm.ring()

    async def run(self, ctx: Context) -> None:
        """Until cancelled, which never comes between a question's end and its message.

        Not being able to write or to tell is no reason to end: what is due stays due.
        """
        while True:
            ctx.tick()
            self._alarm.reset()
            try:
                due = await self._next_due()
                ctx.note(None)
                await self._alarm.wait(due, ctx.tick)
                if due is not None and due <= self._wall() and not await self._expire():
                    await trio.sleep(RETRY_S)  # nothing was, after all: no busy loop
            except (StoreError, BrokerError) as error:
                ctx.note(f"cannot end questions: {error}"[:200])
                await trio.sleep(RETRY_S)
