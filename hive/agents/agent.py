"""What the supervised parts of one agent share, and what can be told of it."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import trio
from attrs import define, evolve, field, frozen

from hive.agents.records import AgentRecord, Records
from hive.broker import Broker, Counts
from hive.containers import Driver
from hive.gate import Hold
from hive.link import Peer
from hive.paths import Paths
from hive.questions import Desk
from hive.reminders import Reminders
from hive.schedules import Schedules
from hive.supervisors import Supervisor, SupervisorError
from hive.wire import (
    ApiSignal,
    Condition,
    Event,
    HarnessSettings,
    Outcome,
    Report,
    Spending,
    TurnReport,
)

_LOST = TurnReport(Outcome.INTERRUPTED, "its holder is gone")


class Limits(Protocol):
    """What gates and budgets decide together about an agent; the hive's own."""

    async def join(self, agent: "Agent") -> None:
        """The agent is there: returns when the gate of its credential works."""

    def hold(self, agent: "Agent") -> Hold | None:
        """Why the agent must not take work now; never waits."""

    async def admit(self, agent: "Agent") -> Hold | None:
        """The same, right before a lease: it may be the one agent that tries a closed gate."""

    def only_urgent(self, agent: "Agent") -> bool:
        """Whether nothing but urgent messages may be worked on."""

    def turn_began(self, agent: "Agent", lease: str, *, urgent: bool) -> None:
        """The agent works on this lease; `urgent` if one of its messages is."""

    def signal(self, agent: "Agent", signal: ApiSignal) -> None:
        """The API said something in the middle of a turn; never waits."""

    def spending(self, agent: "Agent", spending: Spending) -> None:
        """A running turn has used so much; ends turns that are over a budget. Never waits."""

    async def turn_ended(self, agent: "Agent", lease: str, report: TurnReport) -> None:
        """Returns when whoever must wait because of this turn has been told so."""


@frozen
class Surroundings:
    """What the hive gives to each of its agents; times in seconds."""

    paths: Paths
    broker: Broker
    desk: Desk
    records: Records
    reminders: Reminders
    schedules: Schedules
    driver: Callable[[str], Driver]
    settings: Callable[[AgentRecord], HarnessSettings]
    limits: Limits
    publish: Callable[[str | None, Event], object]
    changed: Callable[[str], None]
    readonly: tuple[Path, ...]
    alarm_after: float
    stop_grace: float
    reconnect_grace: float
    hide: Callable[[Any], Any] = lambda said: said
    """What a container says, without the credentials that are in it."""


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
    hold: Hold | None = None
    """Why a gate or a budget keeps the agent from taking work."""
    subtree: Supervisor | None = None
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
        lost = self.lease
        self.work_began(None)
        if lost is not None:
            await self.around.limits.turn_ended(self, lease=lost, report=_LOST)
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

    def look_again(self) -> None:
        """Gates or budgets may have decided something new about this agent."""
        hold = self.around.limits.hold(self)
        if hold == self.hold:
            return
        self.hold = hold
        if hold is not None:
            self.close()
        self.changed()
        self.park_request.set()
        if self.subtree is not None:
            with suppress(SupervisorError):  # it is being stopped, or not yet started
                self.subtree.unpark("serve")  # a parked one looks why it waits now

    def close(self) -> None:
        """Take no work for now; who waits for `open` goes on waiting."""
        if self.open.is_set():
            self.open = trio.Event()

    @property
    def waits(self) -> Hold | None:
        """Why the agent takes no work now: its own park first, then a gate or a budget."""
        record = self.record
        if record.park_reason is not None and (
            record.park_until is None or record.park_until > time.time()
        ):
            return Hold(Condition.PARKED, record.park_reason, record.park_until, record.credential)
        return self.hold
