"""The context: what a child is given, and the only way in which it talks to its supervisor."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import trio

from hive.actors.exits import Exit, Park
from hive.actors.host import ChildListener
from hive.supervisors.events import Event, log, one_line

LAST_MESSAGES = 16
MESSAGE_LIMIT = 200  # characters


class Context:
    """What a child is called with: `async def child(ctx: Context) -> None`.

    It belongs to one incarnation. A child calls ready() when it works, tick() if it has a watchdog,
    and ends soon after `stop_requested` is set or it is cancelled. `path` is its place in the tree,
    such as "hive/store"; `incarnation` counts from 1. All methods but wait_resumed() are
    synchronous; those of the last section are for the supervisor.
    """

    __slots__ = (
        "_init_timeout",
        "_listener",
        "_on_event",
        "_on_ready",
        "_on_stuck",
        "_on_suspend",
        "_on_unpark",
        "_renewed",
        "_report",
        "_resumed",
        "_watchdog",
        "began_at",
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
        on_unpark: Callable[[], None] | None = None,
    ) -> None:
        self.path = path
        self.incarnation = incarnation
        self.stop_requested = trio.Event()
        self.ready_at: float | None = None
        self.last_tick: float | None = None
        self.note_text: str | None = None
        self.began_at = trio.current_time()
        self.silent_until = self.began_at + init_timeout
        self._init_timeout = init_timeout
        self._renewed = False
        self._watchdog = math.inf if watchdog is None else watchdog
        self._on_ready = on_ready
        self._on_event = on_event
        self._on_stuck = on_stuck
        self._on_unpark = on_unpark
        self._listener: ChildListener | None = None
        self._on_suspend: Callable[[bool], None] | None = None
        self._report: Callable[[], Iterable[object]] | None = None
        self._resumed: trio.Event | None = None

    def ready(self, value: object = None) -> None:
        """Say that init is over and the child works; the next sibling starts now.

        `value` is what start_child() or restart_child() returns. Further calls are ignored.
        """
        if self.ready_at is not None:
            return
        self.ready_at = trio.current_time()
        self.silent_until = self.ready_at + self._watchdog
        if self._on_ready is not None:
            self._on_ready(value)

    def tick(self) -> None:
        """Say that the child is alive: resets its watchdog, which is armed at ready()."""
        self.last_tick = trio.current_time()
        self._renewed = False
        if self.ready_at is not None:
            self.silent_until = self.last_tick + self._watchdog

    def extend(self, seconds: float) -> None:
        """Ask for `seconds` from now: until the next tick() or, during init, until ready()."""
        self.silent_until = max(self.silent_until, trio.current_time() + seconds)

    def note(self, text: str | None) -> None:
        """Set one line for the snapshot that says what the child does, or why; None: nothing."""
        self.note_text = text

    def emit(self, event: Event) -> None:
        """Send an event to the sink of the tree."""
        if self._on_event is not None:
            self._on_event(event)

    @property
    def allowed_silence(self) -> float:
        """How many seconds of silence are allowed now; math.inf: any number."""
        return self._init_timeout if self.ready_at is None else self._watchdog

    def on_report(self, messages: Callable[[], Iterable[object]]) -> None:
        """Offer the last messages, oldest first, for the report of a crash.

        `messages` is called once, if this incarnation ends badly; each of its objects becomes one
        line by str().
        """
        self._report = messages

    @property
    def suspended(self) -> bool:
        """Whether the operator has suspended this child; see wait_resumed()."""
        return self._resumed is not None

    async def wait_resumed(self) -> None:
        """Wait while the child is suspended: call it between two pieces of work."""
        if self._resumed is None:
            await trio.lowlevel.checkpoint()
        while self._resumed is not None:
            await self._resumed.wait()

    def on_suspend(self, halt: Callable[[bool], None]) -> None:
        """Be told of a suspend instead of waiting: `halt(True)` to halt, `halt(False)` to go on.

        `halt` must not block; what it raises is logged. It is called at once if the child is
        suspended already.
        """
        self._on_suspend = halt
        if self.suspended:
            self._tell_suspend(True)

    def attach(self, listener: ChildListener) -> bool:
        """Be told of the stop, the end and the parks of this incarnation, as actors are.

        Returns False if this context has nobody who would tell; then wait for `stop_requested`.
        """
        self._listener = listener
        return self._on_unpark is not None

    def unpark(self) -> None:
        """End the park that followed this incarnation, if it still lasts."""
        if self._on_unpark is not None:
            self._on_unpark()

    # -- for its supervisor

    def request_stop(self) -> None:
        """Ask the child to end."""
        self.stop_requested.set()
        if self._listener is not None:
            self._listener.stop()

    def tell_end(self, how: Exit, park: Park | None) -> None:
        """Tell the listener that the incarnation has ended; `park` if one followed, else None."""
        if self._listener is not None:
            self._listener.end(how, park)

    def tell_park(self, park: Park | None) -> None:
        """Tell the listener, after the end, of a park; None: the child will not be started."""
        if self._listener is not None:
            self._listener.park(park)

    def renew_once(self) -> bool:
        """Grant the allowed silence once more, because the child could not run.

        Returns False, and grants nothing, when that was done since the last tick().
        """
        if self._renewed:
            return False
        self._renewed = True
        self.extend(self.allowed_silence)
        return True

    def suspend(self) -> None:
        """Halt the child, if it cooperates; its watchdog rests meanwhile."""
        if self._resumed is None:
            self._resumed = trio.Event()
            self._tell_suspend(True)

    def resume(self) -> None:
        """Let the child go on; its silence is counted from now."""
        if self._resumed is not None:
            self._resumed.set()
            self._resumed = None
            self.extend(self.allowed_silence)
            self._tell_suspend(False)

    def last_messages(self, *, wanted: bool) -> tuple[str, ...]:
        """Return what on_report() offers, as bounded lines, once; if that fails, a line about it.

        Empty if not `wanted`.
        """
        report, self._report = self._report, None  # or it would keep what has ended in memory
        if report is None or not wanted:
            return ()
        try:
            last = list(report())[-LAST_MESSAGES:]
            return tuple(one_line(str(one), MESSAGE_LIMIT) for one in last)
        except Exception as error:
            return (f"<no messages: {type(error).__name__}>",)

    def _tell_suspend(self, halted: bool) -> None:
        if self._on_suspend is None:
            return
        try:
            self._on_suspend(halted)
        except Exception:
            log.exception("%s: its on_suspend callback failed", one_line(self.path))

    def stuck(self) -> None:
        """Say, as a supervisor, that only overdue children remain to be waited for."""
        if self._on_stuck is not None:
            self._on_stuck()
