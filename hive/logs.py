"""The one way to a log: of many lines of one kind some, then how many were left out.

What a peer, a full disk or a fault repeats must not fill a log or hide the rest of it.
"""

import io
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TextIO

from attrs import define

from hive.output import Output
from hive.rate import Rate, allowed

RATE = Rate(burst=20, every=6.0)
"""Of one kind of line: 20 at once, then ten a minute."""

MOST_KINDS = 256
ACCEPT_SPACING_S = 60.0
LEFT_OUT = "more like this are left out for now"


@define
class _Kind:
    due: float = 0.0
    left_out: int = 0


class Lines(io.TextIOBase):
    """A stream of whole lines that a thread writes, so that a slow reader stops nobody."""

    def __init__(self, output: Output) -> None:
        self.output = output

    def write(self, text: str) -> int:
        self.output(text.removesuffix("\n"))
        return len(text)


class LimitedHandler(logging.StreamHandler[Any]):
    """A logging handler that writes no more than `rate` of one kind of line, and counts the rest.

    Lines of one kind have the same logger, level and template, as those of one call have. `stream`
    None is standard error. `now` gives the seconds of a clock that only grows.
    """

    def __init__(
        self,
        stream: TextIO | Lines | None = None,
        *,
        rate: Rate = RATE,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(stream)
        self._rate = rate
        self._now = now
        self._kinds: OrderedDict[tuple[str, int, str], _Kind] = OrderedDict()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._emit(record)
        except Exception:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """A log that complains about itself helps nobody."""

    def _emit(self, record: logging.LogRecord) -> None:
        kind = self._kind(record)
        kind.due, wait = allowed(kind.due, self._now(), self._rate)
        if wait == 0:
            left_out, kind.left_out = kind.left_out, 0
            if left_out:
                self._say(record, f"{left_out} lines like the next one were left out")
            super().emit(record)
            return
        kind.left_out += 1
        if kind.left_out == 1:
            self._say(record, LEFT_OUT)

    def close(self) -> None:
        """Write how many lines of each kind were left out, and flush."""
        kinds, self._kinds = self._kinds, OrderedDict()
        for (name, level, template), kind in kinds.items():
            if kind.left_out:
                text = f"{kind.left_out} lines were left out: {template:.100}"
                super().emit(logging.LogRecord(name, level, "", 0, text, None, None))
        if isinstance(self.stream, Lines):
            self.stream.output.flush()
        super().close()

    def _kind(self, record: logging.LogRecord) -> _Kind:
        template = str(record.msg)
        if template == "%s":  # the line says all itself
            template = record.getMessage()
        key = record.name, record.levelno, template
        kind = self._kinds.setdefault(key, _Kind())
        self._kinds.move_to_end(key)
        if len(self._kinds) > MOST_KINDS:
            self._kinds.popitem(last=False)
        return kind

    def _say(self, record: logging.LogRecord, text: str) -> None:
        super().emit(logging.LogRecord(record.name, record.levelno, "", 0, text, None, None))


class _Formatter(logging.Formatter):
    """Hides credentials in the whole line, tracebacks included."""

    redact: Callable[[str], str] = str

    def format(self, record: logging.LogRecord) -> str:
        return self.redact(super().format(record))


def set_up(form: str, *, level: int, stream: TextIO | None = None) -> None:
    """Send the log of this process to `stream`; None: to standard error, by a thread.

    `form` is the format of a line, as logging.Formatter takes it. A second call replaces what the
    first one set up.
    """
    handler = LimitedHandler(Lines(Output(2)) if stream is None else stream)
    handler.setFormatter(_Formatter(form))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("trio.serve_listeners").addFilter(_seldom())


def _seldom() -> "logging._FilterType":
    """Trio tells each failed accept with a traceback, ten times a second while descriptors are used
    up. It waits and goes on by itself: one line in ACCEPT_SPACING_S is enough."""
    last = -ACCEPT_SPACING_S

    def pass_some(record: logging.LogRecord) -> bool:
        nonlocal last
        if record.created - last < ACCEPT_SPACING_S:
            return False
        last = record.created
        record.exc_info = record.exc_text = None
        return True

    return pass_some


def redact_by(redact: Callable[[str], str]) -> None:
    """Pass each line of the log through `redact`, tracebacks included; needs set_up() before."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, _Formatter):
            handler.formatter.redact = redact
