"""The steps that bring any text onto one safe line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.text import escaped, flattened, one_line, shortened


@given(st.text(), st.integers(1, 600))
def test_one_line_is_printable_and_bounded(text: str, most: int) -> None:
    line = one_line(text, most)
    assert line.isprintable()
    assert len(line) <= most * 10  # an escape is at most ten characters for one
    if len(text) <= most and text.isprintable():
        assert line == text


@given(st.text())
def test_what_is_kept_is_not_escaped_and_the_rest_is_as_python_writes_it(text: str) -> None:
    shown = escaped(text, keep="\n\t")
    assert all(c.isprintable() or c in "\n\t" for c in shown)
    assert shown.count("\n") == text.count("\n")


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("", 1, ""), ("ab", 1, "…")],
)
def test_what_is_cut_ends_with_an_ellipsis(text: str, most: int, expected: str) -> None:
    assert shortened(text, most) == expected


def test_examples() -> None:
    assert flattened("  a\n\tb\u2028c ") == "a b c"
    assert escaped("a\x1b[2J\u202e\n") == "a\\x1b[2J\\u202e\\n"
    assert one_line("a\nb" * 3, 5) == "a\\nba…"
