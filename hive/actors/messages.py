"""The closed set of what travels through an actor's mailbox.

Those with a reply are its slot, and those of the user lane are mutable: one object each, made
quickly, because they are what an actor's speed consists of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attrs import define, frozen

from hive.actors.slot import Slot

if TYPE_CHECKING:
    from hive.actors.actor import Actor
    from hive.actors.inbox import Inbox


class Call(Slot[Any]):
    """A message whose sender waits for the reply; the reply slot itself."""

    __slots__ = ("_inbox", "message")

    def __init__(self, message: object, inbox: Inbox) -> None:
        super().__init__()
        self.message = message
        self._inbox = inbox

    def abandon(self) -> None:
        """The caller has gone: a reply from now on is late, and is counted."""
        self.settled = True

    def _settle(self, value: Any, error: BaseException | None) -> bool:
        if not self.settled:
            return super()._settle(value, error)
        self.late += 1
        self._inbox.late_replies += 1
        return False


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
