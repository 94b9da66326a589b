"""When schedules run: cron in its zone over daylight saving, intervals, catching up."""

from datetime import UTC, datetime
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hive.schedules import BadSchedule, RecurrenceRule, policy

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]
CRONS = ["* * * * *", "*/5 * * * *", "30 2 * * *", "0 0 * * *", "59 23 31 12 *", "15 1,2,3 * * 0"]
RULES = st.builds(
    RecurrenceRule, cron=st.sampled_from(CRONS), zone=st.sampled_from(ZONES)
) | st.builds(RecurrenceRule, every_s=st.floats(60, 1e6))
MOMENTS = st.floats(NOW - 3e7, NOW + 3e7)


def at(text: str, zone: str = "Europe/Berlin", fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def local(epoch: float | None, zone: str = "Europe/Berlin") -> str:
    assert epoch is not None
    return datetime.fromtimestamp(epoch, ZoneInfo(zone)).isoformat(timespec="minutes")


def many(rule: RecurrenceRule, after: float, count: int) -> list[str]:
    found = policy.runs(rule, after)
    return [local(next(found), rule.zone) for _ in range(count)]


def test_the_lost_hour_runs_right_after_it() -> None:
    rule = RecurrenceRule("30 2 * * *", zone="Europe/Berlin")
    assert many(rule, at("2026-03-28T12:00"), 2) == [
        "2026-03-29T03:00+02:00",
        "2026-03-30T02:30+02:00",
    ]


def test_the_doubled_hour_runs_once() -> None:
    rule = RecurrenceRule("30 2 * * *", zone="Europe/Berlin")
    assert many(rule, at("2026-10-24T12:00"), 2) == [
        "2026-10-25T02:30+02:00",
        "2026-10-26T02:30+01:00",
    ]
    for minutes in (0, 29, 31, 59):  # asked anew in the second of the two hours
        again = at(f"2026-10-25T02:{minutes:02}", fold=1)
        assert many(rule, again, 1) == ["2026-10-26T02:30+01:00"]


def test_what_runs_all_the_time_goes_on_over_both_changes() -> None:
    rule = RecurrenceRule("*/30 * * * *", zone="Europe/Berlin")
    for day in ("2026-03-29T01:15", "2026-10-25T01:15"):
        found = policy.runs(rule, at(day))
        times = [next(found) for _ in range(8)]
        assert {later - earlier for earlier, later in pairwise(times)} == {1800}


def test_the_same_wall_time_all_year() -> None:
    rule = RecurrenceRule("0 9 * * 1-5", zone="America/New_York")
    found = policy.runs(rule, NOW)
    for _ in range(260):
        when = datetime.fromtimestamp(next(found), ZoneInfo("America/New_York"))
        assert (when.hour, when.minute) == (9, 0) and when.weekday() < 5


@given(RULES, MOMENTS)
@example(RecurrenceRule("30 2 * * *", zone="Europe/Berlin"), at("2026-10-25T02:30", fold=1))
def test_runs_only_go_forward(rule: RecurrenceRule, after: float) -> None:
    found, before = policy.runs(rule, after), after
    for _ in range(5):
        one = next(found)
        assert one > before
        before = one


@given(RULES, MOMENTS, st.floats(0, 86_400))
def test_asking_again_later_skips_nothing(rule: RecurrenceRule, after: float, later: float) -> None:
    """The plan does not depend on when it was asked for, but intervals count from their start."""
    first = policy.first(rule, after)
    assert first is not None
    if rule.cron is not None and after + later < first:
        assert policy.first(rule, after + later) == first


@settings(deadline=None, max_examples=50)
@given(RULES, MOMENTS, st.floats(-100, 4e5))
def test_one_run_makes_up_for_all_that_were_missed(
    rule: RecurrenceRule, plan: float, away: float
) -> None:
    next_at = policy.first(rule, plan)
    assert next_at is not None
    now = next_at + away
    run = policy.due(rule, next_at, now)
    if now < next_at:
        assert run is None, "never early"
        return
    assert run is not None and run.following is not None
    assert run.following > now, "what was done is not due again"
    later = takewhile(lambda one: one <= now, policy.runs(rule, next_at))
    expected = sum(1 for _ in islice(later, policy.MOST_COUNTED + 10_000))
    if rule.cron is not None:
        assert run.skipped == min(expected, policy.MOST_COUNTED)
    else:
        assert abs(run.skipped - expected) <= 1, "sums of floats round"


@given(RULES, MOMENTS, st.lists(st.floats(-0.9, 0.9), min_size=5, max_size=40))
def test_sub_second_changes_of_the_clock_double_and_lose_no_run(
    rule: RecurrenceRule, begin: float, jitter: list[float]
) -> None:
    """A loop that wakes at the plan, its clock off by less than a second each time."""
    next_at, fired = policy.first(rule, begin), []
    assert next_at is not None
    expected = policy.runs(rule, begin)
    for wrong in jitter:
        now = next_at + wrong
        run = policy.due(rule, next_at, now)
        if run is None:  # woke early: it sleeps the rest and looks again
            run = policy.due(rule, next_at, next_at)
        assert run is not None and run.skipped == 0 and run.following is not None
        fired.append(next_at)
        next_at = run.following
    for one in fired:
        assert abs(one - next(expected)) < 1e-3


def test_a_year_away_is_counted_up_to_a_bound() -> None:
    rule = RecurrenceRule("* * * * *")
    run = policy.due(rule, NOW, NOW + 365 * 86_400)
    assert run is not None and run.skipped == policy.MOST_COUNTED
    assert run.following == NOW + 365 * 86_400 + 60


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (RecurrenceRule(), "exactly one of cron and every_seconds"),
        (RecurrenceRule("* * * * *", 60.0), "exactly one"),
        (RecurrenceRule(every_s=59.9), "from 60 to"),
        (RecurrenceRule(every_s=1e9), "from 60 to"),
        (RecurrenceRule("* * * *"), "five fields"),
        (RecurrenceRule("* * * * * *"), "five fields"),
        (RecurrenceRule("61 * * * *"), "Bad minute"),
        (RecurrenceRule("0 0 31 2 *"), "day"),
        (
            RecurrenceRule("* * * * *", zone="Europe/Nowhere"),
            "IANA time zone such as Europe/Berlin",
        ),
        (RecurrenceRule("* * * * *", zone="../../etc/passwd"), "IANA"),
        (RecurrenceRule("* * * * *", zone="Europe"), "IANA"),
        (RecurrenceRule("* * * * *", zone=""), "IANA"),
        (RecurrenceRule("1," * 60 + "1 * * * *"), "at most 100"),
    ],
)
def test_what_cannot_run_is_refused(rule: RecurrenceRule, said: str) -> None:
    with pytest.raises(BadSchedule) as refused:
        policy.check(rule, NOW)
    assert said in str(refused.value)


FIELD = st.text("0123456789*/,-#LWMON", min_size=1, max_size=6)


@given(st.lists(FIELD, min_size=5, max_size=5).map(" ".join) | st.text(max_size=30))
@example("* * 1L/2 * *")
@example("* * * * 1L/2")
@example("* * * * 1#2/2")
@example("* * L-3 * *")
@example("* * " + "9" * 90 + " * *")
def test_any_expression_runs_or_is_explained(cron: str) -> None:
    try:
        policy.check(RecurrenceRule(cron), NOW)
    except BadSchedule as error:
        assert len(str(error)) < 300
    else:
        first = policy.first(RecurrenceRule(cron), NOW)
        assert first is not None and first > NOW
