"""Reminders on a store in memory, for tests with a virtual clock."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from attrs import define, field
from support.directories import Named
from support.memory_store import MemoryStore

from hive.broker import Broker
from hive.directory import Rights
from hive.reminders import ReminderLimits, ReminderService, StateFolder
from hive.store import fetch
from hive.wire.events import Event

BEGIN = 1_800_000_000.0


@define(eq=False)
class ReminderFixture:
    """Reminders on a store in memory; the wall clock is Trio's plus `offset`."""

    store: MemoryStore
    broker: Broker
    names: set[str]
    rights: dict[str, Rights] = field(factory=dict)
    published: list[Event] = field(factory=list)
    offset: float = BEGIN
    reminders: ReminderService = field(init=False)

    def now(self) -> float:
        return self.offset + trio.current_time()

    def fetch(self, sql: str) -> list[Any]:
        return fetch(self.store.connection, sql)

    def messages(self) -> list[tuple[float, str]]:
        return self.fetch("SELECT recipient, body FROM messages ORDER BY id")

    def due(self, agent: str, in_s: float, count: int = 1) -> None:
        """Reminders that are due in so many seconds, past every limit."""
        at = self.now() + in_s
        self.store.connection.executemany(
            "INSERT INTO reminders (agent, text, created_at, due_at, retry_at, state)"
            " VALUES (?, 'x', ?, ?, ?, 'pending')",
            [(agent, self.now(), at, at)] * count,
        )


@asynccontextmanager
async def reminder_fixture(
    limits: ReminderLimits | None = None, body_cap: int = 16384
) -> AsyncIterator[ReminderFixture]:
    async with trio.open_nursery() as nursery:
        store: Any = MemoryStore(nursery)
        names = {"ann", "bob"}
        rights: dict[str, Rights] = {}
        broker = Broker(
            store,
            publish=lambda *_: None,
            directory=Named(lambda: names, rights),
            body_cap=body_cap,
        )
        await broker.load()
        made = ReminderFixture(store, broker, names, rights)

        made.reminders = ReminderService(
            store,
            broker,
            state_folder=lambda name: StateFolder(Path("/nowhere"), Path(f"/agents/{name}/state")),
            publish=lambda _, event: made.published.append(event),
            limits=limits or ReminderLimits(),
            now=made.now,
        )
        yield made
        nursery.cancel_scope.cancel()
