"""What reaches the operator's terminal: a foreign program's output, and a whole screen."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fake_control import control
from support.running import HIVE, scrubbed

from hive.cli.terminal import MOST_UNFINISHED, OutputFilter
from hive.wire.daemon import Status
from hive.wire.states import AgentState
from hive.wire.tree import TreeNode

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
    whole = OutputFilter().passed(raw)
    assert not re.search(r"[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f]", ALLOWED.sub("", whole))
    at = data.draw(st.integers(0, len(raw)))
    output = OutputFilter()
    assert output.passed(raw[:at]) + output.passed(raw[at:]) == whole


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
    assert OutputFilter().passed(raw) == shown


def test_what_never_ends_is_not_kept_and_its_end_is_still_found() -> None:
    output = OutputFilter()
    assert output.passed(b"\x1b]0;") == ""
    for _ in range(3):
        assert output.passed(b"x" * MOST_UNFINISHED) == ""
    assert output.passed(b"\x1b") == ""
    assert output.passed(b"\\shown") == "shown"


class Terminal:
    """A real terminal of this size with a program in its foreground."""

    def __init__(self, *argv: str | Path, rows: int, columns: int, term: str = "xterm") -> None:
        self.master, slave = pty.openpty()
        self.resize(rows, columns)
        self.seen = b""
        self.program = subprocess.Popen(
            ["setsid", "--ctty", *argv],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=scrubbed(TERM=term),
        )
        os.close(slave)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def read_until(self, wanted: bytes) -> bytes:
        """All that has been shown since the last call; fails when `wanted` does not come."""
        deadline = time.monotonic() + 30
        while wanted not in self.seen:
            assert select.select([self.master], [], [], max(0, deadline - time.monotonic()))[0]
            self.seen += os.read(self.master, 4096)
        seen, self.seen = self.seen, b""
        return seen


@contextmanager
def terminal(
    *argv: str | Path, rows: int = 24, columns: int = 80, term: str = "xterm"
) -> Iterator[Terminal]:
    shown = Terminal(*argv, rows=rows, columns=columns, term=term)
    try:
        yield shown
    finally:
        shown.program.kill()
        shown.program.wait()
        os.close(shown.master)


FOREIGN = """
import os, signal, sys
def tell(*_):
    print("size", *os.get_terminal_size(), "end", flush=True)
signal.signal(signal.SIGWINCH, tell)
tell()
sys.exit(int(sys.stdin.readline()))
"""
LENDS = """
import sys
from hive.cli.terminal import run_at_terminal
sys.exit(run_at_terminal((sys.executable, "-c", sys.argv[1]), {}))
"""


def test_a_foreign_program_always_has_the_size_of_the_terminal() -> None:
    with terminal(sys.executable, "-c", LENDS, FOREIGN, rows=30, columns=90) as shown:
        assert b"size 90 30 end" in shown.read_until(b"end")
        for rows, columns in ((40, 120), (10, 20)):
            shown.resize(rows, columns)
            assert f"size {columns} {rows} end".encode() in shown.read_until(b"end")
        shown.type(b"7\r")
        shown.read_until(b"7")
        assert shown.program.wait(30) == 7


def status(_: object) -> Status:
    tree = TreeNode("hive", "supervisor", AgentState.RUNNING, 1.0)
    return Status(1, "/a/hive", 0, (), tree, notices=("x" * 100, "y\x1b[2J"))


def test_a_watched_status_has_a_screen_of_its_own_until_ctrl_c(tmp_path: Path) -> None:
    argv = (HIVE, "status", "--watch", "--root", tmp_path / "hive")
    with control(tmp_path / "hive", status) as asked, terminal(*argv, rows=6) as shown:
        first = shown.read_until(b"\x1b[J")
        assert first.startswith(b"\x1b[?1049h") and b"Hyperhive in /a/hive" in first
        assert b"no agents yet" in first and b"TREE" not in first, "five lines have room"
        assert b"\x1b[2J" not in first
        shown.resize(24, 80)
        assert b"TREE" in shown.read_until(b"running")
        shown.type(b"\x03")
        assert b"\x1b[?1049l" in shown.read_until(b"Aborted!")
        assert shown.program.wait(30) == 1
        assert len(asked) >= 2


def test_a_watched_status_is_plain_where_there_is_no_such_terminal(tmp_path: Path) -> None:
    argv = (HIVE, "status", "--watch", "--root", tmp_path / "hive")
    with control(tmp_path / "hive", status), terminal(*argv, term="dumb") as shown:
        shown.read_until(b"TREE")
        assert b"\x1b" not in shown.read_until(b"TREE")
