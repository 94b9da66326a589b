"""The daemon's tree: its children shown, parked, unparked, kicked, suspended and resumed.

The child `hive/agents/NAME/serve` (NAME for short) decides whether an agent takes work, so to park
it parks the agent. Parks are kept in the store and outlive the daemon. What the hive cannot work
without can be kicked, but neither parked nor suspended.
"""

from collections.abc import Callable

from attrs import frozen

from hive.agents import Agent, Fleet
from hive.alarm import trio_time
from hive.directory import AgentPark, Directory
from hive.operator.handlers import Act, Table, act, read
from hive.operator.incidents import Incidents
from hive.operator.parks import ChildPark, Parks
from hive.operator.status import tree_with_harnesses
from hive.supervision import read_clocks
from hive.supervisors import NotFound, State, Supervisor
from hive.wire.tree import Child, GetChild, Happening, TreeCommand, TreeNode

TREE = "hive"
"""Name of the tree's root, the first part of every path."""

ACTIONS = ("park", "unpark", "kick", "suspend", "resume")
OPERATORS_PARK = "parked by the operator"
ESSENTIAL = frozenset(
    f"{TREE}/{part}"
    for part in (
        "store",
        "events",
        "broker",
        "budgets",
        "gate",
        "limits",
        "questions",
        "agents",
        "states",
        "first-steps",
        "control",
    )
)


class BadPath(ValueError):
    """No supervised child of the daemon lies at that path; the text says what to do."""


@frozen
class OperatedTree:
    """The daemon's tree, and what the operator can do with its parts.

    `harness_tree` gives the tree that the harness of an agent has reported, None if it has none.
    """

    root: Supervisor
    directory: Directory
    fleet: Fleet
    parks: Parks
    incidents: Incidents
    harness_tree: Callable[[str], TreeNode | None]

    async def act(self, command: TreeCommand) -> None:
        """Park, unpark, kick, suspend or resume the child at the command's path.

        Raises BadPath when no child of the daemon is there, ValueError when the action is unknown
        or this child cannot take it, SupervisorError when its supervisor refuses, StoreError when a
        park cannot be park.
        """
        path = self.full_path(command.path)
        if command.action in ("park", "unpark"):
            stopped = self._stopped_agent_at(path)
            if stopped is not None:
                await self._act_on_stopped(stopped, command)
                return
        supervisor, child = self.find(path)
        if command.action in ("park", "suspend") and path in ESSENTIAL:
            raise ValueError(
                f"the hive cannot work without {path}: only kick it, or use `hive down`"
            )
        match command.action:
            case "park":
                await self._park(path, command.reason or OPERATORS_PARK, command.until)
            case "unpark":
                await self._forget_park(path)
                supervisor.unpark(child)
            case "kick":
                await self._forget_park(path)
                supervisor.kick(child)
            case "suspend":
                if self.agent_at(path) is None:
                    raise ValueError(
                        f"{path} has no point at which it could halt; suspend an agent (its NAME), "
                        "or park this child"
                    )
                supervisor.suspend(child)
            case "resume":
                supervisor.resume(child)
            case other:
                raise ValueError(f"action {other!r} is unknown: use one of {', '.join(ACTIONS)}")

    async def restore_parks(self) -> None:
        """Park again what the operator had parked when the last daemon ended.

        Raises StoreError when the parks cannot be read.
        """
        for park in await self.parks.all():
            try:
                self.find(park.path)
            except BadPath:
                await self.parks.forget(park.path)
                continue
            if park.until is not None and park.until <= read_clocks().epoch:
                await self.parks.forget(park.path)
            else:
                await self._park(park.path, park.reason, park.until)

    async def renew_parks(self) -> None:
        """Let parks end by the wall clock; the clock that they wait by stands still in a suspend.

        A wall clock that was set back makes no park longer. Raises StoreError when the parks cannot
        be read.
        """
        for park in await self.parks.all():
            try:
                supervisor, child = self.find(park.path)
            except BadPath:
                continue
            states = {one.id: one.state for one in supervisor.which_children()}
            if park.until is None or states[child] is not State.PARKED:
                continue
            ends = trio_time(park.until)
            node = self.root.snapshot().find(park.path)
            if (
                node is not None
                and node.until is not None
                and ends is not None
                and ends < node.until
            ):
                supervisor.park(child, park.reason, ends)

    async def _park(self, path: str, reason: str, until: float | None) -> None:
        supervisor, child = self.find(path)
        agent = self.agent_at(path)
        if agent is not None:
            await agent.park(AgentPark(reason, until))
        else:
            await self.parks.keep(ChildPark(path, reason, until))
        supervisor.park(child, reason, trio_time(until))

    async def _act_on_stopped(self, name: str, command: TreeCommand) -> None:
        """Park or unpark an agent that is stopped: it shows when it is started."""
        if command.action == "unpark":
            await self.directory.unpark(name)
        else:
            park = AgentPark(command.reason or OPERATORS_PARK, command.until)
            await self.directory.park(name, park)

    async def _forget_park(self, path: str) -> None:
        agent = self.agent_at(path)
        if agent is not None:
            await self.directory.unpark(agent.name)
        else:
            await self.parks.forget(path)

    def child(self, path: str) -> Child:
        """The child at `path` with all below it, its history and its last failure.

        Raises BadPath when neither the daemon nor a harness has a child there.
        """
        path = self.full_path(path)
        clock = read_clocks()
        node = self.root.snapshot().find(path)
        if node is None:
            return self._look_inside(path)
        seen = tree_with_harnesses(node, clock, self.harness_tree)
        if path == TREE:
            return Child(seen, (), self.incidents.report(path))
        supervisor, child = self.find(path)
        history = tuple(
            Happening(clock.wall(one.at) or 0.0, one.event, one.incarnation, one.text)
            for one in supervisor.history(child)
        )
        return Child(seen, history, self.incidents.report(path))

    def _look_inside(self, path: str) -> Child:
        """A part of a harness, as it reported itself; raises BadPath."""
        nodes = [tree_with_harnesses(self.root.snapshot(), read_clocks(), self.harness_tree)]
        while nodes:
            node = nodes.pop()
            if node.path == path:
                return Child(node, self.incidents.history(path), self.incidents.report(path))
            nodes += node.children
        raise _nothing_at(path)

    def full_path(self, path: str) -> str:
        """The path that is meant: an agent's name stands for its `serve` child."""
        if path in self.directory.known:
            return f"{TREE}/agents/{path}/serve"
        return path.strip("/")

    def find(self, path: str) -> tuple[Supervisor, str]:
        """The supervisor of the child at `path` and the child's id in it.

        Raises BadPath when no child of the daemon is there.
        """
        try:
            return self.root.locate(path)
        except NotFound:
            raise _nothing_at(path) from None

    def agent_at(self, path: str) -> Agent | None:
        """The running agent whose `serve` child is at `path`; None if it is another child."""
        parts = path.split("/")
        if len(parts) == 4 and parts[1] == "agents" and parts[3] == "serve":
            return self.fleet.live.get(parts[2])
        return None

    def _stopped_agent_at(self, path: str) -> str | None:
        """The name of the stopped agent whose `serve` child would be at `path`; else None."""
        for name in self.directory.names() - self.fleet.live.keys():
            if path == self.full_path(name):
                return name
        return None


def table(operated: OperatedTree) -> Table:
    """What the operator may ask about the tree, and do with it."""

    async def child(asked: GetChild) -> Child:
        return operated.child(asked.path)

    return {GetChild: read(child), TreeCommand: act(operated.act, _command)}


def _command(one: TreeCommand) -> Act:
    detail = f"{one.reason or ''} until {one.until}" if one.until else one.reason or ""
    return Act(one.action, one.path, detail)


def _nothing_at(path: str) -> BadPath:
    inside = "/harness" in path
    hint = (
        "it lies in a container: restart its agent instead"
        if inside
        else "paths are as `hive status` shows them, e.g. hive/agents/manager/serve"
    )
    return BadPath(f"no supervised child of the daemon at {path!r}: {hint}")
