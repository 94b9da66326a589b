"""Reports: the full form of an event, with its causes, ancestors and last messages.

The one-line form is Event.line(). What is in a report comes from children and their exceptions,
so it is untrusted: each line is made printable, redacted and cut.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator

from attrs import frozen

from hive.actors.exits import leaves
from hive.supervisors.errors import cause_chain, cause_text
from hive.supervisors.events import Escalated, Event, Exited, PastEvent, one_line, safe_text

CUT = "… (cut)"


@frozen
class Form:
    """The form and the bounds of a report.

    `depth` is how many causes are shown, `frames` how many stack frames of each, `line_limit` and
    `limit` the characters of a line and in all. `single_line` joins the lines by " | ". `redact` is
    given each line before it is written; when it raises, the line is left out.
    """

    depth: int = 8
    frames: int = 5
    line_limit: int = 300
    limit: int = 8_000
    single_line: bool = False
    redact: Callable[[str], str] | None = None


DEFAULT_FORM = Form()


def report(event: Event, form: Form = DEFAULT_FORM, *, history: tuple[PastEvent, ...] = ()) -> str:
    """Return the full text of an event; `history` is that of its child. Never raises."""
    try:
        lines = [_line(line, form) for line in _lines(event, form, history)]
    except Exception as error:  # a report must not cause the next incident
        lines = [_line(f"{type(event).__name__}: <no report: {type(error).__name__}>", form)]
    text = (" | " if form.single_line else "\n").join(lines)
    return text if len(text) <= form.limit else text[: max(0, form.limit - len(CUT))] + CUT


def _lines(event: Event, form: Form, history: tuple[PastEvent, ...]) -> Iterator[str]:
    yield f"{logging.getLevelName(event.severity)} {event.path}: {safe_text(event)}"
    *ancestors, _ = event.path.split("/")
    if ancestors:
        yield f"ancestors: {' > '.join(ancestors)}"
    if isinstance(event, Exited):
        yield f"incarnation {event.incarnation}, lived {event.lived:.3f} s"
    yield from _causes(event, form)
    if isinstance(event, Exited):
        yield from (f"last message: {message}" for message in event.messages)
    yield from (f"before: {one.at - event.at:.1f} s {one.event}: {one.text}" for one in history)


def _causes(event: Event, form: Form) -> Iterator[str]:
    error = event.exit.error if isinstance(event, Exited) else None
    if isinstance(event, Escalated):
        error = event.cause
    chain = cause_chain(error)
    for number, cause in enumerate(chain[: form.depth], 1):
        inner = list(leaves(cause))
        for leaf in inner[: form.depth]:
            yield f"cause {number}: {cause_text(leaf)}"
            yield from _frames(leaf, form.frames)
        if len(inner) > form.depth:
            yield f"cause {number}: … and {len(inner) - form.depth} more in its group"
    if len(chain) > form.depth:
        yield f"… and {len(chain) - form.depth} causes more"


def _frames(error: BaseException, count: int) -> Iterator[str]:
    for frame in traceback.extract_tb(error.__traceback__)[-count:] if count > 0 else ():
        yield f"  {frame.filename}:{frame.lineno} in {frame.name}"


def _line(text: str, form: Form) -> str:
    if form.redact is not None:
        try:
            text = form.redact(text)
        except Exception as error:
            return f"<redaction failed: {type(error).__name__}>"
    return one_line(text, form.line_limit)
