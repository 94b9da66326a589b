"""What a supervisor remembers of a child: its last events as lines, and nothing that lives."""

from __future__ import annotations

from attrs import frozen

from hive.supervisors.events import Event, one_line, safe_text

LENGTH = 32
LINE_LIMIT = 300


@frozen
class Past:
    """One line of history: when (Trio time), the name of the event, the incarnation, the text.

    The text is printable and bounded, but untrusted.
    """

    at: float
    event: str
    incarnation: int
    text: str


def remember(past: tuple[Past, ...], event: Event, incarnation: int) -> tuple[Past, ...]:
    """The history with one more event, the oldest forgotten; keeps no exception and no frame."""
    line = one_line(safe_text(event), LINE_LIMIT)
    one = Past(event.at, type(event).__name__.lower(), incarnation, line)
    return (*past[1 - LENGTH :], one)
