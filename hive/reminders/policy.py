"""What may be set, when it is due and what it says: pure functions; times in epoch seconds."""

import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime

from attrs import evolve, field, frozen

from hive.broker import BrokerError
from hive.rate import Rate, allowed
from hive.strict import must_be
from hive.wire.reminders import Reminder, ReminderState

MOST_AHEAD_S = 366 * 86400.0
MOST_TEXT = 100_000
"""Bytes of a reminder's text."""

SPILL_OVER = 4096
"""Bytes of a text above which it is delivered in a file."""

BATCH = 50
"""Most reminders of one agent that one transaction delivers; a send waits for one such batch."""

RETRY_AFTER_S = (10.0, 60.0, 300.0, 1800.0)
"""Between attempts; the one after the last of these is the last."""

LATE_S = 60.0
"""A delivery later than this is told so."""

_SHOWN = 500
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_EXAMPLE = "2027-01-31T09:00:00Z or 2027-01-31T09:00:00+01:00"


class BadReminder(BrokerError):
    """A field of the reminder cannot be; the text says what is allowed."""

    code = "bad_reminder"


class TooManyReminders(BrokerError):
    """Too many reminders of the agent wait, or it has set too many of late."""

    code = "too_many_reminders"


class NoSuchReminder(BrokerError):
    """Who asks has no reminder of that number in a state in which this could be done."""

    code = "no_such_reminder"


_COUNT = must_be("above 0", lambda count: count > 0)


@frozen
class ReminderLimits:
    """`[reminders]` of hive.toml: of each agent."""

    pending: int = field(default=50, validator=_COUNT)
    """How many may wait."""
    burst: int = field(default=10, validator=_COUNT)
    """How many may be set at once."""
    per_hour: float = field(default=30.0, validator=_COUNT)
    """How many may be set in an hour, in the long run."""


@frozen
class Pace:
    """What the rate limiter keeps of an agent: as of `at` it is `ahead` seconds ahead of its rate.

    Both instead of one time, so that a clock that was set back costs nothing.
    """

    ahead: float = 0.0
    at: float = 0.0


def take(pace: Pace, limits: ReminderLimits, now: float) -> Pace:
    """The pace after one more reminder; raises TooManyReminders, with the time of the next one.

    A clock that was set back costs nothing and gives nothing.
    """
    left = max(0.0, pace.ahead - max(0.0, now - pace.at))
    ahead, wait_s = allowed(left, 0.0, Rate(limits.burst, 3600 / limits.per_hour))
    if wait_s:
        wait = math.ceil(wait_s)
        raise TooManyReminders(
            f"you have set too many reminders lately: {limits.burst} at once and "
            f"{limits.per_hour:g} an hour are allowed. The next one is allowed in {wait} s, at "
            f"{iso(now + wait)}; one that recurs is better requested with `schedule`"
        )
    return Pace(ahead, now)


def check_pending(pending: int, limits: ReminderLimits) -> None:
    """Raise TooManyReminders when `pending` reminders wait and no more may."""
    if pending >= limits.pending:
        raise TooManyReminders(
            f"{pending} reminders of yours wait, at most {limits.pending} may: see "
            "list_reminders, and cancel_reminder what you no longer need"
        )


def due_time(delay_s: float | None, at: str | None, now: float) -> float:
    """When a reminder is due that is set `now`, after a delay or `at` a time in ISO 8601.

    Raises BadReminder unless exactly one is given, in the future and not too far ahead.
    """
    if (delay_s is None) == (at is None):
        raise BadReminder("give exactly one of delay_seconds and at")
    due = parse_at(at) if at is not None else now + (delay_s or 0.0)
    if at is not None and due <= now:
        raise BadReminder(f"at is {at[:40]!r}, which is past: it is {iso(now)} now")
    if not now < due <= now + MOST_AHEAD_S:
        raise BadReminder(
            f"a reminder is due in more than 0 seconds and at most {MOST_AHEAD_S:.0f} (366 days)"
        )
    return due


def parse_at(text: str) -> float:
    """Read a time in ISO 8601 with a zone; returns epoch seconds.

    Raises BadReminder, with what to write instead, for any other text.
    """
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError:
        raise BadReminder(f"at is {text[:40]!r}, no time in ISO 8601: write {_EXAMPLE}") from None
    if when.tzinfo is None:
        local = when.isoformat(timespec="seconds")
        raise BadReminder(
            f"at is {text[:40]!r}, without a time zone: write {local}Z for UTC, or with the "
            f"distance to UTC, {local}+01:00"
        )
    return when.timestamp()


def check_text(text: str) -> str:
    """Return the text; raises BadReminder if it is empty, too long, or no text to be stored."""
    if not text.strip():
        raise BadReminder("the message is empty: say what you want to be reminded of")
    if "\0" in text:
        raise BadReminder("the message contains a NUL character: give text only")
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise BadReminder(f"the message is not valid Unicode at character {error.start}") from None
    if size > MOST_TEXT:
        raise BadReminder(
            f"the message has {size} bytes, at most {MOST_TEXT} are allowed: write it to a file "
            "in your state folder and be reminded of its path"
        )
    return text


def check_file(name: str | None) -> str | None:
    """Return the name, None if there is none; raises BadReminder if no file may be called so."""
    if name is not None and not _FILE.fullmatch(name):
        raise BadReminder(
            f"file is {name[:40]!r}: give the name of a file without a folder, of up to 100 "
            "letters, digits, '.', '_' and '-'; it is written into your state/reminders"
        )
    return name


def file_for(reminder: Reminder) -> str | None:
    """The name of the file that gets the reminder's text; None if the message itself carries it."""
    if reminder.file is not None:
        return reminder.file
    return f"{reminder.id}.txt" if len(reminder.text.encode()) > SPILL_OVER else None


def body(reminder: Reminder, now: float, path: str | None) -> str:
    """The text of the message that reminds; `path` is the file with the reminder's text, if any."""
    late = now - reminder.due_at
    head = f"Your own reminder {reminder.id}, which you set at {iso(reminder.created_at)}"
    head += f" for {iso(reminder.due_at)}"
    head += f" (delivered {span(late)} late)" if late > LATE_S else ""
    if path is None:
        return f"{head}:\n{reminder.text}"
    start = reminder.text[:_SHOWN].rstrip()
    more = "" if start == reminder.text.rstrip() else "…"
    return f"{head}. Its text is in {path} and begins:\n{start}{more}"


def failed(reminder: Reminder, error: str, now: float) -> Reminder:
    """The reminder after an attempt that failed: to be tried again later, or by the operator."""
    attempts = reminder.attempts + 1
    after = evolve(reminder, attempts=attempts, error=error)
    if attempts > len(RETRY_AFTER_S):
        return evolve(after, state=ReminderState.FAILED)
    return evolve(after, retry_at=now + RETRY_AFTER_S[attempts - 1])


def next_due(times: Iterable[float]) -> float | None:
    """The earliest of these times; None if there is none."""
    return min(times, default=None)


def rank(count: int, percent: float) -> int:
    """The index of a percentile in `count` sorted values, by the nearest rank."""
    return max(0, math.ceil(count * percent / 100) - 1)


def iso(epoch: float) -> str:
    """A time (epoch seconds) in ISO 8601, to the second, in UTC.

    The bare number for a time that no calendar has.
    """
    try:
        return f"{datetime.fromtimestamp(epoch, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):
        return f"{epoch:.0f}"


def span(seconds: float) -> str:
    """A time span in its largest useful unit."""
    for size, unit in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
