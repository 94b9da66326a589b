"""What the supervised parts of one agent share, and what can be told of it."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import trio
from attrs import define, evolve, field, frozen

from hive.agents.records import AgentRecord, Records
from hive.alarm import trio_time
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

SILENT_S = 10.0
"""A harness reports every 5 s; the operator is told when there was nothing for so long."""

FIRST_WORDS = 2.0
"""How many times `harness_silence` may pass until a harness has connected: many start at once."""

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
    harness_silence: float
    stop_grace: float
    reconnect_grace: float


@define(eq=False)
class Agent:
    """One agent while its subtree lives. Written only by the parts of that subtree."""

    record: AgentRecord
    around: Surroundings
    peer: Peer | None = None
    instance: str | None = None
    """The harness instance that connected last."""
    lease: str | None = None
    lease_since: float = 0.0
    """When the lease began or ended last, in Trio's time."""
    park_ends: float | None = None
    """When its own park ends, in Trio's time: the wall clock may be set back meanwhile."""
    failures: int = 0
    report: Report | None = None
    heard_at: float | None = None
    """When the harness was heard last (its container's start counts), in Trio's time.

    None while nobody watches its container.
    """
    has_connected: bool = False
    """Whether the harness has connected since its container was started or taken up."""
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

    @property
    def silent_for(self) -> float:
        """Seconds in which nothing was heard of the harness; 0 while nobody listens."""
        return 0.0 if self.heard_at is None else trio.current_time() - self.heard_at

    @property
    def patience(self) -> float:
        """Seconds of silence after which the harness is restarted; its start may take longer."""
        return self.around.harness_silence * (1.0 if self.has_connected else FIRST_WORDS)

    def heard(self) -> None:
        """The harness has given a sign of life."""
        was_silent = self.silent_for > SILENT_S
        self.heard_at = trio.current_time()
        if was_silent:
            self.changed()

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
        self.park_ends = trio_time(until)
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
        self.wake_serve()

    def wake_serve(self) -> None:
        """Let `serve`, if it is parked, look why the agent waits now, or go on."""
        if self.subtree is not None:
            with suppress(SupervisorError):  # it is being stopped, or not yet started
                self.subtree.unpark("serve")

    def close(self) -> None:
        """Take no work for now; who waits for `open` goes on waiting."""
        if self.open.is_set():
            self.open = trio.Event()

    @property
    def waits(self) -> Hold | None:
        """Why the agent takes no work now: its own park first, then a gate or a budget."""
        record = self.record
        if record.park_reason is not None and not self._park_is_over:
            return Hold(Condition.PARKED, record.park_reason, record.park_until, record.credential)
        return self.hold

    @property
    def _park_is_over(self) -> bool:
        """Whether one clock says so: the wall clock may be set back, the other one may sleep."""
        until, ends = self.record.park_until, self.park_ends
        return (until is not None and until <= time.time()) or (
            ends is not None and ends <= trio.current_time()
        )
