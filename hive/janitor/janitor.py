"""The janitor's rounds. They run beside everything else, so they take little at a time."""

import time
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import islice

import apsw
import trio

from hive.janitor import rows
from hive.janitor.retention import FIRST_BATCH, Retention, next_batch
from hive.store import Store, StoreError
from hive.supervisors import Context

ROUND_S = 600.0
"""From the end of one round to the next."""

TICK_S = 30.0
PAUSE_S = 0.05
"""Between two batches: the writer is somebody else's for most of the time."""


class Janitor:
    """Removes old messages and events, round after round.

    `old_events(before, limit)` removes events (Hub.forget). Not being able to remove something
    never ends the janitor: it stays until the next round. `wall` gives epoch seconds.
    """

    def __init__(
        self,
        store: Store,
        retention: Retention,
        old_events: Callable[[float, int], Awaitable[int]],
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._retention = retention
        self._old_events = old_events
        self._wall = wall
        self._batch = FIRST_BATCH

    async def run(self, ctx: Context) -> None:
        """Do one round after the other until cancelled: the start of a supervised child."""
        ctx.ready(self)
        while True:
            try:
                messages, events = await self.round(ctx.tick)
                ctx.note(f"last round: removed {messages} messages, {events} events")
            except StoreError as error:
                ctx.note(f"cannot remove what is old: {error}"[:200])
            done = trio.current_time()
            while trio.current_time() - done < ROUND_S:
                ctx.tick()
                await trio.sleep(TICK_S)

    async def round(self, tick: Callable[[], object] = lambda: None) -> tuple[int, int]:
        """Remove all that is old now; `tick` is called before each batch.

        Returns how many messages and events that were. Raises StoreError.
        """
        return await self._messages(tick), await self._events(tick)

    async def _messages(self, tick: Callable[[], object]) -> int:
        before, removed = self._retention.messages_before(self._wall()), 0
        after: int | None = 0
        while after is not None:
            tick()
            look = partial(rows.old_messages, before=before, after=after)
            found = await self._store.read(look)
            ids = iter(found.ids)
            while batch := tuple(islice(ids, self._batch)):
                tick()
                removed += await self._timed(
                    partial(rows.remove_messages, before=before, ids=batch)
                )
                await trio.sleep(PAUSE_S)
            after = found.after
        return removed

    async def _timed(self, job: Callable[[apsw.Connection], int]) -> int:
        """Do a batch, and choose the size of the next one by how long it kept the writer busy."""

        def timed(connection: apsw.Connection) -> tuple[int, float]:
            began = time.perf_counter()
            return job(connection), time.perf_counter() - began

        removed, took = await self._store.write(timed)
        self._batch = next_batch(self._batch, took)
        return removed

    async def _events(self, tick: Callable[[], object]) -> int:
        before, removed = self._retention.events_before(self._wall()), 0
        while number := await self._old_events(before, self._batch):
            removed += number
            tick()
            await trio.sleep(PAUSE_S)
        return removed
