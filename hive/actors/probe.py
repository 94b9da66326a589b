"""Look into a running actor and halt it, without its cooperation beyond its message loop."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

import trio
from attrs import field, frozen

from hive.actors.incarnation import Incarnation
from hive.actors.mailbox import MailboxStatistics
from hive.actors.messages import Call, Cast, Envelope, Info, Inspect, Suspend
from hive.actors.ref import ActorRef
from hive.actors.slot import Slot

if TYPE_CHECKING:
    from hive.actors.actor import Actor

T = TypeVar("T")
TRACE_LENGTH = 32


@frozen
class Handled:
    """One line of the trace: when (Trio time), which lane, and the type of the message."""

    at: float
    kind: str
    message_type: str


class Trace:
    """The last messages that an actor took; types only, so that it holds nothing alive."""

    def __init__(self) -> None:
        self.taken = 0
        self._ring: deque[tuple[float, type, type]] = deque(maxlen=TRACE_LENGTH)

    def add(self, envelope: Envelope) -> None:
        """Record a message."""
        self.taken += 1
        held = envelope.message if isinstance(envelope, Call | Cast | Info) else None
        self._ring.append((trio.current_time(), type(envelope), type(held)))

    def lines(self) -> tuple[Handled, ...]:
        """The recent ones, oldest first."""
        return tuple(Handled(at, kind.__name__, held.__name__) for at, kind, held in self._ring)


@frozen
class Status:
    """What a probe sees. `state` is the actor's own account, or why there is none."""

    name: str
    incarnation: int
    suspended: bool
    taken: int
    pending_calls: int
    mailbox: MailboxStatistics
    state: Any
    recent: tuple[Handled, ...] = field(repr=False)


async def get_status(ref: ActorRef, *, timeout: float = 5.0) -> Status:
    """The status; overtakes a backlog. Raises NoActor, ActorDied, trio.TooSlowError."""
    reply = Slot[Status]()
    return await _ask(ref, Inspect(reply), reply, timeout)


async def suspend(ref: ActorRef, *, timeout: float = 5.0) -> None:
    """Handle system messages only, until resume(); user messages wait in the mailbox."""
    reply = Slot[None]()
    await _ask(ref, Suspend(True, reply), reply, timeout)


async def resume(ref: ActorRef, *, timeout: float = 5.0) -> None:
    """Handle all messages again."""
    reply = Slot[None]()
    await _ask(ref, Suspend(False, reply), reply, timeout)


def status_of(actor: Actor, life: Incarnation, trace: Trace, *, suspended: bool) -> Status:
    """For the message loop: a status hook that crashes must not end the actor."""
    try:
        state: object = actor.status()
    except Exception as error:
        state = f"<status() raised {type(error).__name__}>"
    return Status(
        name=life.name,
        incarnation=life.number,
        suspended=suspended,
        taken=trace.taken,
        pending_calls=len(life.pending),
        mailbox=life.box.statistics(),
        state=state,
        recent=trace.lines(),
    )


async def _ask(ref: ActorRef, envelope: Envelope, reply: Slot[T], timeout: float) -> T:
    live = ref.incarnation()
    live.pending.add(reply)
    try:
        live.box.put_system(envelope)
        with trio.fail_after(timeout):
            return await reply.wait()
    finally:
        live.pending.discard(reply)
