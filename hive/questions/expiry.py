"""The alarm clock of questions: sleeps until the next one expires, in wall time."""

import time
from collections.abc import Awaitable, Callable

import trio

from hive.broker import BrokerError
from hive.store import StoreError
from hive.supervisors import Context

RECHECK_S = 60.0
"""Longest sleep: somebody may have set the wall clock."""

RETRY_S = 5.0


class Alarm:
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
        self._changed = trio.Event()

    def look(self) -> None:
        """There may be an earlier time than the one that is waited for."""
        self._changed.set()

    async def run(self, ctx: Context) -> None:
        """Until cancelled, which never comes between a question's end and its message.

        Not being able to write or to tell is no reason to end: what is due stays due.
        """
        while True:
            ctx.tick()
            self._changed = trio.Event()
            try:
                wait = await self._step()
                ctx.note(None)
            except (StoreError, BrokerError) as error:
                ctx.note(f"cannot end questions: {error}"[:200])
                await trio.sleep(RETRY_S)
                continue
            with trio.move_on_after(wait):
                await self._changed.wait()

    async def _step(self) -> float:
        """End what is over; returns how long nothing else will be."""
        while True:
            due = await self._next_due()
            if due is None:
                return RECHECK_S
            if (left := due - self._wall()) > 0:
                return min(left, RECHECK_S)
            if not await self._expire():
                return RETRY_S
