"""Errors of the actors' API."""

from __future__ import annotations

from hive.actors.exits import Exit, Park


class ActorError(Exception):
    """Base of all errors that this package raises."""


class NoActor(ActorError, LookupError):
    """No incarnation of that actor runs now."""


class Parked(ActorError):
    """The actor sleeps until `until` (Trio time; None: until somebody unparks it)."""

    def __init__(self, name: str, park: Park) -> None:
        super().__init__(name, park)
        self.name = name
        self.reason = park.reason
        self.until = park.until

    def __str__(self) -> str:
        until = "it is unparked" if self.until is None else f"{self.until:.1f} of Trio's clock"
        return f"{self.name} is parked until {until}: {self.reason}"


class ActorDied(ActorError):
    """The actor ended before it answered; `exit` is how."""

    def __init__(self, name: str, how: Exit) -> None:
        super().__init__(name, how)
        self.name = name
        self.exit = how
        self.__cause__ = how.error

    def __str__(self) -> str:
        return f"{self.name} ended ({self.exit.kind}) before it answered"


class CallingSelf(ActorError, RuntimeError):
    """An actor called itself and would have waited for ever."""


class MailboxFull(ActorError):
    """The bounded mailbox has no room, and its policy is not to wait."""


class MailboxClosed(ActorError):
    """The mailbox takes nothing more."""


class NameTaken(ActorError):
    """Another live actor has that name."""
