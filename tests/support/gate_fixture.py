"""Gates whose hive is a test: who uses which credential, and what the gates told."""

from collections.abc import Callable

import apsw
import trio
from attrs import define, evolve, field

from hive.gate import Client, GateService, GateSettings, Hold
from hive.store import MIGRATIONS, StoreError
from hive.wire.daemon import Notice
from hive.wire.events import Event
from hive.wire.gates import GateChanged

T0 = 1_000_000.0


class GateStore:
    """The store's two methods on a database in memory, without a thread."""

    def __init__(self) -> None:
        self.fails = False
        self.tried = 0
        self.db = apsw.Connection(":memory:")
        for migration in MIGRATIONS:
            self.db.execute(migration)

    async def write(self, fn: Callable[[apsw.Connection], object]) -> object:
        await trio.lowlevel.checkpoint()
        self.tried += 1
        if self.fails:
            raise StoreError("no space left")
        return fn(self.db)

    async def read(self, fn: Callable[[apsw.Connection], object]) -> object:
        await trio.lowlevel.checkpoint()
        return fn(self.db)

    def rows(self) -> list[tuple[object, ...]]:
        return list(self.db.execute("SELECT credential, bucket, state FROM gates ORDER BY 1, 2"))


@define
class GateFixture:
    """Who uses which credential, and what the gates told."""

    store: GateStore = field(factory=GateStore)
    clients: dict[str, dict[str, Client]] = field(factory=dict)
    holds: dict[str, Hold | None] = field(factory=dict)
    applied: list[str] = field(factory=list)
    events: list[Event] = field(factory=list)
    clock: float = 0.0
    """By how much the wall clock has jumped."""
    wall: Callable[[], float] = lambda: T0 + trio.current_time()

    def add(self, credential: str, *clients: Client) -> None:
        self.clients.setdefault(credential, {}).update({one.name: one for one in clients})

    def change(self, credential: str, agent: str, **values: object) -> None:
        mine = self.clients[credential]
        mine[agent] = evolve(mine[agent], **values)

    def now(self) -> float:
        return self.clock + self.wall()

    def apply(self, agent: str, hold: Hold | None) -> None:
        self.holds[agent] = hold
        self.applied.append(agent)

    def free(self) -> set[str]:
        return {name for name, hold in self.holds.items() if hold is None}

    def gates_changed(self) -> list[GateChanged]:
        return [one for one in self.events if isinstance(one, GateChanged)]

    def notices(self) -> list[Notice]:
        return [one for one in self.events if isinstance(one, Notice)]

    def gates(self, store: object = None, **settings: float) -> GateService:
        return GateService(
            store or self.store,  # type: ignore[arg-type]
            lambda credential: list(self.clients.get(credential, {}).values()),
            self.apply,
            lambda agent, event: self.events.append(event),
            GateSettings(**settings),  # type: ignore[arg-type]
            now=self.now,
            chance=lambda: 0.5,
        )
