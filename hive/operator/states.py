"""Each agent's state: as it is now, and published when it has changed."""

from collections.abc import Iterable

import trio
from attrs import evolve

from hive.agents import Fleet
from hive.agents.agent import Publish
from hive.broker import Broker, Counts
from hive.directory import Directory
from hive.operator.status import agent_status
from hive.questions import Desk
from hive.supervision import ClockReading, read_clocks
from hive.supervisors import Context
from hive.wire.agents import AgentStatus, StatusChanged
from hive.wire.tree import TreeNode

SETTLE_S = 0.05


class ChangedAgents:
    """Agents whose state may have changed; whoever changes one says so here."""

    def __init__(self) -> None:
        self._some = trio.Event()
        self._names: set[str] = set()

    def add(self, *names: str) -> None:
        """Note that the state of these agents may have changed. Never blocks."""
        self._names.update(names)
        self._some.set()

    async def settled(self) -> frozenset[str]:
        """Wait for agents whose state may have changed; returns their names.

        Changes come in bursts (a restart is five), so they are given a moment later, together.
        """
        await self._some.wait()
        await trio.sleep(SETTLE_S)
        self._some = trio.Event()
        names, self._names = frozenset(self._names), set()
        return names


class States:
    """What can be said of each agent: what is kept of it, and how its parts are."""

    def __init__(
        self,
        directory: Directory,
        broker: Broker,
        desk: Desk,
        fleet: Fleet,
        changed: ChangedAgents,
        publish: Publish,
    ) -> None:
        self._directory, self._broker, self._desk, self._fleet = directory, broker, desk, fleet
        self._changed, self._publish = changed, publish
        self._shown: dict[str, tuple[object, ...]] = {}

    async def run(self, ctx: Context) -> None:
        """The supervised child: publish a state when it differs from what was published last."""
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
        """The status of each of these agents at the moment of `clock`."""
        nodes = {node.id: node for node in self._fleet.supervisor.child_snapshots()}
        statuses = (
            agent_status(
                self._directory.known[name],
                self._fleet.live.get(name),
                nodes.get(name),
                self._broker.counts().get(name, Counts()),
                clock,
            )
            for name in names
        )
        return tuple(evolve(one, says=self._desk.says.get(one.name, "")) for one in statuses)

    def harness_tree(self, name: str) -> TreeNode | None:
        """What the agent's harness reported of its own tree, while it is connected."""
        agent = self._fleet.live.get(name)
        return agent.report.tree if agent and agent.report and agent.peer else None
