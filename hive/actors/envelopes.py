"""The mailbox of an actor, and the closed set of what travels through it.

An envelope with a reply is the slot of that reply itself, and those of the user lane are mutable:
one object for each message, made quickly, because an actor's speed consists of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import trio
from attrs import define, frozen

from hive.actors.deadlines import deadlines
from hive.actors.errors import ActorError
from hive.actors.mailbox import Full, Mailbox
from hive.actors.slot import Slot


class Asked(Slot[Any]):
    """A message whose sender waits for the answer; it is the slot of that answer.

    Only the sender may wait, and only once. `deadline` is a time of Trio's clock.
    """

    __slots__ = ("_mailbox", "_task", "deadline", "message")

    def __init__(self, message: Any, mailbox: ActorMailbox, deadline: float = math.inf) -> None:
        self.late = 0
        self.settled = False
        self.message = message
        self.deadline = deadline
        self._value = self._error = None
        self._mailbox = mailbox
        self._task: trio.lowlevel.Task | None = None

    async def wait(self) -> Any:
        """Wait for the answer until the deadline; being cancelled abandons it.

        Raises trio.TooSlowError at the deadline, and the error with which it was failed.
        """
        if not self.settled:
            pending = self._mailbox.pending
            pending.add(self)
            bucket = self._mailbox.deadlines.add(self)
            self._task = trio.lowlevel.current_task()
            try:
                await trio.lowlevel.wait_task_rescheduled(self._abandon)
            finally:
                pending.discard(self)
                bucket.discard(self)
        if self._error is not None:
            raise self._error
        return self._value

    def expire(self) -> None:
        """Fail with trio.TooSlowError; an answer from now on is late, and is counted."""
        if not self.settled:
            self._settle(None, trio.TooSlowError(f"no answer from {self._mailbox.name} in time"))

    def refuse(self, why: Callable[[], BaseException]) -> None:
        """Fail with a new exception from `why`: nobody is there (any more) to answer."""
        if not self.settled:
            self._settle(None, why())

    def _abandon(self, _: Any) -> trio.lowlevel.Abort:
        self.settled, self._task = True, None
        return trio.lowlevel.Abort.SUCCEEDED

    def _settle(self, value: Any, error: BaseException | None) -> bool:
        if self.settled:
            self.late += 1
            self._mailbox.late_replies += 1
            return False
        self.settled = True
        self._value, self._error = value, error
        if self._task is not None:
            trio.lowlevel.reschedule(self._task)
            self._task = None
        return True


class Call(Asked):
    """User lane: a message that wants a reply."""

    __slots__ = ()


@define(eq=False)
class Cast:
    """User lane: a message without a reply."""

    message: Any


@frozen
class Info:
    """System lane: an ActorDown, or what a timer sends."""

    message: Any


@frozen
class Tick:
    """System lane: tell the supervisor's watchdog that messages are being handled."""

    message: None = None


class StopOrder(Asked):
    """System lane: end after the message that is being handled; the end is the answer.

    `message` is the reason, a str.
    """

    __slots__ = ()

    def refuse(self, why: Callable[[], BaseException]) -> None:
        """Settle it: that nobody is there any more is what was asked for."""
        if not self.settled:
            self._settle(None, None)


class Inspect(Asked):
    """System lane: answer with the ActorStatus. `message` is None."""

    __slots__ = ()


class Suspend(Asked):
    """System lane: handle system messages only (`message` is True), or all again (False)."""

    __slots__ = ()


class Replace(Asked):
    """System lane: change the state from outside, by calling `message` with the actor."""

    __slots__ = ()


SystemMessage = Info | Tick | StopOrder | Inspect | Suspend | Replace
Envelope = Call | Cast | SystemMessage


class ActorMailbox(Mailbox[Envelope]):
    """An actor's mailbox, with those who wait for its answers. It outlives a park.

    `pending` are the messages without an answer yet, wherever they are now, `postponed` those that
    the actor keeps for a retry(). `now()` is Trio's time.
    """

    __slots__ = ("deadlines", "late_replies", "name", "now", "pending", "postponed")

    def __init__(self, name: str, capacity: int, full: Full) -> None:
        super().__init__(capacity, full)
        self.name = name
        self.deadlines = deadlines()
        self.now = trio.lowlevel.current_clock().current_time
        self.pending: set[Asked] = set()
        self.late_replies = 0
        self.postponed: list[Envelope] = []

    def retry(self) -> None:
        """Put what was postponed in front of the user lane again."""
        back, self.postponed = self.postponed, []
        self.put_back(back)

    def park(self, refusal: Callable[[], ActorError]) -> None:
        """Refuse all who wait for an answer, and keep the casts: nobody is there for a while.

        `refusal` makes one exception for each of them.
        """
        self.retry()
        self.keep(lambda envelope: isinstance(envelope, Cast), refusal)
        self._refuse(refusal)

    def end(self, refusal: Callable[[], ActorError]) -> None:
        """Refuse all who wait, drop the rest and take nothing more: nobody is there any more."""
        self.close()
        self.postponed.clear()
        self._refuse(refusal)

    def _refuse(self, refusal: Callable[[], ActorError]) -> None:
        for slot in tuple(self.pending):
            slot.refuse(refusal)
