"""The state machine of one incarnation of a supervisor: children and their transitions.

Everything here is synchronous, so each transition is atomic under Trio, whoever causes it: a child
(ready, exit), a timer, a caller, the parent. The control loop in loop.py lets it advance.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import trio

from hive.actors.exits import Exit, Park, Shutdown, Stop, fatal_part
from hive.supervisors import events as ev
from hive.supervisors.child import AfterStop, ChildRecord
from hive.supervisors.context import Context
from hive.supervisors.errors import IntensityExceeded, StartFailed
from hive.supervisors.flags import SupervisorFlags
from hive.supervisors.incarnations import Incarnations, Spawn
from hive.supervisors.policy import Action, End, decide, ends_supervisor, restarts_with
from hive.supervisors.sequence import StartQueue, StopBatch
from hive.supervisors.snapshot import State
from hive.supervisors.spec import ChildSpec, Restart, Strategy

WAITS = "waits for its turn"


class Machine:
    """The state of one incarnation of a supervisor; its restart makes a new one.

    `failure` is what it will raise when it has ended, None if it ends as it was told.
    """

    def __init__(
        self, flags: SupervisorFlags, ctx: Context, emit: ev.Sink, specs: Iterable[ChildSpec]
    ) -> None:
        self.flags = flags
        self.path = ctx.path
        self.incarnation = ctx.incarnation
        self.children: dict[str, ChildRecord] = {}
        self.incarnations = Incarnations(emit, self._on_end, self._on_unpark)
        self.since = trio.current_time()
        self.stopping = False
        self.failure: BaseException | None = None
        self._ctx = ctx
        self._up = False
        self._order = 0
        self._window: tuple[float, ...] = ()
        self._batch: StopBatch | None = None
        self._starts = StartQueue(flags.width)
        for spec in specs:
            child = self.record(spec)
            child.retry_start = flags.dynamic or spec.park_on_exhausted
            self._enqueue(child)

    @property
    def state(self) -> State:
        """The state of the supervisor itself, while it is served."""
        if self.stopping:
            return State.STOPPING
        return State.RUNNING if self._up else State.STARTING

    @property
    def _grouped(self) -> bool:
        return self.flags.strategy is not Strategy.ONE_FOR_ONE

    # -- for the control loop ------------------------------------------------------------------

    def begin(self, spawn: Spawn) -> None:
        """Make children possible: `spawn` starts their tasks. A dynamic supervisor is ready now."""
        self.incarnations.spawn = spawn
        if self.flags.dynamic:
            self._ctx.ready()

    def advance(self) -> bool:
        """Stop and start those whose turn it is; returns True when the supervisor has ended."""
        if self._batch is not None:
            passed = self._batch.advance(self._stop_in_turn)
            if passed and self.stopping and self.incarnations.alive > 0:
                self._ctx.stuck()
            if passed and not any(child.alive for child in self._batch.members):
                self._batch = None
        if self.stopping:
            return self.incarnations.alive == 0
        if self._batch is None:
            idle = self._starts.advance(trio.current_time(), self.incarnations.launch)
            if idle and not self._up:
                self._up = True
                self.since = trio.current_time()
                self._ctx.ready()
        return False

    def next_due(self) -> float:
        """Return when the loop must go on even if nothing happens, a time of Trio's clock."""
        due = self.incarnations.timers.next()
        if self._batch is None and not self.stopping and self._starts.due > trio.current_time():
            due = min(due, self._starts.due)
        return due

    def fire_timers(self) -> None:
        """Let all due timers act."""
        now = trio.current_time()
        while (child := self.incarnations.timers.pop_due(now)) is not None:
            self._on_timer(child, now)

    def abandon(self) -> None:
        """Cancel every child at once, out of order."""
        for child in self.children.values():
            if child.scope is not None:
                child.scope.cancel("the supervisor failed")

    # -- for requests, and the parent ----------------------------------------------------------

    def record(self, spec: ChildSpec) -> ChildRecord:
        """Add a child at the end of the order, and do not start it."""
        self._order += 1
        child = ChildRecord(spec, f"{self.path}/{spec.id}", self._order, trio.current_time())
        self.children[spec.id] = child
        return child

    def reorder(self, ids: Sequence[str]) -> None:
        """Give the children a new order; `ids` names each of them once."""
        self.children = {name: self.children[name] for name in ids}
        for position, child in enumerate(self.children.values(), 1):
            child.order = position
        self._order = len(self.children)

    def forget(self, child: ChildRecord) -> None:
        """Remove a child that is not alive."""
        child.removed = True
        child.queued = False
        del self.children[child.spec.id]

    def start(self, child: ChildRecord) -> None:
        """Start a child now, or in its turn: in a group, and while the supervisor itself starts."""
        if self._grouped or not self._up:
            self._enqueue(child)
            self.incarnations.changed.set()
        else:
            self.incarnations.launch(child)

    def start_queued_now(self) -> None:
        """End the common back-off of a group."""
        self._starts.due = -math.inf
        self.incarnations.changed.set()

    def order_end(self, child: ChildRecord, after_stop: AfterStop, detail: str) -> None:
        """End the incarnation of a child if there is one, then do what `after_stop` says."""
        if self.stopping:
            return
        child.after_stop = after_stop
        if child.alive:
            self.incarnations.stop(child, Stop(detail))
        else:
            child.queued = False
            self.incarnations.timers.set(child, math.inf)
            self._follow_order(child, detail)
        self.incarnations.changed.set()

    def unpark(self, child: ChildRecord, by: str) -> None:
        """Start a parked child; `by` is told in the event."""
        self.incarnations.emit(ev.Unparked(child.path, trio.current_time(), by), child)
        self.start(child)

    def hurry(self, grace: float) -> None:
        """Shorten all stops from now on: no drain, at most `grace` seconds for each worker."""
        self.incarnations.hurry(self.children.values(), grace)

    def shut_down(self, detail: str, failure: BaseException | None = None) -> None:
        """Begin the ordered stop of everything; `failure`, if any, is raised at its end."""
        if self.failure is None or fatal_part(failure) is not None:
            self.failure = failure or self.failure
        self.incarnations.changed.set()
        if self.stopping:
            return
        self.stopping = True
        self.since = now = trio.current_time()
        self.incarnations.emit(ev.Stopping(self.path, now, detail))
        for child in self.children.values():
            if child.alive:
                child.after_stop = AfterStop.STOP
                continue
            self.incarnations.timers.set(child, math.inf)
            child.fail_start(StartFailed(child.path, detail=f"its supervisor stops: {detail}"))
            child.give_up_park()
            if child.state is not State.FAILED:
                child.enter(State.STOPPED, now, detail)
        alive = [child for child in self.children.values() if child.alive]
        self._batch = StopBatch(alive, self.flags.width)

    # -- starting and stopping -----------------------------------------------------------------

    def _enqueue(self, child: ChildRecord) -> None:
        child.enter(State.STOPPED, trio.current_time(), WAITS)
        self.incarnations.timers.set(child, math.inf)
        self._starts.add(child)

    def _stop_in_turn(self, child: ChildRecord) -> None:
        why = "its supervisor stops" if self.stopping else "its group restarts"
        self.incarnations.stop(child, Stop(why))

    # -- what happens to children --------------------------------------------------------------

    def _on_timer(self, child: ChildRecord, now: float) -> None:
        match child.state:
            case State.STARTING | State.RUNNING if not self.stopping:
                self.incarnations.check_silence(child, now)
            case State.STOPPING if child.scope is not None and not child.scope.cancel_called:
                self.incarnations.cancel(child)
            case State.STOPPING:
                self.incarnations.mark_overdue(child, now)
            case State.BACKOFF if not child.queued:
                self.incarnations.launch(child)
            case State.PARKED:
                self.unpark(child, "time")

    def _on_end(self, child: ChildRecord, ended: Exit, error: BaseException | None) -> None:
        now = trio.current_time()
        if (fatal := fatal_part(error)) is not None:
            self.shut_down(f"{type(fatal).__name__} in {child.spec.id}", fatal)
        if self.stopping:
            child.enter(State.STOPPED, now, ev.exit_text(ended))
            if self._batch is not None:  # the next in turn need not wait for the control loop
                self._batch.advance(self._stop_in_turn)
            child.fail_start(StartFailed(child.path, ended.error, ended.detail))
        elif child.after_stop is not None:
            self._follow_order(child, ev.exit_text(ended))
        else:
            self._decide(child, ended, now)

    def _on_unpark(self, child: ChildRecord) -> None:
        if child.state is State.PARKED and not self.stopping:
            self.unpark(child, "message")

    def _follow_order(self, child: ChildRecord, why: str) -> None:
        after_stop, child.after_stop, child.stop = child.after_stop, None, None
        now = trio.current_time()
        if after_stop is AfterStop.START:
            child.retry_start = True
            self.start(child)
        elif after_stop is AfterStop.PARK and child.park is not None:
            self._enter_park(child, child.park.reason, child.park.until, now)
        else:
            child.enter(State.STOPPED, now, why)
            child.give_up_park()
            child.fail_start(StartFailed(child.path, detail=why))
            if after_stop is AfterStop.FORGET:
                self.forget(child)

    def _decide(self, child: ChildRecord, ended: Exit, now: float) -> None:
        flags = self.flags
        end = End(ended, now, child.healthy_for(now), child.retry_start)
        decision = decide(
            end, child.spec, child.counts, self._window, flags.intensity, flags.random()
        )
        child.stop = None
        child.counts, self._window = decision.counts, decision.window
        match decision.action:
            case Action.PARK:
                child.retry_start = True
                self._enter_park(child, decision.reason, decision.until, now)
            case Action.RESTART:
                self._restart(child, decision.reason, decision.until or now, now)
            case Action.ESCALATE:
                child.enter(State.FAILED, now, decision.reason)
                failure = IntensityExceeded(
                    self.path, child.spec.id, str(flags.intensity), ended.error, decision.reason
                )
                self.incarnations.emit(ev.Escalated(self.path, now, failure))
                self.shut_down("restart intensity exceeded", failure)
            case Action.FAIL_START:
                self._fail_start(child, ended, now)
            case Action.KEEP | Action.REMOVE:
                child.enter(State.STOPPED, now, decision.reason)
                child.settle(None)
                if decision.action is Action.REMOVE or flags.dynamic:
                    self.forget(child)
                self._end_of_significant(child)

    def _fail_start(self, child: ChildRecord, ended: Exit, now: float) -> None:
        early = "" if ended.error is not None else "it ended before it called ready()"
        failure = StartFailed(child.path, ended.error, ended.detail or early)
        child.enter(State.FAILED, now, str(failure))
        if child.starter is None:
            self.shut_down(f"{child.spec.id} did not start", failure)
        elif child.fresh:
            self.forget(child)
        child.fail_start(failure)

    def _end_of_significant(self, child: ChildRecord) -> None:
        others = sum(
            other.spec.significant and other is not child and not other.ended
            for other in self.children.values()
        )
        if ends_supervisor(self.flags.auto_shutdown, child.spec.significant, others):
            detail = f"significant child {child.spec.id} ended"
            self.shut_down(detail, Shutdown(detail))

    def _enter_park(self, child: ChildRecord, reason: str, until: float | None, now: float) -> None:
        child.enter(State.PARKED, now, reason, until)
        if child.ctx is not None:
            child.ctx.tell_park(Park(reason, until))
        self.incarnations.timers.set(child, math.inf if until is None else until)
        child.settle(None)
        self.incarnations.emit(ev.Parked(child.path, now, reason, until), child)

    def _restart(self, child: ChildRecord, reason: str, due: float, now: float) -> None:
        child.restarts += 1
        child.retry_start = True
        self.incarnations.emit(ev.Restarting(child.path, now, due, child.counts.failures), child)
        if self._grouped:
            self._restart_group(child, due)
        if due > now:
            child.enter(State.BACKOFF, now, reason, due)
            self.incarnations.timers.set(child, due)
        elif not self._grouped:
            self.incarnations.launch(child)

    def _restart_group(self, failed: ChildRecord, due: float) -> None:
        """Take the others along: stop in reverse, wait the one delay, start in order."""
        alive = []
        for child in self.children.values():
            if child.alive and restarts_with(self.flags.strategy, failed.order, child.order):
                alive.append(child)
                if child.after_stop is None:
                    bystander = child.spec.restart is Restart.TEMPORARY
                    child.after_stop = AfterStop.FORGET if bystander else AfterStop.START
                    child.restarts += 1
        self._batch = StopBatch(alive, self.flags.width)
        self._starts.due = due
        self._enqueue(failed)
