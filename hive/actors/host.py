"""The host of an actor: runs its incarnations, one after the other, as the child of a supervisor.

Here is also the message loop: system messages first, one handler at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Protocol

import trio

from hive.actors.actor import DEFERRED, Actor
from hive.actors.cell import ActorCell, never
from hive.actors.envelopes import (
    ActorMailbox,
    Call,
    Cast,
    Info,
    Inspect,
    Replace,
    StopOrder,
    Suspend,
    Tick,
)
from hive.actors.exits import Exit, ExitKind, Park, Shutdown, classify
from hive.actors.incarnation import Incarnation
from hive.actors.mailbox import YIELD_EVERY, Full
from hive.actors.probe import Trace, change_state, status_of
from hive.actors.ref import ActorRef


class ChildListener(Protocol):
    """What a supervisor calls to tell a child what happens to it. None of it blocks or raises."""

    def stop(self) -> None:
        """Told that the incarnation shall end."""

    def end(self, how: Exit, park: Park | None) -> None:
        """Told that it has ended, once it is decided what follows; `park` unless None."""

    def park(self, park: Park | None) -> None:
        """Told, after its end, that it is parked (again); None: no incarnation follows."""


class Parent(Protocol):
    """What an actor needs of its supervisor; hive.supervisors.Context is one."""

    incarnation: int

    @property
    def stop_requested(self) -> trio.Event:
        """The event that is set when the incarnation shall end."""

    def ready(self, value: object = None) -> None:
        """Say that init() is over."""

    def tick(self) -> None:
        """Say that the actor handles messages, for the watchdog."""

    def on_report(self, messages: Callable[[], Iterable[object]]) -> None:
        """Offer the last messages, for the report of a crash."""

    def on_suspend(self, halt: Callable[[bool], None]) -> None:
        """Offer to halt (`halt(True)`) and to go on (`halt(False)`) when the operator says so."""

    def attach(self, listener: ChildListener) -> bool:
        """Ask for calls of the listener; returns False if this parent makes none.

        Then the child has to wait for `stop_requested` itself.
        """

    def unpark(self) -> None:
        """End the park that followed this incarnation, if it still lasts."""


class ActorHost:
    """Runs an actor as a child: `ChildSpec("counter", ActorHost(Counter, name="counter").run)`.

    Send to `ref`, which stays the same over all incarnations. Make one host for each actor.

    * `factory` makes the actor of each incarnation.
    * `capacity` (messages) and `full` are those of the mailbox.
    * `tick_every` (seconds) lets the actor tick its supervisor's watchdog from its message loop, so
      that a handler that hangs is noticed; None: it does not tick.
    * `terminate_within` is the deadline for terminate(), in seconds.
    * `unparked_by` says of a message whether it ends a park; it must be quick.
    * `trace` is how many of the last messages a probe or a crash report sees; 0: none.
    """

    def __init__(
        self,
        factory: Callable[[], Actor],
        *,
        name: str,
        capacity: int = 256,
        full: Full = Full.WAIT,
        tick_every: float | None = None,
        terminate_within: float = 2.0,
        unparked_by: Callable[[object], bool] = never,
        trace: int = 32,
    ) -> None:
        self._cell = ActorCell(name, lambda: ActorMailbox(name, capacity, full), unparked_by)
        self.ref = ActorRef(name, self._cell)
        self._factory = factory
        self._tick_every = tick_every
        self._terminate_within = terminate_within
        self._trace = trace

    async def run(self, parent: Parent) -> None:
        """Run one incarnation: the `start` of a ChildSpec. It is ready when init() is done.

        Raises what ended it: Shutdown after a stop, Park, or the exception of a handler; and
        RuntimeError if an incarnation of this host runs already.
        """
        raise Shutdown(await self.run_incarnation(parent))

    async def run_incarnation(self, parent: Parent) -> str:
        """Run one incarnation as run() does, but return the reason of a stop."""
        cell = self._cell
        try:
            actor = self._factory()
        except BaseException:
            cell.give_up()
            raise
        task = trio.lowlevel.current_task()
        incarnation = Incarnation(cell.name, parent.incarnation, cell.next_mailbox(), task)
        cell.enter(incarnation)
        listener = IncarnationListener(cell, incarnation, parent)
        attached = parent.attach(listener)
        parent.on_suspend(listener.suspend)
        try:
            if attached and not actor.with_helpers:
                actor.bind(self.ref, incarnation, None)
                return await self._work(actor, incarnation, parent)
            async with trio.open_nursery() as nursery:
                actor.bind(self.ref, incarnation, nursery)
                if not attached:
                    nursery.start_soon(_watch, parent, listener)
                detail = await self._work(actor, incarnation, parent)
                nursery.cancel_scope.cancel("the actor was told to stop")
            how = Exit(ExitKind.SHUTDOWN, detail)
            return detail
        except BaseException as caught:
            how = judge(caught)
            raise
        finally:
            if not attached:
                listener.end(how, None)

    async def _work(self, actor: Actor, incarnation: Incarnation, parent: Parent) -> str:
        await actor.init()
        parent.ready(self.ref)
        if self._tick_every is not None:
            parent.tick()
            incarnation.timers.start(Tick(), self._tick_every, repeat=True)
        trace = Trace(self._trace)
        parent.on_report(lambda: trace.lines(actor.describe))
        loop = MessageLoop(actor, incarnation, trace, parent.tick)
        if type(actor).terminate is Actor.terminate:
            return await loop.run()
        try:
            detail = await loop.run()
            how = Exit(ExitKind.SHUTDOWN, detail)
            return detail
        except BaseException as caught:
            how = judge(caught)
            raise
        finally:
            with trio.move_on_after(self._terminate_within, shield=True):
                await actor.terminate(how)


class MessageLoop:
    """The message loop of one incarnation: system messages first, one handler at a time."""

    __slots__ = ("_actor", "_incarnation", "_suspended", "_tick", "_trace")

    def __init__(
        self, actor: Actor, incarnation: Incarnation, trace: Trace, tick: Callable[[], None]
    ) -> None:
        self._actor = actor
        self._incarnation = incarnation
        self._trace = trace
        self._tick = tick
        self._suspended = False

    async def run(self) -> str:
        """Handle messages until a StopOrder comes; returns its reason.

        Raises what a handler raises.
        """
        actor, incarnation, trace = self._actor, self._incarnation, self._trace
        box, timers = incarnation.box, incarnation.timers
        now = box.now
        streak = 0
        while True:
            if timers.next != math.inf:
                for due in timers.pop_due(now()):
                    box.put_system(due)
            envelope = box.take(system_only=self._suspended)
            if envelope is None:
                streak = 0
                if timers.next == math.inf:
                    await box.wait()
                else:
                    with trio.CancelScope(deadline=timers.next):
                        await box.wait()
                continue
            streak += 1
            if streak >= YIELD_EVERY:
                streak = 0
                await trio.lowlevel.checkpoint()
            trace.add(now(), envelope)
            if isinstance(envelope, Call):
                incarnation.current = envelope
                answer = await actor.handle_call(envelope.message, envelope)
                if answer is not DEFERRED:
                    envelope.settle(answer)
            elif isinstance(envelope, Cast):
                incarnation.current = envelope
                await actor.handle_cast(envelope.message)
            elif isinstance(envelope, StopOrder):
                return str(envelope.message)
            else:
                incarnation.current = None
                await self._handle_system(envelope)

    async def _handle_system(self, envelope: Info | Tick | Inspect | Suspend | Replace) -> None:
        match envelope:
            case Info():
                await self._actor.handle_info(envelope.message)
            case Tick():
                self._tick()
            case Inspect():
                status = status_of(self._actor, self._incarnation, self._trace, self._suspended)
                envelope.settle(status)
            case Suspend():
                self._suspended = bool(envelope.message)
                envelope.settle(None)
            case Replace():
                change_state(self._actor, envelope)


class IncarnationListener:
    """Turns what the supervisor says into messages for the actor and changes of its cell."""

    __slots__ = ("_cell", "_incarnation", "_parent")

    def __init__(self, cell: ActorCell, incarnation: Incarnation, parent: Parent) -> None:
        self._cell = cell
        self._incarnation = incarnation
        self._parent = parent

    def stop(self) -> None:
        """Let the actor end after the handler that runs."""
        if not self._incarnation.ended.settled:
            self._incarnation.box.put_system(StopOrder("asked to stop", self._incarnation.box))

    def suspend(self, halt: bool) -> None:
        """Let the actor handle system messages only (True), or all messages again (False)."""
        if not self._incarnation.ended.settled:
            self._incarnation.box.put_system(Suspend(halt, self._incarnation.box))

    def end(self, how: Exit, park: Park | None) -> None:
        """Vacate the cell, or keep the mailbox in it for the next incarnation."""
        if not self._incarnation.ended.settled:
            self._cell.leave(self._incarnation, how, park, self._parent.unpark)

    def park(self, park: Park | None) -> None:
        """Replace the park, or, with None, vacate the cell."""
        if not self._incarnation.ended.settled:
            return
        if park is None:
            self._cell.give_up()
        else:
            self._cell.keep(park)


async def _watch(parent: Parent, listener: IncarnationListener) -> None:
    await parent.stop_requested.wait()
    listener.stop()


def judge(error: BaseException) -> Exit:
    """Classify the end of an incarnation; a cancellation is the supervisor's order to stop."""
    _, others = split_cancelled(error)
    return Exit(ExitKind.SHUTDOWN, "cancelled") if others is None else classify(others, None)


def split_cancelled(error: BaseException) -> tuple[BaseException | None, BaseException | None]:
    """Split an exception into its cancellations and the rest; None for what is not in it."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(trio.Cancelled)
    return (error, None) if isinstance(error, trio.Cancelled) else (None, error)
