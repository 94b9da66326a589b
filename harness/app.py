"""The harness's tree: journal, link, tools, turns, serve; in this order, stopped in reverse.

Each survives a restart of any other, so one child that fails never costs the work of the others.
"""

from harness.cli.subreaper import Subreaper
from harness.journal import Journal
from harness.link import Link
from harness.state import HarnessOptions, HarnessState
from harness.tools import ToolServer
from harness.turns.runner import STOPPED_S, TurnRunner
from harness.turns.serve_loop import DRAIN_S, GRACE_S, ServeLoop
from harness.wake_socket import WakeSocket
from hive import logs
from hive.supervision import read_clocks, supervision, tree_node
from hive.supervisors import ChildSpec, Event, RestartIntensity, Supervisor, log_sink, run_root
from hive.wire.daemon import Notice
from hive.wire.harness import Interrupt, Report

NAME = "harness"
HARD_DEADLINE_S = 120.0


class Harness:
    """All parts of one harness, made in the order of their dependence, and the tree of them."""

    def __init__(self, options: HarnessOptions) -> None:
        self.state = HarnessState(options)
        self.link = Link(self.state, report=self._report, interrupt=self._interrupt)
        self.tools = ToolServer(self.state, self.link)
        self.wake_socket = WakeSocket(options.folders.claude, self.link)
        self.turns = TurnRunner(self.state, self.tools, Subreaper())
        self.serve = ServeLoop(self.state, self.link, self.turns)
        self.journal = Journal(
            options.folders.harness,
            self.state.records,
            lambda text: self.state.outbox.put(Notice(text)),
        )
        self.root = Supervisor(
            self._specs(options), intensity=RestartIntensity(intensity=10, period=60.0)
        )

    def _specs(self, options: HarnessOptions) -> list[ChildSpec]:
        return [
            ChildSpec("journal", self.journal.run, grace=10.0),
            ChildSpec("link", self.link.run, grace=5.0),
            ChildSpec("tools", self.tools.run, grace=2.0),
            # Operators and their scripts know the wake socket by this name: `hive tree` shows it.
            ChildSpec("door", self.wake_socket.run, grace=2.0, park_on_exhausted=True),
            ChildSpec("turns", self.turns.run, grace=STOPPED_S),
            ChildSpec(
                "serve",
                self.serve.run,
                drain=DRAIN_S,
                grace=GRACE_S,
                watchdog=options.watchdog,
            ),
        ]

    def sink(self, event: Event) -> None:
        """A supervisor's event: to the log, the daemon and the disk, and into the next report."""
        log_sink(event)
        self.state.emit(supervision(event, self.state.secrets.redact))
        self.link.changed()

    def _interrupt(self, asked: Interrupt) -> None:
        self.turns.interrupt_soon(over_budget=asked.over_budget)

    def _report(self) -> Report:
        tree = tree_node(self.root.snapshot(), read_clocks())
        return Report(tree, self.serve.turn, self.turns.session, self.turns.model)


async def run_harness(options: HarnessOptions, *, signals: bool = True) -> int:
    """Run a harness until SIGTERM, the daemon, or its absence ends it; the exit code.

    0: stopped in order; 1: the tree gave up, see the log.
    """
    harness = Harness(options)
    logs.redact_by(harness.state.secrets.redact)
    return await run_root(
        harness.root,
        name=NAME,
        signals=signals,
        stop=harness.state.stop,
        sink=harness.sink,
        hard_deadline=HARD_DEADLINE_S,
    )
