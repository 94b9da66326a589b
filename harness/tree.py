"""The harness's own tree as the wire shows it: Trio's times to wall time."""

import time

import trio

from hive.supervisors import Snapshot
from hive.wire import AgentState, TreeNode


def tree_node(snapshot: Snapshot) -> TreeNode:
    """`snapshot` and all below it; call it from within the run that took the snapshot."""
    now = trio.current_time()
    return _node(snapshot, now, time.time() - now)


def _node(snapshot: Snapshot, now: float, offset: float) -> TreeNode:
    tick = snapshot.last_tick
    return TreeNode(
        path=snapshot.path,
        kind=snapshot.kind,
        state=AgentState(snapshot.state.value),
        since=snapshot.since + offset,
        reason=snapshot.reason or snapshot.note,
        until=None if snapshot.until is None else snapshot.until + offset,
        restarts=snapshot.restarts,
        last_tick_age_s=None if tick is None else max(0.0, now - tick),
        children=tuple(_node(child, now, offset) for child in snapshot.children),
    )
