"""What of a foreign program's output may reach the operator's terminal."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.cli.terminal import MOST_UNFINISHED, Sieve

PIECES = st.sampled_from(
    [
        "text ",
        "ä€",
        "\r\n",
        "\x07",
        "\x9b2J",
        "\x1b",
        "\x1b[31m",
        "\x1b[0;1m",
        "\x1b[2K",
        "\x1b[?25l",
        "\x1b[?2004h",
        "\x1b[6n",
        "\x1b[c",
        "\x1b[>0q",
        "\x1b]0;title\x07",
        "\x1b]52;c;Zm9v\x1b\\",
        "\x1b]8;;https://x\x07",
        "\x1bP$q\x1b\\",
        "\x1bc",
        "\x1b(0",
        "\x1bZ",
        "\x1b[",
        "\x1b]",
        "\\",
    ]
)
ALLOWED = re.compile(r"\x1b\[(?:[0-9;]*[ABCDGJKm]|\?25[hl])")


@given(st.lists(PIECES, max_size=12), st.data())
def test_only_text_colours_and_line_editing_pass_however_it_is_cut(
    pieces: list[str], data: st.DataObject
) -> None:
    raw = "".join(pieces).encode()
    whole = Sieve().sift(raw)
    assert not re.search(r"[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f]", ALLOWED.sub("", whole))
    at = data.draw(st.integers(0, len(raw)))
    sieve = Sieve()
    assert sieve.sift(raw[:at]) + sieve.sift(raw[at:]) == whole


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"a\x1b]0;title\x07b", "ab"),
        (b"\x1b]52;c;Zm9v\x1b\\b", "b"),
        (b"\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        (b"\x1b[6nask", "ask"),
        (b"\x1b\nnot swallowed", "\nnot swallowed"),
        ("ä\u009b6n".encode(), "ä6n"),
        (b"\xff", "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_examples(raw: bytes, shown: str) -> None:
    assert Sieve().sift(raw) == shown


def test_what_never_ends_is_not_kept_and_its_end_is_still_found() -> None:
    sieve = Sieve()
    assert sieve.sift(b"\x1b]0;") == ""
    for _ in range(3):
        assert sieve.sift(b"x" * MOST_UNFINISHED) == ""
    assert sieve.sift(b"\x1b") == ""
    assert sieve.sift(b"\\shown") == "shown"
