"""What follows a turn, over all outcomes."""

from hypothesis import given
from hypothesis import strategies as st

from hive.agents.policy import LONGEST_LIMIT_S, RESET_MARGIN_S, after_turn
from hive.wire import Outcome, TurnReport

NOW = 1_800_000_000.0
ANY_TIME = st.none() | st.floats(-1e12, 1e12)
ANY_RUN = st.integers(0, 10_000)
JITTER = st.floats(0, 1, exclude_max=True)


@given(st.sampled_from(Outcome), st.text(max_size=2000), ANY_TIME, ANY_RUN, JITTER)
def test_only_completed_acknowledges_and_nothing_else_retries_at_once(
    outcome: Outcome, detail: str, until: float | None, failures: int, jitter: float
) -> None:
    report = TurnReport(outcome, detail, until)
    verdict = after_turn(report, failures=failures, now=NOW, jitter=jitter)
    assert verdict.ack == (outcome is Outcome.COMPLETED)
    if outcome in (Outcome.COMPLETED, Outcome.INTERRUPTED):
        assert verdict.park is None and not verdict.count
        return
    assert verdict.park is not None
    assert NOW + 1 <= verdict.park.until <= NOW + LONGEST_LIMIT_S + 2 * RESET_MARGIN_S
    assert len(verdict.park.reason) <= 500
    assert verdict.failures == failures + 1


@given(st.sampled_from(Outcome))
def test_what_the_api_refuses_is_never_an_attempt(outcome: Outcome) -> None:
    verdict = after_turn(TurnReport(outcome), failures=0, now=NOW, jitter=0.0)
    assert verdict.count == (outcome in (Outcome.FAILED, Outcome.CONTEXT_FULL))


@given(st.floats(0, 7 * 86400), JITTER)
def test_a_limit_waits_for_its_reset_and_a_margin(later: float, jitter: float) -> None:
    report = TurnReport(Outcome.LIMITED, until=NOW + later)
    verdict = after_turn(report, failures=3, now=NOW, jitter=jitter)
    assert verdict.park is not None
    assert RESET_MARGIN_S <= verdict.park.until - (NOW + later) <= 2 * RESET_MARGIN_S


def test_failures_wait_longer_each_time_up_to_a_cap() -> None:
    def wait(failures: int) -> float:
        report = TurnReport(Outcome.OVERLOADED)
        verdict = after_turn(report, failures=failures, now=NOW, jitter=0.0)
        assert verdict.park is not None
        return verdict.park.until - NOW

    assert [wait(n) for n in range(8)] == [10, 20, 40, 80, 160, 320, 600, 600]
