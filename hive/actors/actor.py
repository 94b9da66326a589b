"""The base class of actors: state that one task owns, and what it does with each message.

The callbacks are those of Erlang's gen_server: init, handle_call, handle_cast, handle_info,
terminate.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, final

import trio

from hive.actors.envelopes import Info
from hive.actors.errors import MailboxFull
from hive.actors.exits import Exit
from hive.actors.incarnation import ActorDown, Incarnation, Monitor
from hive.actors.ref import ActorRef
from hive.actors.slot import Slot
from hive.actors.timers import Timer


@final
class Deferred:
    """The type of DEFERRED."""

    def __repr__(self) -> str:
        return "DEFERRED"


DEFERRED: Final = Deferred()
"""What handle_call() returns to say that the reply slot will be settled later."""


class Actor:
    """The base class of all actors. Override the handlers that you need.

    Handlers run one at a time, so they may change attributes without locks. An exception that
    leaves one ends this incarnation; its supervisor decides about the next, which is a new object.
    Raise Shutdown to end cleanly, Park to sleep until a time.
    """

    ref: ActorRef
    """The reference by which others send to this actor. It is set before init() runs."""

    with_helpers: ClassVar[bool] = False
    """Set this to True in a class that uses `helpers`. Off, because a nursery costs time."""

    _incarnation: Incarnation
    _helpers: trio.Nursery | None

    async def init(self) -> None:
        """Acquire what the actor needs; called once, before any message is handled.

        Messages that arrive meanwhile wait in the mailbox. An exception is a failed start.
        """

    async def handle_call(self, message: Any, reply: Slot[Any]) -> Any:
        """Answer a message of `ActorRef.call`: what this returns is the reply.

        Return DEFERRED to answer later, from any task, by `reply.settle(value)` or
        `reply.fail(error)`. The default raises NotImplementedError.
        """
        raise NotImplementedError(f"{type(self).__name__} handles no call: {message!r}")

    async def handle_cast(self, message: Any) -> None:
        """Handle a message of `ActorRef.cast`. The default raises NotImplementedError."""
        raise NotImplementedError(f"{type(self).__name__} handles no cast: {message!r}")

    async def handle_info(self, message: Any) -> None:
        """Handle an ActorDown of monitor(), or what a timer sends. The default ignores it."""

    async def terminate(self, how: Exit) -> None:
        """Release what init() acquired; `how` is the end that leads here.

        Called once after a successful init(), however the incarnation ends. It is shielded from
        cancellation and cancelled itself after the host's `terminate_within` seconds.
        """

    def status(self) -> object:
        """Give what get_status() shows of the state; override it to hide secrets.

        The default is a dict of all public attributes but `ref`.
        """
        return {
            name: value
            for name, value in vars(self).items()
            if not name.startswith("_") and name != "ref"
        }

    def describe(self, message: object) -> str:
        """Give what the trace of a probe or a crash report shows of a message, as one text.

        The default is the name of its type, so that nothing of its content is shown.
        """
        return type(message).__name__

    # -- what an actor can use -----------------------------------------------------------------

    @property
    def helpers(self) -> trio.Nursery:
        """The nursery for tasks beside the handlers, open from init() on.

        Its tasks are cancelled when the incarnation ends, and a crash of one ends the incarnation.
        Raises RuntimeError unless the class sets `with_helpers`.
        """
        if self._helpers is None:
            raise RuntimeError(f"{type(self).__name__} has no helpers: set with_helpers = True")
        return self._helpers

    def send_after(self, delay: float, message: object) -> Timer:
        """Send `message` to the own handle_info() in `delay` seconds.

        The timer ends with this incarnation. Raises ValueError when `delay` is below 0.
        """
        return self._start_timer(message, delay, repeat=False)

    def send_every(self, period: float, message: object) -> Timer:
        """Send `message` to the own handle_info() every `period` seconds.

        One that comes late is not made up for, so that a slow handler does not get a burst. The
        timer ends with this incarnation. Raises ValueError unless `period` is above 0.
        """
        return self._start_timer(message, period, repeat=True)

    def monitor(self, other: ActorRef) -> Monitor:
        """Get one ActorDown in handle_info() when the present incarnation of `other` ends.

        It comes at once when none runs. Nothing comes after the cancel() of what this returns.
        """
        incarnation = self._incarnation

        def deliver(down: ActorDown) -> None:
            if not incarnation.ended.settled:
                incarnation.box.put_system(Info(down))

        return other.monitor(deliver)

    def postpone(self) -> Deferred:
        """Keep the message that is being handled, until retry(). Use `return self.postpone()`.

        Raises MailboxFull when as many are kept as the mailbox has room for, and RuntimeError when
        no call or cast is being handled.
        """
        box, current = self._incarnation.box, self._incarnation.current
        if current is None:
            raise RuntimeError("only calls and casts can be postponed, by their own handler")
        if len(box.postponed) >= box.capacity:
            raise MailboxFull(f"{len(box.postponed)} messages are postponed; retry() takes them")
        box.postponed.append(current)
        self._incarnation.current = None
        return DEFERRED

    def retry(self) -> None:
        """Put all postponed messages back, in front of the mailbox, to be handled again."""
        self._incarnation.box.retry()

    def bind(self, ref: ActorRef, incarnation: Incarnation, helpers: trio.Nursery | None) -> None:
        """Connect the actor to its incarnation; for the host only."""
        self.ref, self._incarnation, self._helpers = ref, incarnation, helpers

    def _start_timer(self, message: object, delay: float, *, repeat: bool) -> Timer:
        timer = self._incarnation.timers.start(Info(message), delay, repeat=repeat)
        self._incarnation.box.wake()  # it may be a helper that asks while the loop sleeps
        return timer
