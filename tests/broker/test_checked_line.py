"""A line that an agent gives: one line, printable, bounded, or refused with the reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.broker import BadLine, BrokerError, checked_line


@given(st.text())
def test_a_line_is_one_line_without_control_characters(text: str) -> None:
    try:
        line = checked_line(text, "the status", 120)
    except BadLine as error:
        assert "at most 120" in str(error)
    else:
        assert line == line.strip() and len(line) <= 120
        assert line.isprintable()
        assert not line or any(word in text for word in line.split())


def test_a_line_that_is_needed_is_not_empty() -> None:
    assert checked_line("\n", "the status", 120) == ""
    with pytest.raises(BadLine, match="the label is empty"):
        checked_line("\n", "the label", 60, needed=True)
    assert issubclass(BadLine, BrokerError) and BadLine.code != BrokerError.code
