"""The agents' states: as they are now, and published when they have changed."""

from collections.abc import Iterable

import trio

from hive.agents import Fleet, Publish
from hive.broker import Broker, Counts
from hive.directory import Directory
from hive.operator.status import agent_status
from hive.supervision import ClockReading, read_clocks
from hive.supervisors import Context
from hive.wire.agents import AgentStatus, StatusChanged
from hive.wire.tree import TreeNode

SETTLE_S = 0.05


class ChangedAgents:
    """The names of agents whose state may have changed; whoever changes one adds it."""

    def __init__(self) -> None:
        self._some = trio.Event()
        self._names: set[str] = set()

    def add(self, *names: str) -> None:
        """Note that the state of these agents may have changed. Never blocks."""
        self._names.update(names)
        self._some.set()

    async def settled(self) -> frozenset[str]:
        """Wait until there are some, and take them all.

        Changes come in bursts (a restart is five), so they are given a moment later, together.
        """
        await self._some.wait()
        await trio.sleep(SETTLE_S)
        self._some = trio.Event()
        names, self._names = frozenset(self._names), set()
        return names


class States:
    """Makes each agent's state of what is stored of it and of how its parts are."""

    def __init__(
        self,
        directory: Directory,
        broker: Broker,
        fleet: Fleet,
        changed: ChangedAgents,
        publish: Publish,
    ) -> None:
        self._directory, self._broker, self._fleet = directory, broker, fleet
        self._changed, self._publish = changed, publish
        self._shown: dict[str, tuple[object, ...]] = {}

    async def run(self, ctx: Context) -> None:
        """The supervised child: publishes a state when it differs from what was published last."""
        ctx.ready()
        self._changed.add(*self._directory.known)
        while True:
            names = await self._changed.settled()
            for status in self.statuses(sorted(names & self._directory.names()), read_clocks()):
                until = status.until and round(status.until)
                shown = (status.state, status.condition, status.reason, until, status.credential)
                if self._shown.get(status.name) != shown:
                    self._shown[status.name] = shown
                    changed = StatusChanged(
                        status.state,
                        status.reason,
                        status.until,
                        status.condition,
                        status.credential,
                    )
                    self._publish(status.name, changed)

    def statuses(self, names: Iterable[str], clock: ClockReading) -> tuple[AgentStatus, ...]:
        """Return these agents as they are now, in the same order; raises KeyError for others."""
        nodes = {node.id: node for node in self._fleet.supervisor.child_snapshots()}
        return tuple(
            agent_status(
                self._directory.known[name],
                self._fleet.live.get(name),
                nodes.get(name),
                self._broker.counts().get(name, Counts()),
                clock,
            )
            for name in names
        )

    def harness_tree(self, name: str) -> TreeNode | None:
        """Return what the agent's harness reported of its tree; None while it is not connected."""
        agent = self._fleet.live.get(name)
        return agent.report.tree if agent and agent.report and agent.peer else None
