"""What supervisors do, and how their tree looks, as the wire has it: of daemon and harness."""

import logging
import time
from collections.abc import Callable

import trio
from attrs import frozen

from hive.supervisors import Event, Form, Snapshot, report
from hive.wire.states import AgentState
from hive.wire.tree import Supervision, TreeNode


@frozen
class ClockReading:
    """Trio's clock and the wall clock at one moment: what makes wall time of Trio's times."""

    trio: float
    epoch: float

    def wall(self, when: float | None) -> float | None:
        """A Trio time as epoch seconds; None stays None."""
        return None if when is None else self.epoch + (when - self.trio)

    def age(self, when: float | None) -> float | None:
        """Seconds since a Trio time, never below 0; None stays None."""
        return None if when is None else max(0.0, self.trio - when)


def read_clocks() -> ClockReading:
    """Both clocks now; must be called in Trio."""
    return ClockReading(trio.current_time(), time.time())


def tree_node(
    snapshot: Snapshot,
    clock: ClockReading,
    more: Callable[[Snapshot], tuple[TreeNode, ...]] = lambda _: (),
) -> TreeNode:
    """The snapshot and all below it; `more(child)` gives nodes to show behind a child's own."""
    return TreeNode(
        path=snapshot.path,
        kind=snapshot.kind,
        state=AgentState(snapshot.state.value),
        since=clock.wall(snapshot.since) or 0.0,
        reason=snapshot.reason or snapshot.note,
        until=clock.wall(snapshot.until),
        restarts=snapshot.restarts,
        last_tick_age_s=clock.age(snapshot.last_tick),
        children=(
            *(tree_node(child, clock, more) for child in snapshot.children),
            *more(snapshot),
        ),
    )


def supervision(event: Event, redact: Callable[[str], str]) -> Supervision:
    """A supervisor's event without secrets, with its full report if it is an error."""
    full = report(event, Form(redact=redact)) if event.severity >= logging.ERROR else ""
    return Supervision(event.path, type(event).__name__.lower(), redact(event.line()), full)
