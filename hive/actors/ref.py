"""A reference to an actor: stays valid over all of its incarnations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio

from hive.actors.errors import ActorDied, CallingSelf, MailboxClosed, MailboxFull, NoActor, Parked
from hive.actors.exits import Exit, ExitKind, Park
from hive.actors.inbox import Inbox
from hive.actors.incarnation import Incarnation
from hive.actors.messages import Call, Cast, Envelope, StopOrder
from hive.actors.monitors import Down, Monitor
from hive.actors.place import Place


class ActorRef:
    """Send to whichever incarnation runs now. While there is none: NoActor.

    While it is parked: casts wait in its mailbox, calls raise Parked at once, and a message that
    its host names unparks it.
    """

    __slots__ = ("_place", "name")

    def __init__(self, name: str, place: Place) -> None:
        self.name = name
        self._place = place

    def __repr__(self) -> str:
        return f"<ActorRef {self.name}>"

    @property
    def alive(self) -> bool:
        """Whether an incarnation runs, or initialises."""
        return self._place.live is not None

    @property
    def parked(self) -> Park | None:
        """The park in which it is."""
        return self._place.park

    async def call(self, message: object, *, timeout: float = 5.0) -> Any:
        """Send and wait for the reply, `timeout` seconds in all; a later reply is dropped.

        Raises NoActor; Parked, also when it parks before it replied; ActorDied at once when it
        ends before it replied; CallingSelf; MailboxFull by the mailbox's policy;
        trio.TooSlowError; and what the actor failed the reply with.
        """
        place = self._place
        live = place.live
        if live is None:
            box = place.inbox_while_away(message, is_call=True)
        else:
            box = live.box
            if trio.lowlevel.current_task() is live.task:
                raise CallingSelf(f"{self.name} called itself; it would wait for its own reply")
        await trio.lowlevel.checkpoint_if_cancelled()
        call = Call(message, box, box.now() + timeout)
        if not box.must_wait:
            if (dropped := box.put_nowait(call)) is not None:
                _refuse(dropped)
            return await call.wait()
        box.pending.add(call)  # it may be admitted, and its actor end, before we run again
        try:
            with trio.fail_at(call.deadline):
                await self._wait_in_turn(box, call)
            return await call.wait()
        finally:
            box.pending.discard(call)

    async def cast(self, message: object) -> None:
        """Send without a reply; waits for room if that is the mailbox's policy.

        Raises NoActor, MailboxFull, and ActorDied if it ends meanwhile.
        """
        await trio.lowlevel.checkpoint()
        box = self._inbox(message)
        if box.must_wait:
            await self._wait_in_turn(box, Cast(message))
        elif (dropped := box.put_nowait(Cast(message))) is not None:
            _refuse(dropped)

    def cast_nowait(self, message: object) -> None:
        """Send without a reply and without waiting; raises NoActor, MailboxFull."""
        live = self._place.live
        box = live.box if live is not None else self._inbox(message)
        if (dropped := box.put_nowait(Cast(message))) is not None:
            _refuse(dropped)

    async def stop(self, detail: str = "stopped", *, timeout: float = 5.0) -> None:
        """End the incarnation after the message that it handles; returns when it is gone.

        Does nothing when none runs. Raises CallingSelf, and trio.TooSlowError after `timeout`.
        Its supervisor may start another one, by its restart type.
        """
        live = self._place.live
        if live is None:
            await trio.lowlevel.checkpoint()
            return
        if trio.lowlevel.current_task() is live.task:
            raise CallingSelf(f"{self.name} cannot wait for its own end; raise Shutdown instead")
        order = StopOrder(detail, live.box, trio.current_time() + timeout)
        live.box.put_system(order)
        await order.wait()

    def monitor(self, deliver: Callable[[Down], None]) -> Monitor:
        """Call `deliver` once when the incarnation ends; at once if none runs.

        `deliver` must not block; what it raises is logged.
        """
        monitor = Monitor(deliver)
        live, park = self._place.live, self._place.park
        if live is not None:
            live.add_monitor(monitor)
        elif park is not None:
            monitor.fire(Down(self.name, 0, Exit(ExitKind.PARKED, park.reason, park), park))
        else:
            monitor.fire(Down(self.name, 0, Exit(ExitKind.NORMAL, "no such actor")))
        return monitor

    def on_vacant(self, call: Callable[[], None]) -> None:
        """Call it once when no incarnation lives and none is kept by a park; raises NoActor.

        `call` must not raise or block.
        """
        if self._place.live is None and self._place.park is None:
            raise NoActor(f"no incarnation of {self.name} runs now, or is parked")
        self._place.on_vacant(call)

    def incarnation(self) -> Incarnation:
        """The life that runs now; raises NoActor, Parked."""
        place = self._place
        if place.live is not None:
            return place.live
        if place.park is not None:
            raise Parked(self.name, place.park)
        raise NoActor(f"no incarnation of {self.name} runs now; monitor it or try later")

    def _inbox(self, message: object) -> Inbox:
        live = self._place.live
        if live is not None:
            return live.box
        return self._place.inbox_while_away(message, is_call=False)

    async def _wait_in_turn(self, box: Inbox, envelope: Call | Cast) -> None:
        live = self._place.live
        try:
            await box.put_in_turn(envelope)
        except MailboxClosed:
            if live is None:
                raise NoActor(f"{self.name} was stopped while it was parked") from None
            raise ActorDied(self.name, await live.ended.wait()) from None


def _refuse(dropped: Envelope) -> None:
    if isinstance(dropped, Call):
        dropped.fail(MailboxFull("dropped: newer messages needed its place"))
