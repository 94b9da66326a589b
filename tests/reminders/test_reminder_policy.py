"""Reminders' decisions: how many, when, and what they say."""

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.reminders import BadReminder, ReminderLimits, TooManyReminders, policy
from hive.wire.reminders import Reminder, ReminderState

NOW = 1_800_000_000.0
LIMITS = st.builds(ReminderLimits, burst=st.integers(1, 20), per_hour=st.floats(1, 600))


def accepted(limits: ReminderLimits, times: list[float]) -> list[float]:
    pace, taken = policy.Pace(), []
    for now in times:
        try:
            pace = policy.take(pace, limits, now)
        except TooManyReminders:
            continue
        taken.append(now)
    return taken


@given(LIMITS, st.lists(st.floats(0, 600), max_size=80))
def test_no_window_holds_more_than_the_burst_and_the_rate(
    limits: ReminderLimits, gaps: list[float]
) -> None:
    times = [NOW + sum(gaps[: n + 1]) for n in range(len(gaps))]
    taken = accepted(limits, times)
    for start, first in enumerate(taken):
        for end, last in enumerate(taken[start:], start):
            allowed = limits.burst + (last - first) * limits.per_hour / 3600
            assert end - start + 1 <= allowed + 1e-3


@given(LIMITS)
def test_a_burst_is_allowed_and_the_next_when_the_error_says(limits: ReminderLimits) -> None:
    pace = policy.Pace()
    for _ in range(limits.burst):
        pace = policy.take(pace, limits, NOW)
    with pytest.raises(TooManyReminders) as refused:
        policy.take(pace, limits, NOW)
    wait = int(str(refused.value).partition("allowed in ")[2].partition(" s,")[0])
    assert policy.iso(NOW + wait) in str(refused.value)
    assert wait <= math.ceil(3600 / limits.per_hour) + 1
    policy.take(pace, limits, NOW + wait)
    if wait > 1:
        with pytest.raises(TooManyReminders):
            policy.take(pace, limits, NOW + wait - 1.01)


@given(LIMITS, st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_a_clock_that_is_set_back_gives_nothing(limits: ReminderLimits, moves: list[float]) -> None:
    back = [NOW - abs(sum(moves[:n])) for n in range(len(moves))]
    back.sort(reverse=True)
    assert len(accepted(limits, back)) <= limits.burst


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(9000, 1, 1)),
    st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m))),
)
def test_a_time_with_a_zone_is_that_moment(when: datetime, zone: timezone) -> None:
    aware = when.replace(tzinfo=zone)
    assert policy.parse_at(aware.isoformat()) == aware.timestamp()


@given(st.datetimes(datetime(1971, 1, 1), datetime(9000, 1, 1)))
def test_a_time_without_a_zone_is_refused_with_what_to_write(when: datetime) -> None:
    with pytest.raises(BadReminder, match="without a time zone") as refused:
        policy.parse_at(when.isoformat())
    advised = str(refused.value).partition("write ")[2].partition(" ")[0]
    assert policy.parse_at(advised) == when.replace(microsecond=0, tzinfo=UTC).timestamp()


@given(st.text() | st.from_regex(r"[0-9]{1,5}-?[0-9]{2}-?[0-9]{2}[T ]?[0-9:.]*(Z|[+-][0-9:]+)?"))
def test_any_text_is_a_time_or_explained(text: str) -> None:
    try:
        policy.due_time(None, text, NOW)
    except BadReminder as error:
        assert len(str(error)) < 300


@pytest.mark.parametrize(
    ("delay", "at", "said"),
    [
        (None, None, "exactly one of delay_seconds and at"),
        (5.0, "2027-01-31T09:00:00Z", "exactly one"),
        (0.0, None, "more than 0 seconds"),
        (-1.0, None, "more than 0 seconds"),
        (policy.MOST_AHEAD_S + 1, None, "at most"),
        (None, policy.iso(NOW - 1), "which is past: it is 2027-01-15T08:00:00Z now"),
        (None, "2127-01-31T09:00:00Z", "366 days"),
        (None, "tomorrow", "no time in ISO 8601: write 2027-"),
        (None, "2027-02-30T09:00:00Z", "no time in ISO 8601"),
        (None, "2027-01-31", "without a time zone: write 2027-01-31T00:00:00Z"),
    ],
)
def test_what_is_refused_says_what_is_right(delay: float | None, at: str | None, said: str) -> None:
    with pytest.raises(BadReminder) as refused:
        policy.due_time(delay, at, NOW)
    assert said in str(refused.value)


@pytest.mark.parametrize("text", ["", " \n", "a\0b", "\ud800", "x" * 100_001])
def test_texts_that_cannot_be_kept(text: str) -> None:
    with pytest.raises(BadReminder):
        policy.check_text(text)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/passwd", ".x", "ä", "a\n", "x" * 101])
def test_names_that_are_no_file_of_ours(name: str) -> None:
    with pytest.raises(BadReminder, match="without a folder"):
        policy.check_file(name)


def reminder(text: str = "water the plants", **more: object) -> Reminder:
    return Reminder(7, "ann", text, NOW, NOW + 60, NOW + 60, **more)  # type: ignore[arg-type]


def test_the_fifth_failure_is_the_last() -> None:
    one, now = reminder(), NOW + 60
    waits = []
    for _ in range(4):
        one = policy.failed(one, "why", now)
        assert one.state is ReminderState.PENDING and one.retry_at > now
        waits.append(one.retry_at - now)
        now = one.retry_at
    assert waits == sorted(waits)
    one = policy.failed(one, "why", now)
    assert (one.state, one.attempts, one.error) == (ReminderState.FAILED, 5, "why")


def test_what_a_reminder_says() -> None:
    said = policy.body(reminder(), NOW + 61, None)
    assert said == (
        "Your own reminder 7, which you set at 2027-01-15T08:00:00Z for 2027-01-15T08:01:00Z:\n"
        "water the plants"
    )
    assert "(delivered 2 h late)" in policy.body(reminder(), NOW + 60 + 7200, None)
    long = policy.body(reminder("äöü" * 2000), NOW + 60, "/agents/ann/state/reminders/7.txt")
    assert "is in /agents/ann/state/reminders/7.txt and begins:\näöü" in long
    assert len(long.encode()) < policy.SPILL_OVER


@given(st.integers(0, 5000))
def test_what_is_over_4_kib_spills(size: int) -> None:
    one = reminder("x" * size)
    assert policy.file_for(one) == ("7.txt" if size > 4096 else None)


@given(st.lists(st.integers(), min_size=1), st.sampled_from([50, 95]))
def test_the_percentile_is_one_of_the_values_with_enough_below(
    values: list[int], percent: int
) -> None:
    values.sort()
    found = values[policy.rank(len(values), percent)]
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert sum(value < found for value in values) * 100 < percent * len(values)
