"""When a schedule runs: functions of its rule and of times in epoch seconds; no clock, no disk.

Cron expressions mean what they mean to Debian's cron, daylight saving included: a run at a fixed
time that falls into the lost hour comes right after it, one in the doubled hour comes once.
"""

import math
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from attrs import frozen
from cronsim import CronSim, CronSimError

from hive.alarm import SET_BACK_S
from hive.broker import BrokerError

SHORTEST_S = 60.0
LONGEST_S = 366 * 86400.0
MOST_CRON = 100
MOST_COUNTED = 1000
"""Skipped runs are counted up to here; after that it is enough to know that they were many."""

PREVIEW = 3


class BadSchedule(BrokerError):
    """A field of the schedule cannot be; the text says what is allowed."""

    code = "bad_schedule"


class TooManySchedules(BrokerError):
    """Too many schedules of the agent are requested or active."""

    code = "too_many_schedules"


class NoSuchSchedule(BrokerError):
    """There is no schedule of that number in a state in which this could be done."""

    code = "no_such_schedule"


@frozen
class RecurrenceRule:
    """When a schedule runs: exactly one of `cron` (in the IANA zone `zone`) and `every_s`."""

    cron: str | None = None
    every_s: float | None = None
    zone: str = "UTC"

    def __str__(self) -> str:
        return f"every {self.every_s:g} s" if self.cron is None else f"{self.cron} ({self.zone})"


@frozen
class DueRun:
    """A run that is due: how many before it are skipped, and when the next one is."""

    skipped: int
    following: float | None


def check(rule: RecurrenceRule, now: float) -> None:
    """Raise BadSchedule, with what is allowed, unless the rule can be understood and ever runs."""
    if (rule.cron is None) == (rule.every_s is None):
        raise BadSchedule("give exactly one of cron and every_seconds")
    _zone(rule.zone)
    if rule.every_s is not None and not SHORTEST_S <= rule.every_s <= LONGEST_S:
        raise BadSchedule(
            f"every_seconds is {rule.every_s:g}: from {SHORTEST_S:.0f} to {LONGEST_S:.0f} (366 "
            "days) is allowed"
        )
    if rule.cron is not None and len(rule.cron.split()) != 5:
        raise BadSchedule(
            f"cron is {rule.cron[:40]!r}: write five fields, minute hour day month weekday, "
            "such as '30 9 * * 1-5'"
        )
    if first(rule, now) is None:
        raise BadSchedule(f"cron is {rule.cron!r}, which never comes: correct its day or month")


def first(rule: RecurrenceRule, after: float) -> float | None:
    """The first run after that moment, None if there is none.

    Raises BadSchedule for a rule that `check` refuses.
    """
    return next(runs(rule, after), None)


def preview(rule: RecurrenceRule, after: float) -> tuple[float, ...]:
    """The first PREVIEW runs after that moment."""
    return tuple(islice(runs(rule, after), PREVIEW))


def due(rule: RecurrenceRule, next_at: float, now: float) -> DueRun | None:
    """What to do about the run that is planned for `next_at`; None: it is not due yet.

    However many were missed, one run makes up for them.
    """
    if now < next_at:
        return None
    if rule.every_s is not None:
        skipped = math.floor((now - next_at) / rule.every_s)
        following = next_at + (skipped + 1) * rule.every_s
        return DueRun(skipped, following if following > now else following + rule.every_s)
    skipped = 0
    for at in islice(runs(rule, next_at), MOST_COUNTED):
        if at > now:
            return DueRun(skipped, at)
        skipped += 1
    return DueRun(skipped, first(rule, now))


def planned(rule: RecurrenceRule, next_at: float, last_at: float | None, now: float) -> float:
    """When the next run is: earlier than `next_at` if the wall clock was set back since.

    That is so if the last run lies ahead, or the next one by more than the interval.
    """
    last_is_ahead = last_at is not None and last_at > now + SET_BACK_S
    if last_is_ahead or (rule.every_s is not None and next_at > now + rule.every_s + SET_BACK_S):
        return min(next_at, first(rule, now) or next_at)
    return next_at


def runs(rule: RecurrenceRule, after: float) -> Iterator[float]:
    """Yield all runs after that moment, each later than the one before it.

    Raises BadSchedule for a rule that `check` refuses.
    """
    if rule.every_s is not None:
        while True:
            after += rule.every_s
            yield after
    for when in _occurrences(rule, after):
        at = when.timestamp()
        if at > after:  # a doubled hour comes to its fixed times only once
            after = at
            yield at


def _occurrences(rule: RecurrenceRule, after: float) -> Iterator[datetime]:
    cron = rule.cron or ""
    if len(cron) > MOST_CRON:
        raise BadSchedule(f"cron has {len(cron)} characters, at most {MOST_CRON} are allowed")
    start = datetime.fromtimestamp(after, _zone(rule.zone))
    try:
        yield from CronSim(cron, start)
    except CronSimError as error:
        raise BadSchedule(f"cron is {cron[:40]!r}: {error}") from None
    except (ArithmeticError, AssertionError, LookupError, TypeError, ValueError):
        raise BadSchedule(f"cron is {cron[:40]!r}, which cannot be understood") from None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadSchedule(
            f"zone is {name[:40]!r}: give an IANA time zone such as Europe/Berlin, or UTC"
        ) from None
