"""Probes: look into a running actor, change its state, halt it (Erlang's sys module).

They need nothing of the actor but its message loop, and overtake a backlog of messages. All of them
raise NoActor when no incarnation runs, ActorParked when the actor is parked, ActorDied when it ends
before it has answered, CallingSelf when an actor probes itself, and trio.TooSlowError after
`timeout` seconds, as when a handler hangs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import trio
from attrs import field, frozen

from hive.actors.envelopes import (
    ActorMailbox,
    Call,
    Cast,
    Envelope,
    Info,
    Inspect,
    Replace,
    Suspend,
)
from hive.actors.errors import CallingSelf
from hive.actors.incarnation import Incarnation
from hive.actors.mailbox import MailboxStatistics
from hive.actors.ref import ActorRef

if TYPE_CHECKING:
    from hive.actors.actor import Actor

A = TypeVar("A", bound="Actor")


SHOWN = 200  # characters of one message


@frozen
class Handled:
    """One line of the trace: a message that the actor took, at a time of Trio's clock.

    `kind` is the class of its envelope (Call, Cast, Info, ...), `message` what the actor's
    describe() shows of it, None for messages of the system itself.
    """

    at: float
    kind: str
    message: str | None

    def __str__(self) -> str:
        """One line: the kind, and the message if it has one."""
        return self.kind if self.message is None else f"{self.kind} {self.message}"


class Trace:
    """The last `length` messages that an actor took; 0 keeps none.

    It keeps the messages themselves and asks how to show them only when somebody looks.
    """

    __slots__ = ("_length", "_ring", "taken")

    def __init__(self, length: int) -> None:
        self.taken = 0
        self._length = length
        self._ring: deque[tuple[float, type[Envelope], object]] | None = None  # the idle need none

    def add(self, now: float, envelope: Envelope) -> None:
        """Record a message, but not its reply slot, which would keep its caller in memory."""
        if self._ring is None:
            self._ring = deque(maxlen=self._length)
        self.taken += 1
        self._ring.append((now, type(envelope), envelope.message))

    def lines(self, describe: Callable[[object], str]) -> tuple[Handled, ...]:
        """Return the recorded messages, oldest first, each as `describe` shows it."""
        return tuple(
            Handled(at, kind.__name__, _show(message, kind, describe))
            for at, kind, message in self._ring or ()
        )


@frozen
class ActorStatus:
    """What get_status() returns.

    `taken` counts the messages of all kinds that this incarnation took, `pending_calls` those that
    wait for an answer, `postponed` those that the actor keeps for retry(), `late_replies` those
    answered when nobody waited any more. `state` is what the actor's status() returned, or a text
    that says why there is nothing. `recent` are the last messages, oldest first.
    """

    name: str
    incarnation: int
    suspended: bool
    taken: int
    pending_calls: int
    postponed: int
    late_replies: int
    mailbox: MailboxStatistics
    state: Any
    recent: tuple[Handled, ...] = field(repr=False)


async def get_status(ref: ActorRef, *, timeout: float = 5.0) -> ActorStatus:
    """Return an actor's state, the numbers of its mailbox, and its last messages."""
    box = _box(ref)
    status: ActorStatus = await _ask(box, Inspect(None, box, trio.current_time() + timeout))
    return status


async def get_state(ref: ActorRef, *, timeout: float = 5.0) -> Any:
    """Return an actor's state, as its status() shows it."""
    return (await get_status(ref, timeout=timeout)).state


async def replace_state(
    ref: ActorRef, change: Callable[[A], None], *, timeout: float = 5.0
) -> None:
    """Call `change` with the actor, between two messages; it may set attributes, and must be quick.

    Raises what `change` raises; then all attributes are bound to their old values again.
    """
    box = _box(ref)
    order = Replace(change, box, trio.current_time() + timeout)
    await _ask(box, order)


async def suspend(ref: ActorRef, *, timeout: float = 5.0) -> None:
    """Let an actor handle system messages only, until resume(); the others wait."""
    box = _box(ref)
    await _ask(box, Suspend(True, box, trio.current_time() + timeout))


async def resume(ref: ActorRef, *, timeout: float = 5.0) -> None:
    """Let a suspended actor handle all messages again."""
    box = _box(ref)
    await _ask(box, Suspend(False, box, trio.current_time() + timeout))


def status_of(actor: Actor, incarnation: Incarnation, trace: Trace, suspended: bool) -> ActorStatus:
    """Make the status, for the message loop. A status() that raises does not end the actor."""
    try:
        state: object = actor.status()
    except Exception as error:
        state = f"<status() raised {type(error).__name__}>"
    box = incarnation.box
    return ActorStatus(
        name=incarnation.name,
        incarnation=incarnation.number,
        suspended=suspended,
        taken=trace.taken,
        pending_calls=len(box.pending),
        postponed=len(box.postponed),
        late_replies=box.late_replies,
        mailbox=box.statistics(),
        state=state,
        recent=trace.lines(actor.describe),
    )


def change_state(actor: Actor, order: Replace) -> None:
    """Apply a Replace, for the message loop. A change that raises does not end the actor."""
    before = dict(vars(actor))
    try:
        order.message(actor)
    except Exception as error:
        vars(actor).clear()
        vars(actor).update(before)
        order.fail(error)
    else:
        order.settle(None)


def _box(ref: ActorRef) -> ActorMailbox:
    live = ref.incarnation()
    if trio.lowlevel.current_task() is live.task:
        raise CallingSelf(f"{ref.name} probes itself; it would wait for its own answer")
    return live.box


async def _ask(box: ActorMailbox, request: Inspect | Suspend | Replace) -> Any:
    await trio.lowlevel.checkpoint_if_cancelled()
    box.put_system(request)
    return await request.wait()


def _show(message: object, kind: type[Envelope], describe: Callable[[object], str]) -> str | None:
    if kind not in (Call, Cast, Info):
        return None
    try:
        text = str(describe(message))
    except Exception as error:
        return f"<describe() raised {type(error).__name__}>"
    text = "".join(char if char.isprintable() else "�" for char in text[: SHOWN + 1])
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
