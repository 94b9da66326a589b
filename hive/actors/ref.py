"""References to actors: the way to send to one, valid over all of its incarnations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio

from hive.actors.cell import ActorCell
from hive.actors.envelopes import ActorMailbox, Call, Cast, Envelope, StopOrder
from hive.actors.errors import (
    ActorDied,
    ActorParked,
    CallingSelf,
    MailboxClosed,
    MailboxFull,
    NoActor,
)
from hive.actors.exits import Exit, ExitKind, Park
from hive.actors.incarnation import ActorDown, Incarnation, Monitor


class ActorRef:
    """Sends to whichever incarnation of an actor runs now.

    While none runs, sending raises NoActor. While the actor is parked, casts wait in its mailbox,
    calls raise ActorParked at once, and a message that its host's `unparked_by` accepts unparks it.
    """

    __slots__ = ("_cell", "name")

    def __init__(self, name: str, cell: ActorCell) -> None:
        self.name = name
        self._cell = cell

    def __repr__(self) -> str:
        return f"<ActorRef {self.name}>"

    @property
    def alive(self) -> bool:
        """Whether an incarnation runs, or is in its init()."""
        return self._cell.live is not None

    @property
    def parked(self) -> Park | None:
        """The park in which the actor is, or None."""
        return self._cell.park

    async def call(self, message: object, *, timeout: float = 5.0) -> Any:
        """Send a message and wait for the reply, `timeout` seconds in all.

        A reply that comes later is dropped and counted. Raises:

        * NoActor when no incarnation runs;
        * ActorParked when the actor is parked, or parks before it has replied;
        * ActorDied at once when it ends before it has replied;
        * CallingSelf when the actor calls itself;
        * MailboxFull by the mailbox's policy, also later when newer messages took its place;
        * trio.TooSlowError when the time is over;
        * the exception with which the actor failed the reply.
        """
        cell = self._cell
        live = cell.live
        if live is None:
            box = cell.mailbox_while_parked(message, is_call=True)
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
        """Send a message without a reply; waits for room if that is the mailbox's policy.

        Raises NoActor when no incarnation runs and none is parked, MailboxFull by the policy, and
        ActorDied when the actor ends while this waits.
        """
        await trio.lowlevel.checkpoint()
        box = self._mailbox(message)
        if box.must_wait:
            await self._wait_in_turn(box, Cast(message))
        elif (dropped := box.put_nowait(Cast(message))) is not None:
            _refuse(dropped)

    def cast_nowait(self, message: object) -> None:
        """Send a message without a reply and without waiting.

        Raises NoActor when no incarnation runs and none is parked, and MailboxFull when there is no
        room and the policy is not to drop the oldest.
        """
        live = self._cell.live
        box = live.box if live is not None else self._mailbox(message)
        if (dropped := box.put_nowait(Cast(message))) is not None:
            _refuse(dropped)

    async def stop(self, detail: str = "stopped", *, timeout: float = 5.0) -> None:
        """End the incarnation after the message that it handles, and wait until it is gone.

        Does nothing when none runs. What waits in the mailbox is dropped. Its supervisor may start
        another incarnation, by the child's restart type. Raises CallingSelf when the actor stops
        itself (it should raise Shutdown), and trio.TooSlowError after `timeout` seconds.
        """
        live = self._cell.live
        if live is None:
            await trio.lowlevel.checkpoint()
            return
        if trio.lowlevel.current_task() is live.task:
            raise CallingSelf(f"{self.name} cannot wait for its own end; raise Shutdown instead")
        order = StopOrder(detail, live.box, trio.current_time() + timeout)
        live.box.put_system(order)
        await order.wait()

    def monitor(self, deliver: Callable[[ActorDown], None]) -> Monitor:
        """Call `deliver` once, when the incarnation that runs now ends; at once if none runs.

        `deliver` must not block; what it raises is logged. See Actor.monitor for actors.
        """
        monitor = Monitor(deliver)
        live, park = self._cell.live, self._cell.park
        if live is not None:
            live.add_monitor(monitor)
        elif park is not None:
            monitor.fire(ActorDown(self.name, 0, Exit(ExitKind.PARKED, park.reason, park), park))
        else:
            monitor.fire(ActorDown(self.name, 0, Exit(ExitKind.NORMAL, "no such actor")))
        return monitor

    def on_vacant(self, call: Callable[[], None]) -> None:
        """Call `call` once, as soon as no incarnation lives and none is kept by a park.

        It must neither block nor raise. Raises NoActor when that is so already.
        """
        if self._cell.live is None and self._cell.park is None:
            raise NoActor(f"no incarnation of {self.name} runs now, or is parked")
        self._cell.on_vacant(call)

    def incarnation(self) -> Incarnation:
        """Return the incarnation that runs now, for probes. Raises NoActor, ActorParked."""
        cell = self._cell
        if cell.live is not None:
            return cell.live
        if cell.park is not None:
            raise ActorParked(self.name, cell.park)
        raise NoActor(f"no incarnation of {self.name} runs now; monitor it or try later")

    def _mailbox(self, message: object) -> ActorMailbox:
        live = self._cell.live
        if live is not None:
            return live.box
        return self._cell.mailbox_while_parked(message, is_call=False)

    async def _wait_in_turn(self, box: ActorMailbox, envelope: Call | Cast) -> None:
        live = self._cell.live
        try:
            await box.put_in_turn(envelope)
        except MailboxClosed:
            if live is None:
                raise NoActor(f"{self.name} was stopped while it was parked") from None
            raise ActorDied(self.name, await live.ended.wait()) from None


def _refuse(dropped: Envelope) -> None:
    if isinstance(dropped, Call):
        dropped.fail(MailboxFull("dropped: newer messages needed its place"))
