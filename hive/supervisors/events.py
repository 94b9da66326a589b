"""Supervision events, and the sinks that take them.

What happens to children is told as values: a class for each kind of event, each with a one-line
text. In this file are also their one-line forms, and the history that a supervisor keeps.
"""

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
    """The base of all events. `path` is that of the child, `at` a time of Trio's clock."""

    path: str
    at: float

    @property
    def severity(self) -> int:
        """How bad it is, as a level of the logging module."""
        return logging.INFO

    def line(self) -> str:
        """Return path and text as one line of printable characters, safe for a terminal."""
        return one_line(f"{self.path}: {safe_text(self)}")

    def text(self) -> str:
        """Return what happened, without the path. It may hold text of the child's: untrusted."""
        return type(self).__name__.lower()


@frozen
class Started(Event):
    """The child called ready()."""

    incarnation: int

    def text(self) -> str:
        return f"started (incarnation {self.incarnation})"


@frozen
class Exited(Event):
    """An incarnation has ended, `lived` seconds after its start; `exit` says how.

    `messages` are the last ones of a child that offers them (Context.on_report) and ended badly.
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
    """The child will be started again at `until` (Trio time), after `failures` in a row."""

    until: float
    failures: int

    severity = logging.WARNING

    def text(self) -> str:
        return f"restart in {max(0.0, self.until - self.at):.1f} s (failure {self.failures})"


@frozen
class Parked(Event):
    """The child is parked until `until` (Trio time; None: until somebody unparks it)."""

    reason: str
    until: float | None

    severity = logging.WARNING

    def text(self) -> str:
        if self.until is None:
            return f"parked: {self.reason}"
        return f"parked for {max(0.0, self.until - self.at):.1f} s: {self.reason}"


@frozen
class Unparked(Event):
    """The child leaves its park; `by` is "time", "operator" or "message"."""

    by: str

    def text(self) -> str:
        return f"unparked by {self.by}"


@frozen
class Silent(Event):
    """There was no tick for `seconds`; nothing is done about it (`OnSilence.REPORT`)."""

    seconds: float

    severity = logging.WARNING

    def text(self) -> str:
        return f"silent for {self.seconds:.1f} s"


@frozen
class Suspended(Event):
    """The operator halts the child, until it is resumed."""

    def text(self) -> str:
        return "suspended"


@frozen
class Resumed(Event):
    """A suspended child goes on."""


@frozen
class Reconfigured(Event):
    """A supervisor has new flags or child specs.

    `added` are the ids of new children, which are not started; `kept` of those not named any more.
    """

    added: tuple[str, ...]
    kept: tuple[str, ...]

    def text(self) -> str:
        return f"reconfigured; new: {', '.join(self.added)}; kept: {', '.join(self.kept)}"


@frozen
class Overdue(Event):
    """The child was cancelled `grace` seconds ago and still lives.

    It gets no new incarnation until it is gone.
    """

    grace: float

    severity = logging.ERROR

    def text(self) -> str:
        return f"overdue: still alive {self.grace:.1f} s after it was cancelled"


@frozen
class Escalated(Event):
    """A supervisor gave up. `cause` is its error, see cause_chain()."""

    cause: BaseException

    severity = logging.CRITICAL

    def text(self) -> str:
        return "gave up: " + " <- ".join(cause_text(one) for one in cause_chain(self.cause))


@frozen
class Stopping(Event):
    """A supervisor begins its ordered stop; `detail` says why."""

    detail: str

    def text(self) -> str:
        return f"stopping: {self.detail}"


@frozen
class Unstopped(Event):
    """The root reports those that did not stop, by their paths."""

    paths: tuple[str, ...]

    severity = logging.CRITICAL

    def text(self) -> str:
        return f"did not stop: {', '.join(self.paths)}"


Sink = Callable[[Event], None]
"""Takes each event, in the supervisor's loop. It must not block; what it raises is logged."""


def log_sink(event: Event) -> None:
    """Log an event as one line to the logger `hive.supervisors`: the default sink."""
    log.log(event.severity, "%s", event.line())


def deliver(sink: Sink, event: Event) -> None:
    """Hand an event to a sink; what the sink raises is logged and harms nobody."""
    try:
        sink(event)
    except Exception:
        log.exception("event sink failed; the event was: %s", event.line())


class ThreadSink:
    """A sink for one that may block: hands events to it in order, in a thread of its own.

    While `capacity` events wait, further ones are lost; `lost` counts them. Call close() at the
    end; a later event starts a new thread. `sink` must not call a supervisor: Trio is in another
    thread.
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
        """Block until all is delivered, at most `timeout` seconds; returns whether it was."""
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
    """Return the text of an event; never raises, even if the text cannot be made."""
    try:
        return event.text()
    except Exception as broken:
        return f"{type(event).__name__.lower()} <text unavailable: {type(broken).__name__}>"


def exit_text(ended: Exit) -> str:
    """Return in words how an incarnation ended."""
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
    """Make a text one line of printable characters, cut at `limit` of them before escaping."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    if cut.isprintable():
        return cut
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)


@frozen
class PastEvent:
    """One event in a child's history, as text: it keeps no exception and no frame in memory.

    `at` is a time of Trio's clock, `event` the name of the event's class in lower case,
    `incarnation` counts from 1. `text` is printable and cut at PAST_LINE_LIMIT characters, but
    untrusted.
    """

    at: float
    event: str
    incarnation: int
    text: str


def remember(
    history: tuple[PastEvent, ...], event: Event, incarnation: int
) -> tuple[PastEvent, ...]:
    """Return the history with one more event; beyond PAST_EVENTS the oldest is forgotten."""
    line = one_line(safe_text(event), PAST_LINE_LIMIT)
    one = PastEvent(event.at, type(event).__name__.lower(), incarnation, line)
    return (*history[1 - PAST_EVENTS :], one)
