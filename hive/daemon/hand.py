"""The operator's hand: parks, unparks, kicks, suspends and resumes any child of the daemon's tree.

`hive/agents/NAME/serve` (or NAME alone) is whether an agent takes work: its park is kept in the
store, so that it outlives the daemon. All other parks last as long as the daemon's tree.
"""

from hive.agents import Agent
from hive.daemon.hive import TREE, Hive
from hive.daemon.status import now, tree
from hive.supervisors import Supervisor
from hive.wire import Child, Happening, TreeCommand

ACTIONS = ("park", "unpark", "kick", "suspend", "resume")
OPERATORS_PARK = "parked by the operator"


class BadPath(ValueError):
    """No supervised child of the daemon lies at that path; the text says what to do."""


async def act(hive: Hive, command: TreeCommand) -> str:
    """Do it and return the full path; raises BadPath, ValueError, SupervisorError, StoreError."""
    path = full_path(hive, command.path)
    supervisor, child = find(hive, path)
    agent = serving(hive, path)
    match command.action:
        case "park":
            reason = command.reason or OPERATORS_PARK
            if agent is not None:
                await agent.park(reason, command.until, agent.failures)
            supervisor.park(child, reason, _trio_time(command.until))
        case "unpark":
            if agent is not None:
                await agent.release_park()
            supervisor.unpark(child)
        case "kick":
            if agent is not None:
                await agent.release_park()
            supervisor.kick(child)
        case "suspend":
            supervisor.suspend(child)
        case "resume":
            supervisor.resume(child)
        case other:
            raise ValueError(f"action {other!r} is unknown: use one of {', '.join(ACTIONS)}")
    return path


def look(hive: Hive, path: str) -> Child:
    """The child with all below it and its history; raises BadPath, NotFound."""
    path = full_path(hive, path)
    clock = now()
    node = hive.root.snapshot().find(path)
    if node is None:
        raise _nothing_at(path)
    seen = tree(node, clock, hive.harness_tree)
    if path == TREE:
        return Child(seen, ())
    supervisor, child = find(hive, path)
    past = tuple(
        Happening(clock.wall(one.at) or 0.0, one.event, one.incarnation, one.text)
        for one in supervisor.history(child)
    )
    return Child(seen, past)


def full_path(hive: Hive, path: str) -> str:
    """An agent's name stands for its `serve` child; everything else is a path as it is."""
    if path in hive.fleet.records:
        return f"{TREE}/agents/{path}/serve"
    return path.strip("/")


def find(hive: Hive, path: str) -> tuple[Supervisor, str]:
    """The supervisor of the child at `path` and the child's id in it."""
    parent, _, child = path.rpartition("/")
    supervisors = {f"{TREE}/agents/{name}": one for name, one in hive.fleet.subtrees.items()}
    supervisors |= {TREE: hive.root, f"{TREE}/agents": hive.fleet.supervisor}
    supervisor = supervisors.get(parent)
    if supervisor is None or child not in {one.id for one in supervisor.which_children()}:
        raise _nothing_at(path)
    return supervisor, child


def serving(hive: Hive, path: str) -> Agent | None:
    """The agent whose taking of work the path stands for."""
    parts = path.split("/")
    if len(parts) == 4 and parts[1] == "agents" and parts[3] == "serve":
        return hive.fleet.live.get(parts[2])
    return None


def _trio_time(epoch: float | None) -> float | None:
    if epoch is None:
        return None
    clock = now()
    return clock.trio + max(0.0, epoch - clock.epoch)


def _nothing_at(path: str) -> BadPath:
    inside = "/harness" in path
    hint = (
        "it lies in a container: restart its agent instead"
        if inside
        else "paths are as `hive status` shows them, e.g. hive/agents/manager/serve"
    )
    return BadPath(f"no supervised child of the daemon at {path!r}: {hint}")
