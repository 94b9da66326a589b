"""One agent: what its supervised parts share, and what they need of the hive."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import trio
from attrs import define, field, frozen

from hive.agents.settings import AgentsConfig, ClaudeConfig
from hive.alarm import WaitEnds
from hive.approvals import ApprovalService
from hive.broker import Broker, Counts
from hive.containers import Driver
from hive.credentials import CurrentAccess
from hive.directory import AgentPark, AgentRecord, Directory, park_in_force
from hive.gate import Hold
from hive.link import Peer
from hive.paths import Paths
from hive.questions import QuestionService
from hive.reminders import ReminderService
from hive.schedules import ScheduleService
from hive.supervisors import Supervisor, SupervisorError
from hive.wake_ups import WakeUpService
from hive.wire.events import Event
from hive.wire.harness import HarnessSettings, Report
from hive.wire.states import Condition
from hive.wire.turns import ApiSignal, Outcome, Spending, TurnReport

SILENT_S = 10.0
"""A harness reports every 5 s; the operator is told when there was nothing for so long."""

START_FACTOR = 2.0
"""How many times `harness_silence` may pass until a harness has connected: many start at once."""

_LOST = TurnReport(Outcome.INTERRUPTED, "its holder is gone")


class WorkLimits(Protocol):
    """What gates and budgets decide together about an agent: whether and on what it may work."""

    async def join(self, agent: "Agent") -> None:
        """Wait until the gate of the agent's credential works; called before it takes work."""

    def hold(self, agent: "Agent") -> Hold | None:
        """Return why the agent must not take work now, None if it may; never waits."""

    async def admit(self, agent: "Agent") -> Hold | None:
        """Return why the agent must not lease a message now, None if it may.

        Asked right before each lease: while a gate is closed, one agent is admitted to try it.
        """

    def only_urgent(self, agent: "Agent") -> bool:
        """Return whether nothing but urgent messages may be worked on."""

    def turn_began(self, agent: "Agent", lease: str, *, urgent: bool) -> None:
        """Note that the agent works on this lease; `urgent` if one of its messages is."""

    def signal(self, agent: "Agent", signal: ApiSignal) -> None:
        """Take what the API said in the middle of a turn; never waits."""

    def spending(self, agent: "Agent", spending: Spending) -> None:
        """Count what a running turn has used, and end turns that are over a budget; never waits."""

    async def turn_ended(self, agent: "Agent", lease: str, report: TurnReport) -> None:
        """Count a turn that ended; returns when those who must wait because of it know."""


class Publish(Protocol):
    """A function that shows an event to all who watch; it never blocks and never raises."""

    def __call__(self, agent: str | None, event: Event, at: float | None = None, /) -> object:
        """Show `event` as one of `agent`, or (None) of the hive as a whole.

        `at` is when it happened, in epoch seconds; None: now.
        """


@frozen
class AgentDependencies:
    """What the hive gives to each of its agents.

    `claude` is the CLI that they run, `readonly` what their containers see of the host beside its
    system. `driver` gives the container driver of a name and raises UnknownDriver. `changed` is
    told of whom the state may have changed. `redact` gives what a container says without the
    credentials that are in it.
    """

    paths: Paths
    config: AgentsConfig
    claude: Path
    claude_config: ClaudeConfig
    access: CurrentAccess
    directory: Directory
    broker: Broker
    questions: QuestionService
    wake_ups: WakeUpService
    reminders: ReminderService
    schedules: ScheduleService
    approvals: ApprovalService
    driver: Callable[[str], Driver]
    limits: WorkLimits
    publish: Publish
    changed: Callable[[str], None]
    readonly: tuple[Path, ...]
    redact: Callable[[Any], Any] = lambda said: said


@define(eq=False)
class Agent:
    """The state of one agent while its subtree lives; only the parts of that subtree change it."""

    name: str
    dependencies: AgentDependencies
    peer: Peer | None = None
    """The link to the harness; None while it is not connected."""
    instance: str | None = None
    """The harness instance that connected last."""
    lease: str | None = None
    """What the agent works on; None while it holds nothing."""
    lease_since: float = 0.0
    """When the lease began or ended last, in Trio's time."""
    last_ended: str | None = None
    """The last lease of whose end gates and budgets know."""
    end_lock: trio.Lock = field(factory=trio.Lock)
    """Held while the end of a lease is settled, so that whoever else ends it finds it done."""
    park_ends: WaitEnds = field(factory=WaitEnds)
    """Which parks are over: one that has ended stays so, also if the wall clock is set back."""
    report: Report | None = None
    """What the harness reported last."""
    heard_at: float | None = None
    """When the harness was heard last (its container's start counts), in Trio's time.

    None while nobody watches its container.
    """
    has_connected: bool = False
    """Whether the harness has connected since its container was started or taken up."""
    emitted_by: str | None = None
    """The harness instance whose events were published last."""
    emitted: int = 0
    """How many events of that instance have been published."""
    hold: Hold | None = None
    """Why a gate or a budget keeps the agent from taking work."""
    subtree: Supervisor | None = None
    """Its supervisor; None for an agent that is not supervised."""
    open: trio.Event = field(factory=trio.Event)
    """Set while the agent may take work; replaced at each park."""
    park_request: trio.Event = field(factory=trio.Event)
    """Set when `serve` must look whether the agent may still work; `serve` replaces it."""
    restart_request: trio.Event = field(factory=trio.Event)
    """Set when the container must be restarted; each start of it replaces this."""
    stopping: bool = False
    """The operator (or an ordered stop of the hive) wants the container to end."""

    @property
    def record(self) -> AgentRecord:
        """What is stored of the agent now; raises NoSuchAgent when it is being destroyed."""
        return self.dependencies.directory.record(self.name)

    @property
    def settings(self) -> HarnessSettings:
        """What its harness must know now; raises NoSuchAgent when the agent is being destroyed."""
        record, config = self.record, self.dependencies.config
        return HarnessSettings(
            agent=self.name,
            model=record.model,
            environment=self.dependencies.access.environment(record.credential),
            claude=str(self.dependencies.claude),
            peers=self.dependencies.directory.peers(self.name),
            orphan_after_s=config.orphan_after_s,
            turn_silence_s=config.turn_silence_s,
            body_cap=config.body_cap,
            fallback_models=self.dependencies.claude_config.fallback_models,
        )

    @property
    def counts(self) -> Counts:
        """How many messages wait for the agent, and how many it holds."""
        return self.dependencies.broker.counts().get(self.name, Counts())

    @property
    def silent_for(self) -> float:
        """Seconds in which nothing was heard of the harness; 0 while nobody listens."""
        return 0.0 if self.heard_at is None else trio.current_time() - self.heard_at

    @property
    def silence_limit(self) -> float:
        """Seconds of silence after which the harness is restarted; its start may take longer."""
        return self.dependencies.config.harness_silence_s * (
            1.0 if self.has_connected else START_FACTOR
        )

    def heard(self) -> None:
        """Note that the harness has given a sign of life."""
        was_silent = self.silent_for > SILENT_S
        self.heard_at = trio.current_time()
        if was_silent:
            self.changed()

    def publish(self, event: Event, at: float | None = None) -> None:
        """Show an event of the agent; `at` is when it happened (epoch seconds, None: now)."""
        self.dependencies.publish(self.name, event, at)

    def changed(self) -> None:
        """Say that the agent's state may have changed, so that it is looked at and published."""
        self.dependencies.changed(self.name)

    def work_began(self, lease: str | None) -> None:
        """Note that the agent holds this lease now, None: nothing."""
        self.lease, self.lease_since = lease, trio.current_time()

    async def holder_gone(self, why: str, *, count: bool) -> None:
        """Return everything that the agent holds to its queue: nobody works on it any more.

        `why` is told with the messages, `count` is whether this was one of their attempts. What a
        turn that has just ended makes of them comes first. Raises StoreError.
        """
        async with self.end_lock:
            lost = self.lease
            self.work_began(None)
            if lost is not None:
                await self.turn_ended(lost, _LOST)
            await self.dependencies.broker.release(self.name, count=count, why=why)

    async def turn_ended(self, lease: str, report: TurnReport) -> None:
        """Tell gates and budgets how the turn of this lease ended; a second call does nothing."""
        if self.last_ended != lease:
            await self.dependencies.limits.turn_ended(self, lease, report)
            self.last_ended = lease

    async def park(self, park: AgentPark) -> None:
        """Park the agent for the operator, across restarts of the daemon; raises StoreError."""
        await self.dependencies.directory.park(self.name, park)
        self.close()
        self.park_request.set()

    async def forget_ended_parks(self) -> None:
        """Remove parks that are over from what is stored of the agent; raises StoreError."""
        parks = (self.record.operator_park, self.record.turn_park)
        over = [
            park.until for park in parks if park and park.until and self.park_ends.over(park.until)
        ]
        if over:
            await self.dependencies.directory.forget_ended_parks(self.name, max(over))

    def look_again(self) -> None:
        """Ask gates and budgets anew whether the agent may work, and do what they say."""
        hold = self.dependencies.limits.hold(self)
        if hold == self.hold:
            return
        self.hold = hold
        if hold is not None:
            self.close()
        self.changed()
        self.park_request.set()
        self.wake_serve()

    def wake_serve(self) -> None:
        """Unpark `serve`: it goes on, or parks again for the reason that holds now."""
        if self.subtree is not None:
            with suppress(SupervisorError):  # it is being stopped, or not yet started
                self.subtree.unpark("serve")

    def close(self) -> None:
        """Take no work from now on; whoever waits for `open` goes on waiting."""
        if self.open.is_set():
            self.open = trio.Event()

    @property
    def parked(self) -> AgentPark | None:
        """The park in force now: the operator's, else that of failed turns, else None."""
        record = self.record
        parks = (record.operator_park, record.turn_park)
        operator, turn = (
            None if park and self.park_ends.over(park.until) else park for park in parks
        )
        return park_in_force(operator, turn, time.time())

    @property
    def why_waiting(self) -> Hold | None:
        """Why the agent takes no work now: a park, else a gate or a budget; None if it may."""
        if (park := self.parked) is not None:
            return Hold(Condition.PARKED, park.reason, park.until, self.record.credential)
        return self.hold
