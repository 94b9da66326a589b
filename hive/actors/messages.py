"""The closed set of what travels through an actor's mailbox.

Those with a reply are its slot, and those of the user lane are mutable: one object each, made
quickly, because they are what an actor's speed consists of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import trio
from attrs import define, frozen

from hive.actors.slot import Slot

if TYPE_CHECKING:
    from hive.actors.actor import Actor
    from hive.actors.inbox import Inbox


class Call(Slot[Any]):
    """A message whose sender, and nobody else, waits for the reply; the reply slot itself."""

    __slots__ = ("_inbox", "_task", "deadline", "message")

    def __init__(self, message: object, inbox: Inbox, deadline: float) -> None:
        self.late = 0
        self.settled = False
        self.message = message
        self.deadline = deadline
        self._value = self._error = None
        self._task: trio.lowlevel.Task | None = None
        self._inbox = inbox

    async def wait(self) -> Any:
        """The reply; raises what the slot was failed with. An end without one abandons it."""
        if not self.settled:
            self._task = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._abandon)
        if self._error is not None:
            raise self._error
        return self._value

    def expire(self) -> None:
        """Nobody waits any more: a reply from now on is late, and is counted."""
        if not self.settled:
            self._settle(None, trio.TooSlowError(f"no answer from {self._inbox.name} in time"))

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


@define(eq=False)
class Cast:
    """A message without a reply."""

    message: Any


@frozen
class Info:
    """System lane: a Down, or what a timer sends."""

    message: Any


@frozen
class StopOrder:
    """System lane: end after the message that is being handled."""

    detail: str


@frozen
class Tick:
    """System lane: tell the supervisor that messages are being handled."""


class Inspect(Slot[Any]):
    """System lane: report the status."""

    __slots__ = ()


class Suspend(Slot[None]):
    """System lane: handle system messages only (`on`), or all again."""

    __slots__ = ("on",)

    def __init__(self, on: bool) -> None:
        super().__init__()
        self.on = on


class Replace(Slot[object]):
    """System lane: change the state from outside."""

    __slots__ = ("change",)

    def __init__(self, change: Callable[[Actor], None]) -> None:
        super().__init__()
        self.change = change


Request = Inspect | Suspend | Replace
Envelope = Call | Cast | Info | StopOrder | Tick | Request
