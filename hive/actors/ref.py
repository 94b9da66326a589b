"""A reference to an actor: stays valid over all of its incarnations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio

from hive.actors.errors import ActorDied, CallingSelf, MailboxClosed, MailboxFull, NoActor
from hive.actors.exits import Exit, ExitKind
from hive.actors.incarnation import Incarnation
from hive.actors.messages import Call, Cast, Envelope, StopOrder
from hive.actors.monitors import Down, Monitor
from hive.actors.slot import Slot


class ActorRef:
    """Send to whichever incarnation runs now. NoActor while there is none."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._live: Incarnation | None = None

    def __repr__(self) -> str:
        return f"<ActorRef {self.name}>"

    @property
    def alive(self) -> bool:
        """Whether an incarnation runs, or initialises."""
        return self._live is not None

    async def call(self, message: object, *, timeout: float = 5.0) -> Any:
        """Send and wait for the reply, `timeout` seconds in all; a later reply is dropped.

        Raises NoActor; ActorDied at once when the actor ends before it replied; CallingSelf;
        MailboxFull by the mailbox's policy; trio.TooSlowError; and what the actor failed the
        reply with.
        """
        live = self.incarnation()
        if trio.lowlevel.current_task() is live.task:
            raise CallingSelf(f"{self.name} called itself; it would wait for its own reply")
        reply = Slot[Any]()
        live.pending.add(reply)
        try:
            with trio.fail_after(timeout):
                await self._put(live, Call(message, reply))
                return await reply.wait()
        finally:
            live.pending.discard(reply)

    async def cast(self, message: object) -> None:
        """Send without a reply; waits for room if that is the mailbox's policy.

        Raises NoActor, MailboxFull, and ActorDied if it ends meanwhile.
        """
        await self._put(self.incarnation(), Cast(message))

    def cast_nowait(self, message: object) -> None:
        """Send without a reply and without waiting; raises NoActor, MailboxFull."""
        _refuse_dropped(self.incarnation().box.put_nowait(Cast(message)))

    async def stop(self, detail: str = "stopped", *, timeout: float = 5.0) -> None:
        """End the incarnation after the message that it handles; returns when it is gone.

        Does nothing when none runs. Raises CallingSelf, and trio.TooSlowError after `timeout`.
        Its supervisor may start another one, by its restart type.
        """
        live = self._live
        if live is None:
            await trio.lowlevel.checkpoint()
            return
        if trio.lowlevel.current_task() is live.task:
            raise CallingSelf(f"{self.name} cannot wait for its own end; raise Shutdown instead")
        live.box.put_system(StopOrder(detail))
        with trio.fail_after(timeout):
            await live.ended.wait()

    def monitor(self, deliver: Callable[[Down], None]) -> Monitor:
        """Call `deliver` once when the incarnation ends; at once if none runs.

        `deliver` must not block or raise.
        """
        monitor = Monitor(deliver)
        if self._live is None:
            monitor.fire(Down(self.name, 0, Exit(ExitKind.NORMAL, "no such actor")))
        else:
            self._live.add_monitor(monitor)
        return monitor

    def incarnation(self) -> Incarnation:
        """The life that runs now; raises NoActor."""
        if self._live is None:
            raise NoActor(f"no incarnation of {self.name} runs now; monitor it or try later")
        return self._live

    def bind(self, live: Incarnation | None) -> None:
        """For the host of the actor only."""
        self._live = live

    async def _put(self, live: Incarnation, envelope: Envelope) -> None:
        try:
            _refuse_dropped(await live.box.put(envelope))
        except MailboxClosed:
            raise ActorDied(self.name, await live.ended.wait()) from None


def _refuse_dropped(dropped: Envelope | None) -> None:
    if isinstance(dropped, Call):
        dropped.reply.fail(MailboxFull("dropped: newer messages needed its place"))
