"""What follows a turn, over all outcomes."""

from hypothesis import given
from hypothesis import strategies as st

from hive.agents.policy import (
    LONGEST_WAIT_S,
    OLDEST_EVENT_S,
    UNKNOWN_WAITS_S,
    after_turn,
    event_time,
)
from hive.directory.record import LONGEST_TURN_PARK_S, bounded
from hive.wire.turns import Outcome, TurnReport, Usage

NOW = 1_800_000_000.0
ANY_TIME = st.none() | st.floats(-1e12, 1e12)
ANY_RUN = st.integers(0, 10_000)
JITTER = st.floats(0, 1, exclude_max=True)
BAD_BY_ITSELF = (Outcome.REFUSED, Outcome.CONTEXT_FULL)
NOT_KNOWN = (Outcome.FAILED, Outcome.SERVER_ERROR)
OWN_FAULT = (*BAD_BY_ITSELF, *NOT_KNOWN)
OUTAGES = (Outcome.OVERLOADED, Outcome.UNREACHABLE)
MAX_ATTEMPTS = 5


@given(st.sampled_from(Outcome), st.text(max_size=2000), ANY_TIME, ANY_RUN, JITTER, st.booleans())
def test_only_completed_acknowledges_and_no_failure_retries_at_once(
    outcome: Outcome, detail: str, until: float | None, failures: int, jitter: float, held: bool
) -> None:
    report = TurnReport(outcome, detail, until)
    decided = after_turn(report, failures=failures, now=NOW, jitter=jitter, held=held)
    shared = outcome is Outcome.SERVER_ERROR and held
    assert decided.ack == (outcome is Outcome.COMPLETED)
    assert (decided.park is not None) == decided.count == (outcome in OWN_FAULT and not shared)
    if decided.park is not None:
        longest = LONGEST_WAIT_S if outcome in BAD_BY_ITSELF else max(UNKNOWN_WAITS_S)
        assert NOW + 1 <= decided.park.until <= NOW + longest * 1.25
        assert len(decided.park.reason) <= 500
        assert decided.failures == failures + 1


@given(st.sampled_from(Outcome), ANY_RUN)
def test_what_the_api_refuses_is_never_an_attempt_and_ends_no_run_of_failures(
    outcome: Outcome, failures: int
) -> None:
    decided = after_turn(TurnReport(outcome), failures=failures, now=NOW, jitter=0.0)
    others = (Outcome.COMPLETED, Outcome.INTERRUPTED, *OWN_FAULT)
    assert decided.limited == (outcome not in (*others, *OUTAGES))
    if outcome not in others:
        assert not decided.count and decided.failures == failures


@given(st.sampled_from((*OUTAGES, Outcome.SERVER_ERROR)), ANY_RUN, JITTER, st.integers(1, 1 << 40))
def test_an_outage_counts_only_turns_that_had_an_answer(
    outcome: Outcome, failures: int, jitter: float, tokens: int
) -> None:
    def then(usage: Usage) -> tuple[bool, bool, bool]:
        report = TurnReport(outcome, usage=usage)
        after = after_turn(report, failures=failures, now=NOW, jitter=jitter, held=True)
        return after.limited, after.count, after.park is None

    assert then(Usage()) == (False, False, True)
    assert then(Usage(output_tokens=tokens)) == (True, False, True)


@given(st.sampled_from(NOT_KNOWN), st.lists(JITTER, min_size=5, max_size=5))
def test_an_outage_of_an_hour_that_nobody_tells_apart_kills_no_message(
    outcome: Outcome, jitters: list[float]
) -> None:
    now, failures, tried = NOW, 0, []
    for jitter in jitters:
        tried.append(now)
        decided = after_turn(TurnReport(outcome, "x"), failures=failures, now=now, jitter=jitter)
        assert decided.park is not None
        now, failures = decided.park.until, decided.failures
    assert tried[1] - tried[0] < 10, "a short disturbance is over soon"
    assert tried[MAX_ATTEMPTS - 1] - tried[0] > 1.5 * 3600


def test_a_turn_that_is_bad_by_itself_is_not_waited_for_long() -> None:
    def wait(failures: int) -> float:
        report = TurnReport(Outcome.REFUSED)
        decided = after_turn(report, failures=failures, now=NOW, jitter=0.0)
        assert decided.park is not None
        return decided.park.until - NOW

    assert [wait(n) for n in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]


@given(st.floats())
def test_an_event_happened_within_a_day_or_now(said: float) -> None:
    at = event_time(said, NOW)
    assert NOW - OLDEST_EVENT_S <= at <= NOW
    assert at in (said, NOW)


@given(st.sampled_from(NOT_KNOWN), st.integers(0, 8), JITTER, st.floats(-1e7, 1e7))
def test_a_stored_park_lasts_no_longer_than_a_turn_can_order_however_the_clock_was_set(
    outcome: Outcome, failures: int, jitter: float, later: float
) -> None:
    park = after_turn(TurnReport(outcome), failures=failures, now=NOW, jitter=jitter).park
    now = NOW + later
    kept = bounded(park, now)
    assert park is not None and kept is not None and park.until is not None
    assert kept.until == (park.until if later >= 0 else kept.until)
    assert kept.until is not None and kept.until <= now + LONGEST_TURN_PARK_S
