"""The closed set of what travels through an actor's mailbox.

Those with a reply are its slot, and those of the user lane are mutable: one object each, made
quickly, because they are what an actor's speed consists of.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import trio
from attrs import define, frozen

from hive.actors.deadlines import Deadlines
from hive.actors.slot import Slot


class Callers(Protocol):
    """Where those are kept who wait for an answer of one actor: its inbox."""

    name: str
    pending: set[Asked]
    deadlines: Deadlines
    late_replies: int


class Asked(Slot[Any]):
    """A message with a sender who waits for the answer; the answer's slot itself.

    Only the sender may wait, and only once.
    """

    __slots__ = ("_inbox", "_task", "deadline", "message")

    def __init__(self, message: Any, inbox: Callers, deadline: float = math.inf) -> None:
        self.late = 0
        self.settled = False
        self.message = message
        self.deadline = deadline
        self._value = self._error = None
        self._inbox = inbox
        self._task: trio.lowlevel.Task | None = None

    async def wait(self) -> Any:
        """The answer, until the deadline; raises trio.TooSlowError, and what it failed with.

        Being cancelled abandons it.
        """
        if not self.settled:
            pending = self._inbox.pending
            pending.add(self)
            bucket = self._inbox.deadlines.add(self)
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
        """Nobody waits any more: an answer from now on is late, and is counted."""
        if not self.settled:
            self._settle(None, trio.TooSlowError(f"no answer from {self._inbox.name} in time"))

    def refuse(self, why: Callable[[], BaseException]) -> None:
        """Nobody is there, or there any more, to answer."""
        if not self.settled:
            self._settle(None, why())

    def _abandon(self, _: Any) -> trio.lowlevel.Abort:
        self.settled, self._task = True, None
        return trio.lowlevel.Abort.SUCCEEDED

    def _settle(self, value: Any, error: BaseException | None) -> bool:
        if self.settled:
            self.late += 1
            self._inbox.late_replies += 1
            return False
        self.settled = True
        self._value, self._error = value, error
        if self._task is not None:
            trio.lowlevel.reschedule(self._task)
            self._task = None
        return True


class Call(Asked):
    """A user's message that wants a reply."""

    __slots__ = ()


@define(eq=False)
class Cast:
    """A message without a reply."""

    message: Any


@frozen
class Info:
    """System lane: a Down, or what a timer sends."""

    message: Any


@frozen
class Tick:
    """System lane: tell the supervisor that messages are being handled."""

    message: None = None


class StopOrder(Asked):
    """System lane: end after the message that is being handled. The end is the answer.

    `message` is the detail, a str.
    """

    __slots__ = ()

    def refuse(self, why: Callable[[], BaseException]) -> None:
        """That nobody is there any more is what was asked for."""
        if not self.settled:
            self._settle(None, None)


class Inspect(Asked):
    """System lane: report the status. `message` is None."""

    __slots__ = ()


class Suspend(Asked):
    """System lane: handle system messages only (`message` True), or all again (False)."""

    __slots__ = ()


class Replace(Asked):
    """System lane: change the state from outside. `message` does it to the actor."""

    __slots__ = ()


SystemMessage = Info | Tick | StopOrder | Inspect | Suspend | Replace
Envelope = Call | Cast | SystemMessage
