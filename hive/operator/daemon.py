"""The daemon as a whole: its status, and its stop."""

from collections.abc import Callable, Iterator, Sequence

from attrs import frozen

from hive.broker import Broker
from hive.budget import BudgetService
from hive.directory import Directory
from hive.events import Hub
from hive.gate import GateService
from hive.operator.handlers import Act, Table, act, read
from hive.operator.states import States
from hive.operator.status import tree_with_harnesses
from hive.supervision import read_clocks
from hive.supervisors import Snapshot, Supervisor
from hive.wire.budgets import BudgetStatus
from hive.wire.daemon import Down, GetStatus, Status
from hive.wire.gates import GateState

STATUS_VERSION = 1
WARN_SHARE = 0.8
"""The share of a budget that is used when the operator is told of it."""

CHILD_PROCESSES = ("web", "demo")
"""Parts of the tree whose note says that their process is silent."""


def page_table(status: Callable[[], Status]) -> Table:
    """What the page may ask."""

    async def whole(_: GetStatus) -> Status:
        return status()

    return {GetStatus: read(whole)}


def table(status: Callable[[], Status], stop_all: Callable[[], None]) -> Table:
    """What the operator may ask and do; `stop_all` ends the hive and its containers."""

    async def down(_: Down) -> None:
        """Do nothing yet: the hive stops once this act is in the audit."""

    words = Act("down", "the hive")
    return {**page_table(status), Down: act(down, lambda _: words, once_recorded=stop_all)}


@frozen
class HiveStatus:
    """Makes the status of the whole hive; `disk` and `approvals` give the notices about these."""

    root_folder: str
    demo: bool
    root: Supervisor
    directory: Directory
    states: States
    events: Hub
    gates: GateService
    budgets: BudgetService
    broker: Broker
    disk: Callable[[], tuple[str, ...]]
    approvals: Callable[[], tuple[str, ...]]

    def now(self) -> Status:
        """The status of the whole hive at this moment."""
        clock = read_clocks()
        held = sum(counts.held for counts in self.broker.counts().values())
        more = notices(held, self.budgets.statuses(), self.root.child_snapshots())
        return Status(
            version=STATUS_VERSION,
            root=self.root_folder,
            seq=self.events.seq,
            agents=self.states.statuses(self.directory.known, clock),
            tree=tree_with_harnesses(self.root.snapshot(), clock, self.states.harness_tree),
            demo=self.demo,
            notices=(*self.disk(), *self.approvals(), *more),
            gates=tuple(gate for gate in self.gates.statuses() if gate.state != GateState.OPEN),
        )


def notices(
    held: int, budgets: Sequence[BudgetStatus], parts: Sequence[Snapshot] = ()
) -> Iterator[str]:
    """What the operator must see first, one line each, beside the gates and the disk.

    Processes that do not answer, messages that wait for the operator (`held` of them), budgets that
    are nearly or quite used.
    """
    for part in parts:
        if part.id in CHILD_PROCESSES and part.note:
            yield f"{part.id} {part.note}"
    if held:
        wait = "1 message waits" if held == 1 else f"{held} messages wait"
        yield f"{wait} for you: see `hive dead`"
    for one in budgets:
        if one.spent >= WARN_SHARE * one.amount:
            whose = "the hive's" if one.scope == "hive" else f"{one.scope}'s"
            period = "budget of today" if one.period == "day" else "budget in total"
            used = f"{one.unit.text(one.spent)} of {one.unit.text(one.amount)}"
            yield f"{whose} {period}: {used} used"
