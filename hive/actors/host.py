"""Runs an actor, incarnation after incarnation, as the child of a supervisor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import trio

from hive.actors.actor import DEFERRED, Actor
from hive.actors.exits import Exit, ExitKind, Shutdown, classify
from hive.actors.incarnation import Incarnation
from hive.actors.mailbox import Full, Mailbox
from hive.actors.messages import Call, Cast, Envelope, Info, Inspect, StopOrder, Suspend, Tick
from hive.actors.probe import Trace, status_of
from hive.actors.ref import ActorRef


class Parent(Protocol):
    """What an actor needs of its supervisor; hive.supervisors.Context is one."""

    path: str
    incarnation: int
    stop_requested: trio.Event

    def ready(self, value: object = None) -> None: ...
    def tick(self) -> None: ...


class ActorHost:
    """The place of an actor: `ChildSpec("counter", ActorHost(Counter, name="counter").run)`.

    `factory` makes the actor of each incarnation. `capacity` and `full` are the mailbox's.
    `tick_every` (seconds) lets the actor tick its supervisor's watchdog from its own loop, so that
    a handler that hangs is noticed. `terminate_within` is the deadline for terminate().
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
    ) -> None:
        self.ref = ActorRef(name)
        self._factory = factory
        self._capacity = capacity
        self._full = full
        self._tick_every = tick_every
        self._terminate_within = terminate_within

    async def run(self, parent: Parent) -> None:
        """One incarnation; ready when init() is done. Raises what ended it."""
        actor = self._factory()
        box = Mailbox[Envelope](self._capacity, self._full)
        task = trio.lowlevel.current_task()
        life = Incarnation(self.ref.name, parent.incarnation, box, task)
        self.ref.bind(life)
        error: BaseException | None = None
        try:
            async with trio.open_nursery() as nursery:
                actor.bind(self.ref, life, nursery)
                nursery.start_soon(self._watch_parent, parent, box)
                await self._live(actor, life, parent)
        except BaseException as caught:
            error = caught
            raise
        finally:
            self.ref.bind(None)
            life.end(judge(error))

    async def _live(self, actor: Actor, life: Incarnation, parent: Parent) -> None:
        await actor.init()
        parent.ready(self.ref)
        error: BaseException | None = None
        try:
            await _handle_messages(actor, life, parent)
        except BaseException as caught:
            error = caught
            raise
        finally:
            with trio.move_on_after(self._terminate_within, shield=True):
                await actor.terminate(judge(error))

    async def _watch_parent(self, parent: Parent, box: Mailbox[Envelope]) -> None:
        while self._tick_every is not None and not parent.stop_requested.is_set():
            box.put_system(Tick())
            with trio.move_on_after(self._tick_every):
                await parent.stop_requested.wait()
        await parent.stop_requested.wait()
        box.put_system(StopOrder("asked to stop"))


async def _handle_messages(actor: Actor, life: Incarnation, parent: Parent) -> None:
    suspended = False
    trace = Trace()
    while True:
        envelope = await life.box.get(system_only=suspended)
        trace.add(envelope)
        match envelope:
            case Call(message, reply):
                answer = await actor.handle_call(message, reply)
                if answer is not DEFERRED:
                    reply.settle(answer)
            case Cast(message):
                await actor.handle_cast(message)
            case Info(message):
                await actor.handle_info(message)
            case Tick():
                parent.tick()
            case Inspect(reply):
                reply.settle(status_of(actor, life, trace, suspended=suspended))
            case Suspend(on, reply):
                suspended = on
                reply.settle(None)
            case StopOrder(detail):
                raise Shutdown(detail)


def judge(error: BaseException | None) -> Exit:
    """How an incarnation ended; a cancellation is the supervisor's order."""
    if error is None:
        return classify(None, None)
    others: BaseException | None = None
    if isinstance(error, BaseExceptionGroup):
        others = error.split(trio.Cancelled)[1]
    elif not isinstance(error, trio.Cancelled):
        others = error
    return Exit(ExitKind.SHUTDOWN, "cancelled") if others is None else classify(others, None)
