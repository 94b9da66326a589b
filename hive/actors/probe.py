"""Look into a running actor and halt it, without its cooperation beyond its message loop.

After Erlang's sys module. All overtake a backlog. All raise NoActor, Parked, ActorDied,
CallingSelf, trio.TooSlowError.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import trio
from attrs import field, frozen

from hive.actors.errors import CallingSelf
from hive.actors.inbox import Inbox
from hive.actors.incarnation import Incarnation
from hive.actors.mailbox import MailboxStatistics
from hive.actors.messages import Inspect, Replace, Suspend
from hive.actors.ref import ActorRef
from hive.actors.trace import Handled, Trace

if TYPE_CHECKING:
    from hive.actors.actor import Actor

A = TypeVar("A", bound="Actor")


@frozen
class Status:
    """What a probe sees. `state` is the actor's own account, or why there is none.

    `taken` messages of all kinds, `pending_calls` without an answer, `late_replies` that nobody
    waited for any more.
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


async def get_status(ref: ActorRef, *, timeout: float = 5.0) -> Status:
    """State, mailbox, and the last messages."""
    box = _box(ref)
    status: Status = await _ask(box, Inspect(None, box, trio.current_time() + timeout))
    return status


async def get_state(ref: ActorRef, *, timeout: float = 5.0) -> Any:
    """The state, as the actor's status() shows it."""
    return (await get_status(ref, timeout=timeout)).state


async def replace_state(
    ref: ActorRef, change: Callable[[A], None], *, timeout: float = 5.0
) -> None:
    """Let `change` (synchronous) change the attributes of the actor, between two messages.

    Raises what `change` raises; then all attributes are bound to their old values again.
    """
    box = _box(ref)
    order = Replace(change, box, trio.current_time() + timeout)
    await _ask(box, order)


async def suspend(ref: ActorRef, *, timeout: float = 5.0) -> None:
    """Handle system messages only, until resume(); user messages wait in the mailbox."""
    box = _box(ref)
    await _ask(box, Suspend(True, box, trio.current_time() + timeout))


async def resume(ref: ActorRef, *, timeout: float = 5.0) -> None:
    """Handle all messages again."""
    box = _box(ref)
    await _ask(box, Suspend(False, box, trio.current_time() + timeout))


def status_of(actor: Actor, life: Incarnation, trace: Trace, suspended: bool) -> Status:
    """For the message loop: a hook that crashes must not end the actor."""
    try:
        state: object = actor.status()
    except Exception as error:
        state = f"<status() raised {type(error).__name__}>"
    box = life.box
    return Status(
        name=life.name,
        incarnation=life.number,
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
    """For the message loop: a change that crashes must not end the actor."""
    before = dict(vars(actor))
    try:
        order.message(actor)
    except Exception as error:
        vars(actor).clear()
        vars(actor).update(before)
        order.fail(error)
    else:
        order.settle(None)


def _box(ref: ActorRef) -> Inbox:
    live = ref.incarnation()
    if trio.lowlevel.current_task() is live.task:
        raise CallingSelf(f"{ref.name} probes itself; it would wait for its own answer")
    return live.box


async def _ask(box: Inbox, request: Inspect | Suspend | Replace) -> Any:
    await trio.lowlevel.checkpoint_if_cancelled()
    box.put_system(request)
    return await request.wait()
