"""The parts of a hive, made in the order of their dependence."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import attrs
from attrs import frozen

from hive.address import Address
from hive.agent_config import HostCaps
from hive.agents import (
    Agent,
    AgentDependencies,
    Fleet,
    GatesAndBudgets,
    gate_clients,
    gate_decided,
    recheck_all,
    state_folder,
)
from hive.approvals import ApprovalService
from hive.broker import Broker
from hive.budget import BudgetService
from hive.config_repos import ConfigRepositories
from hive.containers import Bubblewrap, Driver, driver_named, runtime_folders
from hive.credentials import ApiAccess, CurrentAccess
from hive.daemon.claude import what_claude_needs
from hive.daemon.config import Config
from hive.daemon.disk import DiskWatch
from hive.daemon.stop import HiveStop
from hive.directory import Directory
from hive.events import Hub
from hive.gate import GateService, GateSettings
from hive.janitor import Janitor
from hive.operator.audit import AuditLog
from hive.operator.daemon import HiveStatus
from hive.operator.destroy import Destroyer
from hive.operator.events import EventPublisher
from hive.operator.incidents import Incidents
from hive.operator.logins import Logins
from hive.operator.parks import Parks
from hive.operator.states import ChangedAgents, States
from hive.operator.tree import OperatedTree
from hive.paths import Paths
from hive.questions import QuestionService
from hive.redact import Secrets
from hive.reminders import ReminderService
from hive.schedules import ScheduleService
from hive.store import MIGRATIONS, Store
from hive.supervisors import RestartIntensity, Strategy, Supervisor
from hive.wake_ups import WakeUpService


@frozen
class Options:
    """What `hive up` and `hive daemon` decide before anything starts.

    `claude` is the binary that agents run. `web` is where the page listens; None: it does not.
    `say` shows a line to the operator.
    """

    paths: Paths
    config: Config
    api: ApiAccess
    claude: Path
    drivers: Mapping[str, Driver]
    web: Address | None = None
    demo: bool = False
    stop_containers: bool = False
    """Whether the end of the hive is that of its agents' containers too."""
    say: Callable[[str], None] = print

    @property
    def readonly(self) -> tuple[Path, ...]:
        """What containers see of the host beside its system."""
        return runtime_folders(what_claude_needs(self.claude))


@frozen
class Hive:
    """All parts of one hive. `build` makes it; its tree (hive/daemon/tree.py) runs it.

    `root` is the tree's supervisor.
    """

    options: Options
    secrets: Secrets
    access: CurrentAccess
    store: Store
    directory: Directory
    events: Hub
    incidents: Incidents
    publisher: EventPublisher
    audit: AuditLog
    budgets: BudgetService
    gates: GateService
    limits: GatesAndBudgets
    broker: Broker
    reminders: ReminderService
    schedules: ScheduleService
    questions: QuestionService
    wake_ups: WakeUpService
    approvals: ApprovalService
    disk: DiskWatch
    janitor: Janitor
    changed: ChangedAgents
    fleet: Fleet
    states: States
    destroyer: Destroyer
    logins: Logins
    stop: HiveStop
    root: Supervisor
    tree: OperatedTree
    status: HiveStatus


def build(options: Options) -> Hive:
    """Make every part of a hive; nothing runs yet and nothing is written."""
    config, paths = options.config, options.paths
    driver = partial(driver_named, known=options.drivers)
    live: dict[str, Agent] = {}  # the agents that are supervised now, by name

    secrets = Secrets()
    access = CurrentAccess(options.api, paths.credentials, secrets)
    store = Store(paths.database, MIGRATIONS)
    directory = Directory(store)
    events = Hub(store)
    incidents = Incidents()
    publisher = EventPublisher(events, incidents, secrets)
    publish = publisher.publish
    budgets = BudgetService(store, directory, publish=publish, changed=partial(recheck_all, live))
    gates = GateService(
        store,
        clients=partial(gate_clients, live, budgets),
        apply=partial(gate_decided, live),
        publish=publish,
        settings=GateSettings(**attrs.asdict(config.gate)),
    )
    limits = GatesAndBudgets(gates, budgets, live)
    broker = Broker(
        store,
        directory,
        body_cap=config.agents.body_cap,
        publish=limits.watching(publish),
        urgent=budgets.urgent_allowed,
    )
    reminders = ReminderService(
        store,
        broker,
        state_folder=partial(state_folder, directory=directory, paths=paths, driver=driver),
        publish=publish,
        limits=config.reminders,
    )
    schedules = ScheduleService(store, broker, directory, publish=publish)
    questions = QuestionService(store, broker, directory)
    wake_ups = WakeUpService(store, broker)
    approvals = ApprovalService(
        store,
        broker,
        directory,
        ConfigRepositories(paths, bwrap=_wall(options)),
        publish=publish,
        host=HostCaps.of_this_machine(),
    )
    disk = DiskWatch(paths.root, store, publish)
    janitor = Janitor(store, config.retention, events.forget)
    changed = ChangedAgents()
    fleet = Fleet(
        AgentDependencies(
            paths=paths,
            config=config.agents,
            claude=options.claude,
            claude_config=config.claude,
            access=access,
            directory=directory,
            broker=broker,
            questions=questions,
            wake_ups=wake_ups,
            reminders=reminders,
            schedules=schedules,
            approvals=approvals,
            driver=driver,
            limits=limits,
            publish=publish,
            changed=changed.add,
            readonly=options.readonly,
            redact=secrets.redact_value,
        ),
        live,
    )
    states = States(directory, broker, fleet, changed, publish)
    destroyer = Destroyer(
        fleet, broker, reminders, schedules, questions, wake_ups, approvals, budgets, publish
    )
    logins = Logins(fleet, access, limits.new_login)
    stop = HiveStop(fleet, publish, takes_containers=options.stop_containers)
    root = Supervisor(
        strategy=Strategy.REST_FOR_ONE, intensity=RestartIntensity(intensity=5, period=60.0)
    )
    return Hive(
        options=options,
        secrets=secrets,
        access=access,
        store=store,
        directory=directory,
        events=events,
        incidents=incidents,
        publisher=publisher,
        audit=AuditLog(store),
        budgets=budgets,
        gates=gates,
        limits=limits,
        broker=broker,
        reminders=reminders,
        schedules=schedules,
        questions=questions,
        wake_ups=wake_ups,
        approvals=approvals,
        disk=disk,
        janitor=janitor,
        changed=changed,
        fleet=fleet,
        states=states,
        destroyer=destroyer,
        logins=logins,
        stop=stop,
        root=root,
        tree=OperatedTree(root, directory, fleet, Parks(store), incidents, states.harness_tree),
        status=HiveStatus(
            root_folder=str(paths.root),
            demo=options.demo,
            root=root,
            directory=directory,
            states=states,
            events=events,
            gates=gates,
            budgets=budgets,
            broker=broker,
            disk=disk.notices,
            approvals=approvals.notices,
        ),
    )


def _wall(options: Options) -> str | None:
    """What git is shut in with while it reads what agents propose; None where nothing is.

    That is where agents run without isolation anyway.
    """
    driver = options.drivers.get(options.config.agents.driver)
    return driver.bwrap if isinstance(driver, Bubblewrap) else None
