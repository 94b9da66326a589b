"""Incarnations: how one starts, becomes ready, falls silent, is stopped, and ends.

Knows nothing of restarts and siblings; the machine decides what follows an end.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial

import trio

from hive.actors.exits import Exit, Park, Stop, classify
from hive.supervisors import events as ev
from hive.supervisors.child import AfterStop, ChildRecord
from hive.supervisors.context import Context
from hive.supervisors.events import remember
from hive.supervisors.sequence import ChildTimers
from hive.supervisors.snapshot import State
from hive.supervisors.spec import OnSilence

LOOP_BLOCKED = 1.0  # a timer as late as this tells that the loop stood still, or the clock jumped
BRUTAL_GRACE = 0.1  # even a task that obeys at once needs some scheduler passes to end

Spawn = Callable[
    [ChildRecord, Context, trio.CancelScope, Callable[[BaseException | None], None]], None
]


class Incarnations:
    """The living children of one supervisor.

    `spawn` makes their tasks. `on_end` is called at each end, `on_unpark` when a child itself asks
    to end its park. `changed` is set by each transition, for the control loop.
    """

    def __init__(
        self,
        sink: ev.Sink,
        on_end: Callable[[ChildRecord, Exit, BaseException | None], None],
        on_unpark: Callable[[ChildRecord], None],
    ) -> None:
        self.changed = trio.Event()
        self.timers = ChildTimers()
        self.alive = 0
        self.spawn: Spawn
        self._sink = sink
        self._on_end = on_end
        self._on_unpark = on_unpark
        self._outbox: deque[ev.Event] = deque()
        self._grace_cap = math.inf

    def emit(self, event: ev.Event, child: ChildRecord | None = None) -> None:
        """Keep an event until deliver_events(), and in the history of its child."""
        self._outbox.append(event)
        if child is not None:
            child.history = remember(child.history, event, child.incarnation)
        self.changed.set()

    def deliver_events(self) -> None:
        """Hand the events of earlier transitions to the sink, in order.

        Not to be called inside of a transition: a sink sees a consistent tree, and may act on it.
        """
        while self._outbox:
            self._sink(self._outbox.popleft())

    def launch(self, child: ChildRecord) -> None:
        """Begin the next incarnation of a child."""
        child.queued = False
        child.stop = child.after_stop = None
        child.incarnation += 1
        child.gone = trio.Event()
        child.ctx = ctx = Context(
            child.path,
            child.incarnation,
            init_timeout=child.spec.init_timeout,
            watchdog=child.spec.watchdog,
            on_ready=partial(self._on_ready, child, child.incarnation),
            on_event=self._sink,
            on_stuck=partial(self._on_stuck, child),
            on_unpark=partial(self._on_unpark, child),
        )
        if child.suspended:
            ctx.suspend()
        child.scope = trio.CancelScope(shield=True)
        child.enter(State.STARTING, trio.current_time())
        self.timers.set(child, ctx.silent_until)
        self.alive += 1
        self.spawn(child, ctx, child.scope, partial(self._on_exit, child))

    def stop(self, child: ChildRecord, stop: Stop) -> None:
        """Begin the stop of an incarnation: drain, then cancel. The first reason counts."""
        if child.stop is not None or child.ctx is None:
            return
        was_ready = child.state is State.RUNNING
        now = trio.current_time()
        child.stop = stop
        child.enter(State.STOPPING, now, stop.detail)
        child.ctx.request_stop()
        # A child that hangs will not drain either.
        if child.spec.drain > 0 and was_ready and not stop.failure and self._grace_cap == math.inf:
            self.timers.set(child, now + child.spec.drain)
        else:
            self.cancel(child)

    def cancel(self, child: ChildRecord) -> None:
        """End the drain and cancel the incarnation; its grace begins."""
        if child.scope is None or child.stop is None:
            return
        grace = child.spec.grace or BRUTAL_GRACE
        if child.spec.kind == "worker":  # a supervisor ends by itself, or says that it is stuck
            grace = min(grace, self._grace_cap)
        due = trio.current_time() + grace
        if child.scope.cancel_called:
            due = min(due, child.timer)
        child.scope.cancel(child.stop.detail)
        self.timers.set(child, due)

    def hurry(self, children: Iterable[ChildRecord], grace: float) -> None:
        """Shorten all stops from now on: no drain, at most `grace` seconds for each worker."""
        self._grace_cap = min(self._grace_cap, grace)
        for child in children:
            if child.state is State.STOPPING:
                self.cancel(child)
            if child.spec.hurry is not None and child.alive:
                child.spec.hurry(grace)
        self.changed.set()

    def check_silence(self, child: ChildRecord, now: float) -> None:
        """Act on a child that was silent for too long, as its spec says."""
        ctx = child.ctx
        if ctx is None:
            return
        late = now - ctx.silent_until
        if late < 0 or (late > LOOP_BLOCKED and ctx.renew_once()):
            self.timers.set(child, ctx.silent_until)
        elif child.suspended:
            ctx.extend(ctx.allowed_silence)
            self.timers.set(child, ctx.silent_until)
        elif child.state is State.STARTING:
            self.stop(child, Stop(f"not ready after {child.spec.init_timeout:g} s", failure=True))
        elif child.spec.on_silence is OnSilence.REPORT:
            heard = child.since if ctx.last_tick is None else max(child.since, ctx.last_tick)
            self.emit(ev.Silent(child.path, now, now - heard), child)
            ctx.extend(ctx.allowed_silence)
            self.timers.set(child, ctx.silent_until)
        else:
            why = f"watchdog: no tick for {child.spec.watchdog} s"
            if child.spec.on_silence is OnSilence.PARK:
                child.park, child.after_stop = Park(why), AfterStop.PARK
            self.stop(child, Stop(why, failure=True))

    def mark_overdue(self, child: ChildRecord, now: float) -> None:
        """Give up waiting for the end of a child."""
        waited = now - child.since
        child.enter(State.OVERDUE, now, "does not end; no new start until it does")
        self.timers.set(child, math.inf)
        child.gone.set()
        self.emit(ev.Overdue(child.path, now, waited), child)

    def _on_stuck(self, child: ChildRecord) -> None:
        if child.state is State.STOPPING:
            self.mark_overdue(child, trio.current_time())

    def _on_ready(self, child: ChildRecord, incarnation: int, value: object) -> None:
        if child.state is not State.STARTING or child.incarnation != incarnation:
            return
        now = trio.current_time()
        child.enter(State.RUNNING, now)
        child.retry_start = True
        child.fresh = False
        if child.ctx is not None:
            self.timers.set(child, child.ctx.silent_until)
        self.emit(ev.Started(child.path, now, incarnation), child)
        child.settle(value)
        self.changed.set()

    def _on_exit(self, child: ChildRecord, error: BaseException | None) -> None:
        now = trio.current_time()
        ended = classify(error, child.stop)
        ctx = child.ctx
        # First what the stop of the supervisor relies on: below, the code of others runs.
        child.scope = None
        child.gone.set()
        self.alive -= 1
        self.timers.set(child, math.inf)
        messages = () if ctx is None else ctx.last_messages(wanted=not ended.clean)
        lived = 0.0 if ctx is None else now - ctx.began_at
        exited = ev.Exited(child.path, now, child.incarnation, ended, lived, messages)
        self.emit(exited, child)
        self._on_end(child, ended, error)
        if ctx is not None:
            parked = child.state is State.PARKED
            ctx.tell_end(ended, Park(child.reason or "", child.until) if parked else None)
        self.changed.set()
