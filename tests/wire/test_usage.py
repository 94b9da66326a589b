from attrs import astuple
from hypothesis import given
from hypothesis import strategies as st

from hive.wire.turns import Usage

# Quarters are exact in binary, so that sums may be compared for equality.
DOLLARS = st.integers(-400, 400).map(lambda quarters: quarters / 4)
USAGES = st.builds(Usage, *[st.integers(-1000, 1000)] * 4, DOLLARS)


@given(USAGES, USAGES)
def test_usage_is_added_and_subtracted_field_by_field(one: Usage, other: Usage) -> None:
    both = one + other
    assert astuple(both) == tuple(a + b for a, b in zip(astuple(one), astuple(other), strict=True))
    assert both - other == one
    assert Usage() - one == Usage() - both + other


@given(USAGES, USAGES)
def test_usage_is_merged_field_by_field(one: Usage, other: Usage) -> None:
    larger = one.merged(other, max)
    assert astuple(larger) == tuple(map(max, astuple(one), astuple(other)))
    assert larger.merged(other, min) == other
