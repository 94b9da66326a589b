"""What follows a turn, over all outcomes."""

from hypothesis import given
from hypothesis import strategies as st

from hive.agents.policy import LONGEST_WAIT_S, OLDEST_EVENT_S, after_turn, event_time
from hive.wire import Outcome, TurnReport

NOW = 1_800_000_000.0
ANY_TIME = st.none() | st.floats(-1e12, 1e12)
ANY_RUN = st.integers(0, 10_000)
JITTER = st.floats(0, 1, exclude_max=True)
OWN_FAULT = (Outcome.FAILED, Outcome.CONTEXT_FULL)


@given(st.sampled_from(Outcome), st.text(max_size=2000), ANY_TIME, ANY_RUN, JITTER)
def test_only_completed_acknowledges_and_no_failure_retries_at_once(
    outcome: Outcome, detail: str, until: float | None, failures: int, jitter: float
) -> None:
    report = TurnReport(outcome, detail, until)
    verdict = after_turn(report, failures=failures, now=NOW, jitter=jitter)
    assert verdict.ack == (outcome is Outcome.COMPLETED)
    assert (verdict.park is not None) == verdict.count == (outcome in OWN_FAULT)
    if verdict.park is not None:
        assert NOW + 1 <= verdict.park.until <= NOW + LONGEST_WAIT_S * 1.25
        assert len(verdict.park.reason) <= 500
        assert verdict.failures == failures + 1


@given(st.sampled_from(Outcome), ANY_RUN)
def test_what_the_api_refuses_is_never_an_attempt_and_ends_no_run_of_failures(
    outcome: Outcome, failures: int
) -> None:
    verdict = after_turn(TurnReport(outcome), failures=failures, now=NOW, jitter=0.0)
    others = (Outcome.COMPLETED, Outcome.INTERRUPTED, *OWN_FAULT)
    assert verdict.limited == (outcome not in others)
    if verdict.limited:
        assert not verdict.count and verdict.failures == failures


def test_failures_wait_longer_each_time_up_to_a_cap() -> None:
    def wait(failures: int) -> float:
        report = TurnReport(Outcome.FAILED)
        verdict = after_turn(report, failures=failures, now=NOW, jitter=0.0)
        assert verdict.park is not None
        return verdict.park.until - NOW

    assert [wait(n) for n in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]


@given(st.floats())
def test_an_event_happened_within_a_day_or_now(said: float) -> None:
    at = event_time(said, NOW)
    assert NOW - OLDEST_EVENT_S <= at <= NOW
    assert at in (said, NOW)
