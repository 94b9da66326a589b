"""All errors that the API of actors raises."""

from __future__ import annotations

from hive.actors.exits import Exit, Park


class ActorError(Exception):
    """Base of all errors that this package raises."""


class NoActor(ActorError, LookupError):
    """No incarnation of that actor runs now: it backs off, is stopped, or was never started."""


class ActorParked(ActorError):
    """The actor is parked and takes no calls.

    `reason` is a text; `until` is a time of Trio's clock, None when only an unpark ends the park.
    """

    def __init__(self, name: str, park: Park) -> None:
        super().__init__(name, park)
        self.name = name
        self.reason = park.reason
        self.until = park.until

    def __str__(self) -> str:
        until = "it is unparked" if self.until is None else f"{self.until:.1f} of Trio's clock"
        return f"{self.name} is parked until {until}: {self.reason}"


class ActorDied(ActorError):
    """The actor ended before it answered; `exit` says how, and `__cause__` is what it raised."""

    def __init__(self, name: str, how: Exit) -> None:
        super().__init__(name, how)
        self.name = name
        self.exit = how
        self.__cause__ = how.error

    def __str__(self) -> str:
        return f"{self.name} ended ({self.exit.kind}) before it answered"


class CallingSelf(ActorError, RuntimeError):
    """An actor called, stopped or probed itself: it would wait for itself until the deadline."""


class MailboxFull(ActorError):
    """The bounded mailbox has no room: try later, or use cast(), which waits where it may."""


class MailboxClosed(ActorError):
    """The mailbox takes nothing more, because its actor has ended."""


class NameTaken(ActorError):
    """Another live or parked actor is registered under that name."""
