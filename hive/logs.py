"""The one way to a log: of many lines of one kind some, then how many were left out.

What a peer, a full disk or a fault repeats must not fill a log or hide the rest of it.
"""

import logging
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TextIO

from attrs import define

from hive.rate import Rate, allowed

RATE = Rate(burst=20, every=6.0)
"""Of one kind of line: 20 at once, then ten a minute."""

MOST_KINDS = 256
LEFT_OUT = "more like this are left out for now"


@define
class _Kind:
    due: float = 0.0
    left_out: int = 0


class LimitedHandler(logging.StreamHandler[TextIO]):
    """Writes lines to a stream; of one kind no more than `rate`, with a word about the rest.

    Lines are of one kind that come from one call: the same logger, level and template. `now` gives
    the seconds of a clock that only grows.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        rate: Rate = RATE,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(stream)
        self._rate = rate
        self._now = now
        self._kinds: OrderedDict[tuple[str, int, str], _Kind] = OrderedDict()

    def emit(self, record: logging.LogRecord) -> None:
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
        """At the end nothing is left unsaid."""
        kinds, self._kinds = self._kinds, OrderedDict()
        for (name, level, template), kind in kinds.items():
            if kind.left_out:
                text = f"{kind.left_out} lines were left out: {template:.100}"
                super().emit(logging.LogRecord(name, level, "", 0, text, None, None))
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


def set_up(form: str, *, level: int) -> None:
    """Send the process's log to standard error; a second call replaces what the first set up."""
    handler = LimitedHandler(sys.stderr)
    handler.setFormatter(_Formatter(form))
    logging.basicConfig(level=level, handlers=[handler], force=True)


def redact_by(redact: Callable[[str], str]) -> None:
    """Pass each line through `redact`, tracebacks included; only where `set_up` was called."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, _Formatter):
            handler.formatter.redact = redact
