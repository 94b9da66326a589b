"""A supervisor's record of one child, and how it looks from outside."""

from __future__ import annotations

import math
from enum import Enum, auto

import trio
from attrs import define, field

from hive.actors.exits import Park, Stop
from hive.actors.slot import Slot
from hive.supervisors.context import Context
from hive.supervisors.events import PastEvent
from hive.supervisors.policy import FailureCounts
from hive.supervisors.snapshot import Snapshot, State
from hive.supervisors.spec import ChildSpec


class AfterStop(Enum):
    """What a child becomes when the end that somebody ordered is there."""

    STOP = auto()
    FORGET = auto()
    START = auto()
    PARK = auto()


@define(eq=False)
class ChildRecord:
    """All that a supervisor knows of one child; only its machine changes it.

    `order` is the position in start order, `since` when it entered its state and `timer` when the
    next decision about it is due (Trio's times). `counts` is what counts against it, `history` its
    last events. `ctx` and `scope` are those of the incarnation; `scope` is None when none lives.
    `stop` and `after_stop` are set while an end is ordered. `retry_start`: a failed start is
    retried instead of told to `starter`; `fresh`: a failed start removes it; `queued`: it waits for
    its turn to start. `gone` is set when the incarnation has ended, or is given up as overdue.
    """

    spec: ChildSpec
    path: str
    order: int
    since: float
    state: State = State.STOPPED
    reason: str | None = None
    until: float | None = None
    incarnation: int = 0
    restarts: int = 0
    counts: FailureCounts = field(factory=FailureCounts)
    history: tuple[PastEvent, ...] = ()
    suspended: bool = False
    retry_start: bool = False
    fresh: bool = False
    queued: bool = False
    removed: bool = False
    ctx: Context | None = None
    scope: trio.CancelScope | None = None
    stop: Stop | None = None
    after_stop: AfterStop | None = None
    park: Park | None = None
    starter: Slot[object] | None = None
    timer: float = math.inf
    gone: trio.Event = field(factory=trio.Event)

    @property
    def alive(self) -> bool:
        """Whether an incarnation exists, whatever its state."""
        return self.scope is not None

    @property
    def stoppable(self) -> bool:
        """Whether there is an incarnation whose end is worth waiting for."""
        return self.scope is not None and self.state is not State.OVERDUE

    @property
    def ended(self) -> bool:
        """Whether nothing runs, and nothing will start it by itself."""
        return not self.alive and not self.queued and self.state in (State.STOPPED, State.FAILED)

    def enter(
        self, state: State, now: float, reason: str | None = None, until: float | None = None
    ) -> None:
        """Change the state that others see."""
        self.state, self.since, self.reason, self.until = state, now, reason, until

    def give_up_park(self) -> None:
        """Tell the child's host that no incarnation follows the last one."""
        if self.ctx is not None:
            self.ctx.tell_park(None)

    def settle(self, value: object) -> None:
        """Tell whoever asked for this start that it went well."""
        if self.starter is not None:
            self.starter.settle(value)
            self.starter = None

    def fail_start(self, error: BaseException) -> None:
        """Tell whoever asked for this start that it failed."""
        if self.starter is not None:
            self.starter.fail(error)
            self.starter = None

    def healthy_for(self, now: float) -> float | None:
        """Return the seconds since the last incarnation said ready; None if it never did."""
        if self.ctx is None or self.ctx.ready_at is None:
            return None
        return now - self.ctx.ready_at

    def snapshot(self) -> Snapshot:
        """Return how the child looks now, with all below it."""
        spec, ctx = self.spec, self.ctx
        return Snapshot(
            self.path,
            spec.id,
            spec.kind,
            self.state,
            self.reason,
            self.until,
            self.since,
            self.restarts,
            None if ctx is None else ctx.last_tick,
            None if ctx is None else ctx.note_text,
            self.incarnation,
            () if spec.children is None else spec.children(),
            self.suspended,
            self.history,
        )
