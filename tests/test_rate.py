from hypothesis import given
from hypothesis import strategies as st

from hive.rate import Rate, allowed


@given(st.integers(1, 100), st.floats(0.01, 3600), st.floats(0, 1e6))
def test_a_whole_burst_is_allowed_at_once_and_no_more(burst: int, every: float, now: float) -> None:
    rate, due = Rate(burst, every), 0.0
    for _ in range(burst):
        due, wait = allowed(due, now, rate)
        assert wait == 0
    due, wait = allowed(due, now, rate)
    assert abs(wait - every) < 1e-3
    assert allowed(due, now + wait, rate)[1] == 0
