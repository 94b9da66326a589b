"""Runs an actor, incarnation after incarnation, as the child of a supervisor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import trio

from hive.actors.actor import Actor
from hive.actors.exits import Exit, ExitKind, Park, Shutdown, classify
from hive.actors.inbox import Inbox
from hive.actors.incarnation import Incarnation
from hive.actors.loop import Loop
from hive.actors.mailbox import Full
from hive.actors.messages import StopOrder, Suspend, Tick
from hive.actors.place import Place, never
from hive.actors.ref import ActorRef
from hive.actors.trace import Trace


class Tenant(Protocol):
    """What an actor tells its supervisor it wants to know. All synchronous; they do not raise."""

    def stop(self) -> None:
        """The incarnation shall end."""

    def end(self, how: Exit, park: Park | None) -> None:
        """It has ended, and it is decided what follows; `park`: its place is kept."""

    def park(self, park: Park | None) -> None:
        """After its end: parked (again), or, None, no incarnation follows. Ignored before."""


class Parent(Protocol):
    """What an actor needs of its supervisor; hive.supervisors.Context is one."""

    incarnation: int

    @property
    def stop_requested(self) -> trio.Event:
        """Set when the incarnation shall end."""

    def ready(self, value: object = None) -> None:
        """Init is over."""

    def tick(self) -> None:
        """The actor handles messages."""

    def on_report(self, messages: Callable[[], Iterable[object]]) -> None:
        """Offer the last messages, for the report of a crash."""

    def on_suspend(self, halt: Callable[[bool], None]) -> None:
        """Offer to halt and to go on, when the operator says so."""

    def attach(self, tenant: Tenant) -> bool:
        """Ask to be told, instead of to watch; False if nobody would tell."""

    def unpark(self) -> None:
        """End the park that followed this incarnation, if it still lasts."""


class ActorHost:
    """The place of an actor: `ChildSpec("counter", ActorHost(Counter, name="counter").run)`.

    `factory` makes the actor of each incarnation. `capacity` and `full` are the mailbox's.
    `tick_every` (seconds) lets the actor tick its supervisor's watchdog from its own loop, so that
    a handler that hangs is noticed. `terminate_within` is the deadline for terminate().
    `unparked_by` names the messages that end a park (synchronous, quick). `trace` is how many of
    the last messages a probe sees.
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
        self._place = Place(name, lambda: Inbox(name, capacity, full), unparked_by)
        self.ref = ActorRef(name, self._place)
        self._factory = factory
        self._tick_every = tick_every
        self._terminate_within = terminate_within
        self._trace = trace

    async def run(self, parent: Parent) -> None:
        """One incarnation; ready when init() is done. Raises what ended it, Shutdown for a stop."""
        raise Shutdown(await self.live(parent))

    async def live(self, parent: Parent) -> str:
        """As run(), but returns why it was told to stop."""
        place = self._place
        try:
            actor = self._factory()
        except BaseException:
            place.give_up()
            raise
        task = trio.lowlevel.current_task()
        life = Incarnation(place.name, parent.incarnation, place.inbox(), task)
        place.enter(life)
        lease = Lease(place, life, parent)
        attached = parent.attach(lease)
        parent.on_suspend(lease.suspend)
        try:
            if attached and not actor.with_helpers:
                actor.bind(self.ref, life, None)
                return await self._work(actor, life, parent)
            async with trio.open_nursery() as nursery:
                actor.bind(self.ref, life, nursery)
                if not attached:
                    nursery.start_soon(_watch, parent, lease)
                detail = await self._work(actor, life, parent)
                nursery.cancel_scope.cancel("the actor was told to stop")
            how = Exit(ExitKind.SHUTDOWN, detail)
            return detail
        except BaseException as caught:
            how = judge(caught)
            raise
        finally:
            if not attached:
                lease.end(how, None)

    async def _work(self, actor: Actor, life: Incarnation, parent: Parent) -> str:
        await actor.init()
        parent.ready(self.ref)
        if self._tick_every is not None:
            parent.tick()
            life.timers.start(Tick(), self._tick_every, repeat=True)
        trace = Trace(self._trace)
        parent.on_report(lambda: trace.lines(actor.describe))
        loop = Loop(actor, life, trace, parent.tick)
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


class Lease:
    """The tenant of one incarnation's place: does what its supervisor decided."""

    __slots__ = ("_life", "_parent", "_place")

    def __init__(self, place: Place, life: Incarnation, parent: Parent) -> None:
        self._place = place
        self._life = life
        self._parent = parent

    def stop(self) -> None:
        """Let it end after the handler that runs."""
        if not self._life.ended.settled:
            self._life.box.put_system(StopOrder("asked to stop", self._life.box))

    def suspend(self, halt: bool) -> None:
        """Halt, or go on."""
        if not self._life.ended.settled:
            self._life.box.put_system(Suspend(halt, self._life.box))

    def end(self, how: Exit, park: Park | None) -> None:
        """Vacate the place, or keep it for the next incarnation."""
        if not self._life.ended.settled:
            self._place.leave(self._life, how, park, self._parent.unpark)

    def park(self, park: Park | None) -> None:
        """Keep the place on other terms, or give it up."""
        if not self._life.ended.settled:
            return
        if park is None:
            self._place.give_up()
        else:
            self._place.keep(park)


async def _watch(parent: Parent, lease: Lease) -> None:
    await parent.stop_requested.wait()
    lease.stop()


def judge(error: BaseException) -> Exit:
    """How an incarnation ended; a cancellation is the supervisor's order."""
    _, others = split_cancelled(error)
    return Exit(ExitKind.SHUTDOWN, "cancelled") if others is None else classify(others, None)


def split_cancelled(error: BaseException) -> tuple[BaseException | None, BaseException | None]:
    """The cancellations in it, and the rest."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(trio.Cancelled)
    return (error, None) if isinstance(error, trio.Cancelled) else (None, error)
