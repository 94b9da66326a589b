"""Errors of the actors' API."""

from __future__ import annotations

from hive.actors.exits import Exit


class ActorError(Exception):
    """Base of all errors that this package raises."""


class NoActor(ActorError, LookupError):
    """No incarnation of that actor runs now."""


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
