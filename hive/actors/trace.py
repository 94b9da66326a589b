"""The last messages that an actor took, for a probe and for the report of a crash."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from attrs import frozen

from hive.actors.messages import Call, Cast, Envelope, Info

SHOWN = 200  # characters of one message


@frozen
class Handled:
    """One line of the trace: when (Trio time), which kind, and the message as the actor shows it.

    `message` is None for the system's own messages.
    """

    at: float
    kind: str
    message: str | None

    def __str__(self) -> str:
        """One line: the kind, and the message if it has one."""
        return self.kind if self.message is None else f"{self.kind} {self.message}"


class Trace:
    """A ring; it keeps the messages themselves and asks how to show them only when somebody looks.

    `length` 0 keeps none.
    """

    __slots__ = ("_length", "_ring", "taken")

    def __init__(self, length: int) -> None:
        self.taken = 0
        self._length = length
        self._ring: deque[tuple[float, type[Envelope], object]] | None = None  # the idle need none

    def add(self, now: float, envelope: Envelope) -> None:
        """Record a message; without its reply slot, which would keep its caller alive."""
        if self._ring is None:
            self._ring = deque(maxlen=self._length)
        self.taken += 1
        self._ring.append((now, type(envelope), envelope.message))

    def lines(self, describe: Callable[[object], str]) -> tuple[Handled, ...]:
        """The recent ones, oldest first."""
        return tuple(
            Handled(at, kind.__name__, _show(message, kind, describe))
            for at, kind, message in self._ring or ()
        )


def _show(message: object, kind: type[Envelope], describe: Callable[[object], str]) -> str | None:
    if kind not in (Call, Cast, Info):
        return None
    try:
        text = str(describe(message))
    except Exception as error:
        return f"<describe() raised {type(error).__name__}>"
    text = "".join(char if char.isprintable() else "�" for char in text[: SHOWN + 1])
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
