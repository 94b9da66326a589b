"""What the supervised parts of one agent share, and what can be told of it."""

import math
import time
from collections.abc import Callable
from pathlib import Path

import trio
from attrs import define, evolve, field, frozen

from hive.agents.records import AgentRecord, Records
from hive.broker import Broker, Counts
from hive.containers import Driver
from hive.link import Peer
from hive.paths import Paths
from hive.questions import Desk
from hive.wire import Event, HarnessSettings, Report


@frozen
class Surroundings:
    """What the hive gives to each of its agents; times in seconds."""

    paths: Paths
    broker: Broker
    desk: Desk
    records: Records
    driver: Callable[[str], Driver]
    settings: Callable[[AgentRecord], HarnessSettings]
    publish: Callable[[str | None, Event], object]
    changed: Callable[[str], None]
    readonly: tuple[Path, ...]
    alarm_after: float
    stop_grace: float
    reconnect_grace: float


@define(eq=False)
class Agent:
    """One agent while its subtree lives. Written only by the parts of that subtree."""

    record: AgentRecord
    around: Surroundings
    peer: Peer | None = None
    instance: str | None = None
    lease: str | None = None
    lease_since: float = 0.0
    """When the lease began or ended last, in Trio's time."""
    failures: int = 0
    report: Report | None = None
    reported_at: float | None = None
    """When the harness reported last, in Trio's time."""
    emitted_by: str | None = None
    emitted: int = 0
    """How many events of the instance `emitted_by` have been published."""
    open: trio.Event = field(factory=trio.Event)
    """Set while the agent may take work; replaced at each park."""
    park_request: trio.Event = field(factory=trio.Event)
    restart_request: trio.Event = field(factory=trio.Event)
    stopping: bool = False
    """The operator (or an ordered stop of the hive) wants the container to end."""

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def counts(self) -> Counts:
        """How many messages wait for the agent, and how many it holds."""
        return self.around.broker.counts().get(self.name, Counts())

    def publish(self, event: Event) -> None:
        self.around.publish(self.name, event)

    def changed(self) -> None:
        """Tell the hive that the agent's state may have changed."""
        self.around.changed(self.name)

    def work_began(self, lease: str | None) -> None:
        """The agent holds this lease now, or none."""
        self.lease, self.lease_since = lease, trio.current_time()

    async def holder_gone(self, why: str, *, count: bool) -> None:
        """Return everything that the agent holds: nobody works on it any more."""
        self.work_began(None)
        await self.around.broker.release(self.name, count=count, why=why)

    async def park(self, reason: str, until: float | None, failures: int) -> None:
        """Take no work until `until` (epoch seconds, None: until somebody unparks the agent).

        Survives a restart of the daemon.
        """
        self.failures = failures
        await self.around.records.park(self.name, reason, until, failures)
        self.record = evolve(
            self.record, park_reason=reason, park_until=until, park_failures=failures
        )
        self.close()
        self.park_request.set()

    async def recovered(self) -> None:
        """A turn completed: the run of failed ones is over."""
        if self.failures:
            self.failures = 0
            await self.around.records.park(self.name, None, None, 0)

    async def release_park(self) -> None:
        """Forget the park; whoever calls this sees to it that `serve` runs again."""
        if self.record.park_reason is not None:
            self.record = evolve(self.record, park_reason=None, park_until=None)
            await self.around.records.park(self.name, None, None, self.failures)

    def close(self) -> None:
        """Take no work for now; who waits for `open` goes on waiting."""
        if self.open.is_set():
            self.open = trio.Event()

    @property
    def parked_for(self) -> float:
        """Seconds until the park ends: 0 when it has ended or there is none, else up to inf."""
        if self.record.park_reason is None:
            return 0.0
        until = self.record.park_until
        return math.inf if until is None else max(0.0, until - time.time())
