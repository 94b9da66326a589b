"""The daemon's tree joined with that of each harness, and the status of each agent. Pure.

Times in a snapshot are Trio's; on the wire they are epoch seconds.
"""

from collections.abc import Callable, Iterator

from attrs import evolve

from hive.agents import REMINDERS, Agent
from hive.broker import Counts
from hive.directory import AgentRecord
from hive.supervision import ClockReading, tree_node
from hive.supervisors import Snapshot, State
from hive.wire.agents import AgentStatus
from hive.wire.states import AgentState, Condition
from hive.wire.tree import TreeNode


def tree_with_harnesses(
    snapshot: Snapshot, clock: ClockReading, harness: Callable[[str], TreeNode | None]
) -> TreeNode:
    """The daemon's tree, with that of each harness below its agent as the child `harness`.

    `harness` gives for an agent's name the tree that its harness has reported, None if there is
    none.
    """

    def reported(child: Snapshot) -> tuple[TreeNode, ...]:
        parent, _, name = child.path.rpartition("/")
        node = harness(name) if parent.endswith("/agents") else None
        return () if node is None else (_under(f"{child.path}/harness", node),)

    return tree_node(snapshot, clock, reported)


def _under(path: str, node: TreeNode) -> TreeNode:
    children = tuple(
        _under(f"{path}/{child.path.rpartition('/')[2]}", child) for child in node.children
    )
    return evolve(node, path=path, children=children)


def agent_status(
    record: AgentRecord,
    agent: Agent | None,
    node: Snapshot | None,
    counts: Counts,
    clock: ClockReading,
) -> AgentStatus:
    """What is shown of one agent: its state is the first thing that keeps it from working.

    `agent` and `node` are None when it is stopped.
    """
    status = AgentStatus(
        name=record.name,
        state=AgentState.STOPPED,
        since=clock.epoch,
        queued=counts.queued,
        leased=counts.leased,
        model=record.model,
        may_send=record.may_send,
        driver=record.driver,
        credential=record.credential,
        held=counts.held,
        says=record.status_line,
    )
    if node is None or agent is None:
        return status
    cause = _first_not_running(node)
    state, reason = AgentState(cause.state.value), cause.reason
    if cause is not node and state is AgentState.STOPPED:
        state, reason = AgentState.STARTING, None  # a part that waits for its turn to start
    elif cause is node and state is AgentState.RUNNING:
        reason = _container_note(node)
        if agent.peer is None:
            state, reason = AgentState.STARTING, reason or "waits for its harness to connect"
    wait, until = agent.why_waiting, clock.wall(cause.until)
    if wait is not None and state in (AgentState.RUNNING, AgentState.STARTING, AgentState.PARKED):
        state, reason, until = AgentState.PARKED, wait.reason, wait.until
    report = agent.report if agent.peer is not None else None
    return evolve(
        status,
        state=state,
        since=clock.wall(cause.since) or clock.epoch,
        reason=reason,
        until=until,
        condition=Condition.ONLINE if wait is None else wait.condition,
        turn=agent.lease,
        model=(report.model if report else None) or record.model,
        session=report.session if report else None,
        last_tick_age_s=clock.age(_oldest_tick(node)),
        # A part that fails takes along those behind it: the one with the most counts them all.
        restarts=max((part.restarts for part in _needed(node)), default=0) + node.restarts,
        connected=agent.peer is not None,
    )


def _first_not_running(node: Snapshot) -> Snapshot:
    """The first part of the agent that does not run; its own node when it is that, or all run."""
    if node.state is not State.RUNNING:
        return node
    return next((child for child in _needed(node) if child.state is not State.RUNNING), node)


def _container_note(node: Snapshot) -> str | None:
    """What the container child notes about a harness that is silent; None if it is not."""
    return next((child.note for child in node.children if child.id == "container"), None)


def _oldest_tick(node: Snapshot) -> float | None:
    ticks = [child.last_tick for child in _needed(node) if child.last_tick is not None]
    return min(ticks, default=None)


def _needed(node: Snapshot) -> Iterator[Snapshot]:
    """The parts that an agent cannot work without."""
    return (child for child in node.children if child.id != REMINDERS)
