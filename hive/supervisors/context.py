"""What a child is given: the only way in which it talks to its supervisor."""

from __future__ import annotations

import math
from collections.abc import Callable

import trio

from hive.supervisors.events import Event


class Context:
    """Belongs to one incarnation of one child. All methods are synchronous and never raise."""

    __slots__ = (
        "_on_event",
        "_on_ready",
        "_on_stuck",
        "_watchdog",
        "incarnation",
        "last_tick",
        "note_text",
        "path",
        "ready_at",
        "silent_until",
        "stop_requested",
    )

    def __init__(
        self,
        path: str,
        incarnation: int = 1,
        *,
        init_timeout: float = math.inf,
        watchdog: float | None = None,
        on_ready: Callable[[object], None] | None = None,
        on_event: Callable[[Event], None] | None = None,
        on_stuck: Callable[[], None] | None = None,
    ) -> None:
        self.path = path
        self.incarnation = incarnation
        self.stop_requested = trio.Event()
        self.ready_at: float | None = None
        self.last_tick: float | None = None
        self.note_text: str | None = None
        self.silent_until = trio.current_time() + init_timeout
        self._watchdog = math.inf if watchdog is None else watchdog
        self._on_ready = on_ready
        self._on_event = on_event
        self._on_stuck = on_stuck

    def ready(self, value: object = None) -> None:
        """Init is over; `value` goes to whoever started the child. Later calls are ignored."""
        if self.ready_at is not None:
            return
        self.ready_at = trio.current_time()
        self.silent_until = self.ready_at + self._watchdog
        if self._on_ready is not None:
            self._on_ready(value)

    def tick(self) -> None:
        """I am alive: resets the watchdog (armed at ready)."""
        self.last_tick = trio.current_time()
        if self.ready_at is not None:
            self.silent_until = self.last_tick + self._watchdog

    def extend(self, seconds: float) -> None:
        """Ask for `seconds` from now until the next tick, or until ready() during init."""
        self.silent_until = max(self.silent_until, trio.current_time() + seconds)

    def note(self, text: str | None) -> None:
        """One line for the snapshot: what it does, or why."""
        self.note_text = text

    def emit(self, event: Event) -> None:
        """Send an event to the sink of the tree."""
        if self._on_event is not None:
            self._on_event(event)

    def stuck(self) -> None:
        """For supervisors: everything that could be stopped is, but overdue children remain."""
        if self._on_stuck is not None:
            self._on_stuck()
