"""What happened, as values: one class for each thing, each with a one-line text."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

from attrs import frozen

from hive.actors.exits import Exit, ExitKind
from hive.supervisors.errors import cause_chain, cause_text

log = logging.getLogger("hive.supervisors")
LINE_LIMIT = 500
SINK_CAPACITY = 4096
PAST_EVENTS = 32
"""How many events a supervisor remembers of each child."""
PAST_LINE_LIMIT = 300


@frozen
class Event:
    """Base of all events: the path of the child, and when (Trio time)."""

    path: str
    at: float

    @property
    def severity(self) -> int:
        """A level of the logging module."""
        return logging.INFO

    def line(self) -> str:
        """One line of printable text; safe for a terminal."""
        return one_line(f"{self.path}: {safe_text(self)}")

    def text(self) -> str:
        """What happened, without the path."""
        return type(self).__name__.lower()


@frozen
class Started(Event):
    """ready() was called."""

    incarnation: int

    def text(self) -> str:
        return f"started (incarnation {self.incarnation})"


@frozen
class Exited(Event):
    """An incarnation is gone, after `lived` seconds since its start.

    `messages`: the last ones of a child that offers them (Context.on_report) and did not end well.
    """

    incarnation: int
    exit: Exit
    lived: float = 0.0
    messages: tuple[str, ...] = ()

    @property
    def severity(self) -> int:
        return logging.INFO if self.exit.clean else logging.ERROR

    def text(self) -> str:
        return exit_text(self.exit)


@frozen
class Restarting(Event):
    """It will be started again at `until`; `failures` in a row so far."""

    until: float
    failures: int

    severity = logging.WARNING

    def text(self) -> str:
        return f"restart in {max(0.0, self.until - self.at):.1f} s (failure {self.failures})"


@frozen
class Parked(Event):
    """Sleeps until `until`, or until somebody unparks it."""

    reason: str
    until: float | None

    severity = logging.WARNING

    def text(self) -> str:
        if self.until is None:
            return f"parked: {self.reason}"
        return f"parked for {max(0.0, self.until - self.at):.1f} s: {self.reason}"


@frozen
class Unparked(Event):
    """Leaves the park; `by` is "time" or "operator"."""

    by: str

    def text(self) -> str:
        return f"unparked by {self.by}"


@frozen
class Silent(Event):
    """No tick for `seconds`; nothing is done about it, as its spec says."""

    seconds: float

    severity = logging.WARNING

    def text(self) -> str:
        return f"silent for {self.seconds:.1f} s"


@frozen
class Suspended(Event):
    """The operator halts it, until resumed."""

    def text(self) -> str:
        return "suspended"


@frozen
class Resumed(Event):
    """It goes on."""


@frozen
class Reconfigured(Event):
    """A supervisor has new flags and child specs; `added` are not started, `kept` not in them."""

    added: tuple[str, ...]
    kept: tuple[str, ...]

    def text(self) -> str:
        return f"reconfigured; new: {', '.join(self.added)}; kept: {', '.join(self.kept)}"


@frozen
class Overdue(Event):
    """Was cancelled `grace` seconds ago and still lives; no new incarnation until it is gone."""

    grace: float

    severity = logging.ERROR

    def text(self) -> str:
        return f"overdue: still alive {self.grace:.1f} s after it was cancelled"


@frozen
class Escalated(Event):
    """A supervisor gave up; `cause` holds the whole chain of causes."""

    cause: BaseException

    severity = logging.CRITICAL

    def text(self) -> str:
        return "gave up: " + " <- ".join(cause_text(one) for one in cause_chain(self.cause))


@frozen
class Stopping(Event):
    """A supervisor begins its ordered stop."""

    detail: str

    def text(self) -> str:
        return f"stopping: {self.detail}"


@frozen
class Unstopped(Event):
    """The root's report of who did not stop."""

    paths: tuple[str, ...]

    severity = logging.CRITICAL

    def text(self) -> str:
        return f"did not stop: {', '.join(self.paths)}"


Sink = Callable[[Event], None]


def log_sink(event: Event) -> None:
    """The default sink: one line to the logger `hive.supervisors`."""
    log.log(event.severity, "%s", event.line())


def deliver(sink: Sink, event: Event) -> None:
    """Hand an event to a sink; a sink that raises harms nobody and is logged."""
    try:
        sink(event)
    except Exception:
        log.exception("event sink failed; the event was: %s", event.line())


class ThreadSink:
    """Hands events to `sink` in order, in a thread; while `capacity` wait, further ones are lost.

    `lost` counts them. Call close() at the end; a later event begins anew. The sink must not call a
    supervisor: Trio is in another thread.
    """

    def __init__(self, sink: Sink, *, capacity: int = SINK_CAPACITY) -> None:
        self.lost = 0
        self._sink = sink
        self._queue: queue.Queue[Event | None] = queue.Queue(capacity)
        self._thread: threading.Thread | None = None

    def __call__(self, event: Event) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="event-sink", daemon=True)
            self._thread.start()
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            self.lost += 1

    def close(self, timeout: float = 1.0) -> bool:
        """Wait until all is delivered, at most `timeout` seconds; whether it was."""
        if self._thread is None:
            return True
        try:
            self._queue.put(None, timeout=timeout)
        except queue.Full:
            return False
        self._thread.join(timeout)
        if self._thread.is_alive():
            return False
        self._thread = None
        return True

    def _work(self) -> None:
        while (event := self._queue.get()) is not None:
            deliver(self._sink, event)


def safe_text(event: Event) -> str:
    """The text of an event, also of one that cannot be printed."""
    try:
        return event.text()
    except Exception as broken:
        return f"{type(event).__name__.lower()} <text unavailable: {type(broken).__name__}>"


def exit_text(ended: Exit) -> str:
    """How an incarnation ended, in words."""
    said = f": {ended.detail}" if ended.detail else ""
    if ended.kind is ExitKind.CRASHED and ended.detail:
        return f"crashed{said}"
    if ended.kind is ExitKind.CRASHED:
        return f"crashed: {cause_text(ended.error)}"
    if ended.kind is ExitKind.SHUTDOWN and ended.error is not None:
        return f"stopped{said}, but raised {cause_text(ended.error)}"
    words = {ExitKind.NORMAL: "ended", ExitKind.SHUTDOWN: "stopped", ExitKind.IGNORED: "declined"}
    return f"{words.get(ended.kind, 'parked')}{said}"


def one_line(text: str, limit: int = LINE_LIMIT) -> str:
    """Printable, without line breaks or control characters, cut at `limit` characters."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    if cut.isprintable():
        return cut
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)


@frozen
class PastEvent:
    """One line of a child's history; keeps no exception and no frame.

    `at` is a Trio time, `event` the name of the event's class in lower case, `incarnation` counts
    from 1. `text` is printable and at most PAST_LINE_LIMIT characters long, but untrusted.
    """

    at: float
    event: str
    incarnation: int
    text: str


def remember(
    history: tuple[PastEvent, ...], event: Event, incarnation: int
) -> tuple[PastEvent, ...]:
    """The history with one more event; beyond PAST_EVENTS the oldest is forgotten."""
    line = one_line(safe_text(event), PAST_LINE_LIMIT)
    one = PastEvent(event.at, type(event).__name__.lower(), incarnation, line)
    return (*history[1 - PAST_EVENTS :], one)
