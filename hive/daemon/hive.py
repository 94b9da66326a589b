"""The hive: its parts, the tree that supervises them, and what can be asked of the whole."""

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import attrs
import trio
from attrs import define, field, frozen

from hive.address import Address
from hive.agents import Agent, Fleet, Surroundings
from hive.broker import Broker
from hive.budget import Budgets
from hive.containers import Driver, runtime_folders
from hive.daemon.claude import what_claude_needs
from hive.daemon.config import Config, check_model
from hive.daemon.credentials import ApiAccess
from hive.daemon.disk import Disk
from hive.daemon.drivers import driver_named
from hive.daemon.feed import Feed
from hive.daemon.limits import Limits, clients, gate_decided, look_again
from hive.daemon.notices import notices
from hive.daemon.states import States, Suspects
from hive.directory import AgentRecord, Directory, NoSuchAgent
from hive.events import Hub
from hive.gate import Gates, GateSettings
from hive.janitor import Janitor
from hive.operator.audit import AuditLog
from hive.operator.incidents import Incidents
from hive.operator.parks import Parks
from hive.operator.status import now, tree
from hive.paths import Paths
from hive.questions import Desk
from hive.redact import Secrets
from hive.reminders import Limits as ReminderLimits
from hive.reminders import Place, Reminders
from hive.schedules import Schedules
from hive.store import MIGRATIONS, Store
from hive.supervisors import Supervisor
from hive.wire.agents import Spawn
from hive.wire.daemon import Notice, Status
from hive.wire.events import Event
from hive.wire.gates import GateState
from hive.wire.harness import HarnessSettings
from hive.wire.tree import TreeNode

STATUS_VERSION = 1
FAULT = "HIVE_FAULT"


@frozen
class Options:
    """What `hive up` and `hive daemon` decide before the tree starts."""

    paths: Paths
    config: Config
    api: ApiAccess
    claude: Path
    drivers: Mapping[str, Driver]
    web: Address | None = None
    demo: bool = False
    say: Callable[[str], None] = print

    @property
    def readonly(self) -> tuple[Path, ...]:
        """What containers see of the host beside its system."""
        return runtime_folders(what_claude_needs(self.claude))


@define(eq=False)
class Hive:
    """All parts of one running hive."""

    options: Options
    stop_containers: bool = False
    """Whether the end of the hive is that of its agents' containers too."""
    stop: trio.Event = field(factory=trio.Event)
    gave_up: str | None = None
    """Why the hive stops by itself."""
    store: Store = field(init=False)
    directory: Directory = field(init=False)
    events: Hub = field(init=False)
    incidents: Incidents = field(init=False, factory=Incidents)
    audit: AuditLog = field(init=False)
    parks: Parks = field(init=False)
    broker: Broker = field(init=False)
    reminders: Reminders = field(init=False)
    schedules: Schedules = field(init=False)
    desk: Desk = field(init=False)
    disk: Disk = field(init=False)
    janitor: Janitor = field(init=False)
    fleet: Fleet = field(init=False)
    root: Supervisor = field(init=False)
    """Of the whole tree; set by who builds it."""
    api: ApiAccess = field(init=False)
    """Set by `use_api`."""
    secrets: Secrets = field(init=False, factory=Secrets)
    budgets: Budgets = field(init=False)
    gates: Gates = field(init=False)
    limits: Limits = field(init=False)
    _live: dict[str, Agent] = field(init=False, factory=dict)
    suspects: Suspects = field(init=False, factory=Suspects)
    states: States = field(init=False)
    feed: Feed = field(init=False)
    logging_in: trio.Lock = field(init=False, factory=trio.Lock)
    """Held while a credential is replaced, on disk and in `api`."""

    def __attrs_post_init__(self) -> None:
        options, agents = self.options, self.options.config.agents
        self.use_api(options.api)
        self.store = Store(options.paths.database, MIGRATIONS)
        self.events = Hub(self.store)
        self.directory = Directory(self.store)
        self.feed = Feed(self.events, self.incidents, self.secrets)
        self.audit = AuditLog(self.store)
        self.parks = Parks(self.store)
        live = self._live
        self.budgets = Budgets(
            self.store,
            self.directory,
            publish=self.feed.publish,
            changed=partial(look_again, live),
        )
        self.gates = Gates(
            self.store,
            clients=partial(clients, live, self.budgets),
            apply=partial(gate_decided, live),
            publish=self.feed.publish,
            settings=GateSettings(**attrs.asdict(options.config.gate)),
        )
        self.limits = Limits(self.gates, self.budgets, live)
        self.broker = Broker(
            self.store,
            self.directory,
            body_cap=agents.body_cap,
            publish=self.limits.watching(self.feed.publish),
            urgent=self.budgets.urgent_allowed,
        )
        reminders = options.config.reminders
        self.reminders = Reminders(
            self.store,
            self.broker,
            place=self._place,
            publish=self.feed.publish,
            limits=ReminderLimits(reminders.pending, reminders.burst, reminders.per_hour),
        )
        self.schedules = Schedules(
            self.store,
            self.broker,
            self.directory,
            publish=self.feed.publish,
        )
        self.desk = Desk(
            self.store,
            self.broker,
            self.directory,
            publish=self.feed.publish,
        )
        self.disk = Disk(options.paths.root, self.store, self.feed.publish)
        self.janitor = Janitor(self.store, options.config.retention, self.events.forget)
        around = Surroundings(
            paths=options.paths,
            broker=self.broker,
            desk=self.desk,
            records=self.directory,
            reminders=self.reminders,
            schedules=self.schedules,
            driver=partial(driver_named, known=options.drivers),
            settings=self._settings,
            limits=self.limits,
            publish=self.feed.publish,
            changed=self.suspects.add,
            readonly=options.readonly,
            alarm_after=agents.alarm_after_s,
            harness_silence=agents.harness_silence_s,
            stop_grace=agents.stop_grace_s,
            reconnect_grace=agents.reconnect_grace_s,
            hide=self.secrets.hide,
        )
        self.fleet = Fleet(around, _harness_environment(), live=live)
        self.states = States(
            self.directory, self.broker, self.desk, self.fleet, self.suspects, self.feed.publish
        )

    @property
    def paths(self) -> Paths:
        return self.options.paths

    async def spawn(self, wish: Spawn) -> None:
        """Create and start an agent with the configured driver and model unless given."""
        config = self.options.config
        await self.fleet.create(
            wish.name,
            driver=wish.driver or config.agents.driver,
            model=config.claude.model if wish.model is None else check_model(wish.model),
            credential=self.api.check(wish.credential),
            may_send=wish.may_send,
        )

    async def credential_changed(self, key: str) -> None:
        """Somebody has logged in: the agents behind this credential key may try again."""
        await self.gates.new_login(key)
        look_again(self._live)

    def use_api(self, api: ApiAccess) -> None:
        """These are the credentials from now on; those of before stay secrets."""
        self.api = api
        for name, value in api.secrets:
            self.secrets.learn(value, f"of credential {name}")

    def publish(self, agent: str | None, event: Event, at: float | None = None, /) -> None:
        """Show an event to all who watch; `at` is when it happened (epoch seconds, None: now).

        Never blocks, never raises.
        """
        self.feed.publish(agent, event, at)

    def stop_all(self) -> None:
        """Stop the hive and every container of it."""
        self.fleet.stop_containers()
        self.stop.set()

    def give_up(self, why: str) -> None:
        """Stop the hive in order, because it cannot go on; `why` says what to do."""
        if self.gave_up is None:
            self.gave_up = why
            self.publish(None, Notice(why))
            if self.stop_containers:
                self.fleet.stop_containers()
            self.stop.set()

    def status(self) -> Status:
        """The whole hive at this moment."""
        clock = now()
        return Status(
            version=STATUS_VERSION,
            root=str(self.paths.root),
            seq=self.events.seq,
            agents=self.states.of(self.directory.known, clock),
            tree=tree(self.root.snapshot(), clock, self.states.harness_tree),
            demo=self.options.demo,
            notices=self._notices(),
            gates=tuple(gate for gate in self.gates.statuses() if gate.state != GateState.OPEN),
        )

    def _notices(self) -> tuple[str, ...]:
        held = sum(counts.held for counts in self.broker.counts().values())
        return (
            *self.disk.notices(),
            *notices(held, self.budgets.statuses(), self.root.child_snapshots()),
        )

    def harness_tree(self, name: str) -> TreeNode | None:
        """What the agent's harness reported of its own tree, while it is connected."""
        return self.states.harness_tree(name)

    def _place(self, name: str) -> Place:
        """An agent's state folder, on this machine and as its container sees it; raises OSError."""
        try:
            record = self.directory.record(name)
        except NoSuchAgent as error:  # it is being destroyed
            raise OSError(str(error)) from None
        driver = driver_named(record.driver, self.options.drivers)
        inside = driver.inside(self.paths.root, name)
        return Place(self.paths.agent(name) / "state", inside.base / "state")

    def _settings(self, record: AgentRecord) -> HarnessSettings:
        agents = self.options.config.agents
        return HarnessSettings(
            agent=record.name,
            model=record.model,
            environment=self.api.environment(record.credential),
            claude=str(self.options.claude),
            peers=self.directory.peers(record.name),
            orphan_after_s=agents.orphan_after_s,
            turn_silence_s=agents.turn_silence_s,
            body_cap=agents.body_cap,
            fallback_models=self.options.config.claude.fallback_models,
        )


def _harness_environment() -> dict[str, str]:
    """Nothing of the daemon's own but the fault that a test injects into harnesses."""
    fault = {FAULT: os.environ[FAULT]} if FAULT in os.environ else {}
    # Few threads that do little: a heap for each of them would only cost memory.
    memory = {"MALLOC_ARENA_MAX": "1"}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", **memory, **fault}
