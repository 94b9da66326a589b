"""The actor: state that one task owns, and what it does with each message.

After Erlang's gen_server: init, handle_call, handle_cast, handle_info, terminate.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, final

import trio

from hive.actors.errors import MailboxFull
from hive.actors.exits import Exit
from hive.actors.incarnation import Incarnation
from hive.actors.messages import Info
from hive.actors.monitors import Down, Monitor
from hive.actors.ref import ActorRef
from hive.actors.slot import Slot
from hive.actors.timers import Timer


@final
class Deferred:
    """The type of DEFERRED."""

    def __repr__(self) -> str:
        return "DEFERRED"


DEFERRED: Final = Deferred()
"""Returned by handle_call when the reply slot will be settled later."""


class Actor:
    """Subclass it. Handlers run one at a time; an exception in one ends the incarnation."""

    ref: ActorRef
    """The reference to this actor; set before init()."""

    with_helpers: ClassVar[bool] = False
    """Set True in a class that uses `helpers`: a nursery makes every incarnation dearer."""

    _life: Incarnation
    _helpers: trio.Nursery | None

    async def init(self) -> None:
        """Acquire what is needed; messages wait meanwhile. An exception is a failed start."""

    async def handle_call(self, message: Any, reply: Slot[Any]) -> Any:
        """Return the reply; or DEFERRED, and settle or fail `reply` at any time."""
        raise NotImplementedError(f"{type(self).__name__} handles no call: {message!r}")

    async def handle_cast(self, message: Any) -> None:
        """A message without a reply."""
        raise NotImplementedError(f"{type(self).__name__} handles no cast: {message!r}")

    async def handle_info(self, message: Any) -> None:
        """A Down, or what a timer sends; unexpected ones are ignored."""

    async def terminate(self, how: Exit) -> None:
        """Release what init() acquired; shielded, within the host's `terminate_within`."""

    def status(self) -> object:
        """What a probe shows of the state; override to redact. Default: all public attributes."""
        return {
            name: value
            for name, value in vars(self).items()
            if not name.startswith("_") and name != "ref"
        }

    def describe(self, message: object) -> str:
        """What the trace shows of a message; the default tells its type and nothing of it."""
        return type(message).__name__

    # -- what an actor can use -----------------------------------------------------------------

    @property
    def helpers(self) -> trio.Nursery:
        """For tasks that end with the actor, and end it when they crash; from init() on."""
        if self._helpers is None:
            raise RuntimeError(f"{type(self).__name__} has no helpers: set with_helpers = True")
        return self._helpers

    def send_after(self, delay: float, message: object) -> Timer:
        """Get `message` by handle_info in `delay` seconds."""
        return self._start_timer(message, delay, repeat=False)

    def send_every(self, period: float, message: object) -> Timer:
        """Get `message` by handle_info each `period` seconds; late ones are not made up for."""
        return self._start_timer(message, period, repeat=True)

    def monitor(self, other: ActorRef) -> Monitor:
        """Get a Down by handle_info, once, when the other's present incarnation ends."""
        life = self._life

        def deliver(down: Down) -> None:
            if not life.ended.settled:
                life.box.put_system(Info(down))

        return other.monitor(deliver)

    def postpone(self) -> Deferred:
        """Keep the message that is being handled for retry(); `return self.postpone()`.

        Raises MailboxFull when as many are kept as the mailbox has room for.
        """
        box, current = self._life.box, self._life.current
        if current is None:
            raise RuntimeError("only calls and casts can be postponed, by their own handler")
        if len(box.postponed) >= box.capacity:
            raise MailboxFull(f"{len(box.postponed)} messages are postponed; retry() takes them")
        box.postponed.append(current)
        self._life.current = None
        return DEFERRED

    def retry(self) -> None:
        """Handle all that was postponed again, before everything else in the mailbox."""
        self._life.box.retry()

    def bind(self, ref: ActorRef, life: Incarnation, helpers: trio.Nursery | None) -> None:
        """For the host only."""
        self.ref, self._life, self._helpers = ref, life, helpers

    def _start_timer(self, message: object, delay: float, *, repeat: bool) -> Timer:
        timer = self._life.timers.start(Info(message), delay, repeat=repeat)
        self._life.box.wake()  # it may be a helper that asks while the loop sleeps
        return timer
