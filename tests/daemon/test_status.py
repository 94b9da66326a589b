"""The state of an agent is the first thing that keeps it from working."""

import pytest
from attrs import evolve

from hive.broker import Counts
from hive.directory import AgentRecord
from hive.gate import Hold
from hive.operator.status import agent_status, tree_with_harnesses
from hive.supervision import ClockReading
from hive.supervisors import Snapshot, State
from hive.wire.states import AgentState, Condition
from hive.wire.tree import TreeNode

CLOCK = ClockReading(trio=100.0, epoch=1_000_100.0)
RECORD = AgentRecord("scout", "bubblewrap")


def node(path: str, state: State = State.RUNNING, *children: Snapshot, **more: object) -> Snapshot:
    kind = "supervisor" if children else "worker"
    return (
        Snapshot(
            path, path.rpartition("/")[2], kind, state, None, None, 90.0, 0, 99.0, None, 1, children
        )
        if not more
        else evolve(node(path, state, *children), **more)
    )


def agent_node(**states: State) -> Snapshot:
    parts = ("socket", "container", "serve")
    children = [node(f"hive/agents/scout/{p}", states.get(p, State.RUNNING)) for p in parts]
    return node("hive/agents/scout", State.RUNNING, *children)


class Connected:
    """As much of an agent as the status looks at."""

    peer, report, lease, why_waiting = object(), None, "turn-1", None


class Alone(Connected):
    peer = lease = None


@pytest.mark.parametrize(
    ("snapshot", "agent", "state"),
    [
        (None, None, AgentState.STOPPED),
        (agent_node(), Connected, AgentState.RUNNING),
        (agent_node(), Alone, AgentState.STARTING),
        (agent_node(serve=State.PARKED), Connected, AgentState.PARKED),
        (agent_node(container=State.BACKOFF, serve=State.STOPPED), Alone, AgentState.BACKOFF),
        (agent_node(serve=State.STOPPED), Alone, AgentState.STARTING),
        (evolve(agent_node(), state=State.STOPPING), Connected, AgentState.STOPPING),
    ],
)
def test_state(snapshot: Snapshot | None, agent: object, state: AgentState) -> None:
    status = agent_status(RECORD, agent, snapshot, Counts(queued=2), CLOCK)  # type: ignore[arg-type]
    assert status.state is state
    assert status.queued == 2


@pytest.mark.parametrize(
    ("agent", "note", "state", "reason"),
    [
        (Alone, None, AgentState.STARTING, "waits for its harness to connect"),
        (Alone, "has not answered", AgentState.STARTING, "has not answered"),
        (Connected, "has not answered", AgentState.RUNNING, "has not answered"),
        (Connected, None, AgentState.RUNNING, None),
    ],
)
def test_a_harness_that_is_silent_is_told_of(
    agent: object, note: str | None, state: AgentState, reason: str | None
) -> None:
    snapshot = agent_node()
    children = tuple(
        evolve(child, note=note) if child.id == "container" else child
        for child in snapshot.children
    )
    snapshot = evolve(snapshot, children=children)
    status = agent_status(RECORD, agent, snapshot, Counts(), CLOCK)  # type: ignore[arg-type]
    assert (status.state, status.reason) == (state, reason)


def test_an_agent_that_a_gate_holds_is_parked_with_its_reason() -> None:
    class Held(Connected):
        why_waiting = Hold(Condition.RATE_LIMITED, "usage limit", 1_000_200.0)

    limits = Counts(queued=2, held=1)
    status = agent_status(RECORD, Held, agent_node(), limits, CLOCK)  # type: ignore[arg-type]
    assert (status.state, status.condition) == (AgentState.PARKED, Condition.RATE_LIMITED)
    assert (status.reason, status.until, status.held) == ("usage limit", 1_000_200.0, 1)
    down = agent_node(container=State.BACKOFF)
    status = agent_status(RECORD, Held, down, limits, CLOCK)  # type: ignore[arg-type]
    assert (status.state, status.condition) == (AgentState.BACKOFF, Condition.RATE_LIMITED)


def test_a_failure_that_took_parts_along_is_one_restart() -> None:
    once = agent_node()
    parts = [
        evolve(child, restarts=1) if child.id != "socket" else child for child in once.children
    ]
    own = evolve(node("hive/agents/scout/reminders"), restarts=7)
    snapshot = evolve(once, children=(*parts, own))
    status = agent_status(RECORD, Connected, snapshot, Counts(), CLOCK)  # type: ignore[arg-type]
    assert status.restarts == 1


def test_the_harness_reports_into_the_tree_and_times_become_wall_time() -> None:
    reported = TreeNode(
        "harness", "supervisor", AgentState.RUNNING, 1.0,
        children=(TreeNode("harness/serve", "worker", AgentState.RUNNING, 1.0),),
    )  # fmt: skip
    whole = node("hive", State.RUNNING, node("hive/agents", State.RUNNING, agent_node()))
    seen = tree_with_harnesses(whole, CLOCK, lambda name: reported if name == "scout" else None)
    scout = seen.children[0].children[0]
    assert scout.children[-1].path == "hive/agents/scout/harness"
    assert scout.children[-1].children[0].path == "hive/agents/scout/harness/serve"
    assert scout.since == 1_000_090.0
    assert scout.last_tick_age_s == 1.0
