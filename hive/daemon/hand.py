"""The operator's hand: parks, unparks, kicks, suspends and resumes children of the daemon's tree.

`hive/agents/NAME/serve` (or NAME alone) is whether an agent takes work. Parks are kept in the
store and outlive the daemon. What the hive cannot work without can be kicked, but not halted.
"""

from hive.agents import Agent
from hive.alarm import trio_time
from hive.daemon.hive import TREE, Hive
from hive.daemon.parks import Kept
from hive.daemon.status import now, tree
from hive.directory import AgentPark
from hive.supervisors import NotFound, State, Supervisor
from hive.wire import Child, Happening, TreeCommand

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


async def act(hive: Hive, command: TreeCommand) -> None:
    """Do it; raises BadPath, ValueError, SupervisorError, StoreError."""
    path = full_path(hive, command.path)
    if command.action in ("park", "unpark") and (name := _stopped(hive, path)) is not None:
        await _act_on_stopped(hive, name, command)
        return
    supervisor, child = find(hive, path)
    if command.action in ("park", "suspend") and path in ESSENTIAL:
        raise ValueError(f"the hive cannot work without {path}: only kick it, or use `hive down`")
    match command.action:
        case "park":
            await _park(hive, path, command.reason or OPERATORS_PARK, command.until)
        case "unpark":
            await _forget(hive, path)
            supervisor.unpark(child)
        case "kick":
            await _forget(hive, path)
            supervisor.kick(child)
        case "suspend":
            if serving(hive, path) is None:
                raise ValueError(
                    f"{path} has no point at which it could halt; suspend an agent (its NAME), "
                    "or park this child"
                )
            supervisor.suspend(child)
        case "resume":
            supervisor.resume(child)
        case other:
            raise ValueError(f"action {other!r} is unknown: use one of {', '.join(ACTIONS)}")


async def restore_parks(hive: Hive) -> None:
    """Park again what the operator had parked when the last daemon ended."""
    for kept in await hive.parks.all():
        try:
            find(hive, kept.path)
        except BadPath:
            await hive.parks.forget(kept.path)
            continue
        if kept.until is not None and kept.until <= now().epoch:
            await hive.parks.forget(kept.path)
        else:
            await _park(hive, kept.path, kept.reason, kept.until)


async def renew_parks(hive: Hive) -> None:
    """Let parks end by the wall clock: the one that they wait by does not run while all sleeps.

    A wall clock that was set back makes none longer.
    """
    for kept in await hive.parks.all():
        try:
            supervisor, child = find(hive, kept.path)
        except BadPath:
            continue
        states = {one.id: one.state for one in supervisor.which_children()}
        if kept.until is None or states[child] is not State.PARKED:
            continue
        ends = trio_time(kept.until)
        node = hive.root.snapshot().find(kept.path)
        if node is not None and node.until is not None and ends is not None and ends < node.until:
            supervisor.park(child, kept.reason, ends)


async def _park(hive: Hive, path: str, reason: str, until: float | None) -> None:
    supervisor, child = find(hive, path)
    agent = serving(hive, path)
    if agent is not None:
        await agent.park(AgentPark(reason, until))
    else:
        await hive.parks.keep(Kept(path, reason, until))
    supervisor.park(child, reason, trio_time(until))


async def _act_on_stopped(hive: Hive, name: str, command: TreeCommand) -> None:
    """Park or unpark an agent that is stopped: it shows when it is started."""
    records = hive.fleet.around.records
    if command.action == "unpark":
        await records.unpark(name)
    else:
        await records.park(name, AgentPark(command.reason or OPERATORS_PARK, command.until))


async def _forget(hive: Hive, path: str) -> None:
    agent = serving(hive, path)
    if agent is not None:
        await hive.fleet.around.records.unpark(agent.name)
    else:
        await hive.parks.forget(path)


def look(hive: Hive, path: str) -> Child:
    """The child with all below it and its history; raises BadPath, NotFound."""
    path = full_path(hive, path)
    clock = now()
    node = hive.root.snapshot().find(path)
    if node is None:
        return _look_inside(hive, path)
    seen = tree(node, clock, hive.harness_tree)
    if path == TREE:
        return Child(seen, (), hive.incidents.report(path))
    supervisor, child = find(hive, path)
    past = tuple(
        Happening(clock.wall(one.at) or 0.0, one.event, one.incarnation, one.text)
        for one in supervisor.history(child)
    )
    return Child(seen, past, hive.incidents.report(path))


def _look_inside(hive: Hive, path: str) -> Child:
    """A part of a harness, as it reported itself; raises BadPath."""
    nodes = [tree(hive.root.snapshot(), now(), hive.harness_tree)]
    while nodes:
        node = nodes.pop()
        if node.path == path:
            return Child(node, hive.incidents.history(path), hive.incidents.report(path))
        nodes += node.children
    raise _nothing_at(path)


def full_path(hive: Hive, path: str) -> str:
    """An agent's name stands for its `serve` child; everything else is a path as it is."""
    if path in hive.fleet.records:
        return f"{TREE}/agents/{path}/serve"
    return path.strip("/")


def find(hive: Hive, path: str) -> tuple[Supervisor, str]:
    """The supervisor of the child at `path` and the child's id in it; raises BadPath."""
    try:
        return hive.root.locate(path)
    except NotFound:
        raise _nothing_at(path) from None


def serving(hive: Hive, path: str) -> Agent | None:
    """The agent whose taking of work the path stands for."""
    parts = path.split("/")
    if len(parts) == 4 and parts[1] == "agents" and parts[3] == "serve":
        return hive.fleet.live.get(parts[2])
    return None


def _stopped(hive: Hive, path: str) -> str | None:
    """The agent whose taking of work the path stands for, if it is stopped."""
    for name in hive.fleet.names() - hive.fleet.live.keys():
        if path == full_path(hive, name):
            return name
    return None


def _nothing_at(path: str) -> BadPath:
    inside = "/harness" in path
    hint = (
        "it lies in a container: restart its agent instead"
        if inside
        else "paths are as `hive status` shows them, e.g. hive/agents/manager/serve"
    )
    return BadPath(f"no supervised child of the daemon at {path!r}: {hint}")
