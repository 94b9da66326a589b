"""Output that nobody reads, or no disk takes, stops nobody and says nothing about itself."""

import fcntl
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.running import HIVE, scrubbed

from hive.logs import LimitedHandler, Lines
from hive.output import Output

F_SETPIPE_SZ = 1031


@pytest.fixture
def small_pipe() -> Iterator[tuple[int, int]]:
    """A pipe that is full after 4 KiB."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, F_SETPIPE_SZ, 4096)
    yield reader, writer
    os.close(reader)


def read_all(reader: int) -> str:
    with os.fdopen(os.dup(reader)) as file:
        return file.read()


def test_lines_come_in_their_order_and_flush_waits_for_them(small_pipe: tuple[int, int]) -> None:
    reader, writer = small_pipe
    output = Output(writer)
    for number in range(100):
        output(f"ä {number}")
    assert output.flush(10)
    output("a later one")
    assert output.flush(10)
    os.close(writer)
    lines = read_all(reader).splitlines()
    assert lines == [*(f"ä {n}" for n in range(100)), "a later one"]


def test_who_does_not_read_stops_nobody_and_is_told_what_was_lost(
    small_pipe: tuple[int, int],
) -> None:
    reader, writer = small_pipe
    output = Output(writer, capacity=10)
    for number in range(50):
        output(f"{number} {'x' * 1000}")
    assert not output.flush(0.05)
    seen: list[str] = []
    thread = threading.Thread(target=lambda: seen.append(read_all(reader)))
    thread.start()  # from here on somebody reads
    assert output.flush(10)
    output("more")
    assert output.flush(10)
    os.close(writer)
    thread.join(10)
    told = [line for line in seen[0].splitlines() if "lost" in line]
    lines = [line for line in seen[0].splitlines() if "lost" not in line]
    assert len(lines) <= 12 and lines[0].startswith("0 ") and lines[-1] == "more"
    assert sum(int(line[1:].split()[0]) for line in told) == 51 - len(lines)
    assert all(line.endswith(" lines lost: nobody read them)") for line in told)


def test_a_non_blocking_descriptor_loses_nothing(small_pipe: tuple[int, int]) -> None:
    reader, writer = small_pipe
    os.set_blocking(writer, False)
    output = Output(writer)
    for _ in range(20):
        output("x" * 1000)
    seen = b""
    while seen.count(b"\n") < 20:
        seen += os.read(reader, 65536)
    assert output.flush(10)
    os.close(writer)


@pytest.mark.parametrize("kind", ["full", "no reader", "closed"])
def test_what_cannot_be_written_is_lost_in_silence(
    kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    if kind == "full":
        descriptor = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, descriptor = os.pipe()
        os.close(reader)
    if kind == "closed":
        os.close(descriptor)
    output = Output(descriptor)
    handler = LimitedHandler(Lines(output))
    output("a line")
    handler.emit(logging.LogRecord("x", logging.INFO, "", 0, "a %s log", ("bad", "one"), None))
    assert output.flush(10)
    assert capfd.readouterr() == ("", "")


# What a shell makes of a command's end: (redirection, exit code, words on standard error).
ENDS = (
    ("--help >/dev/full", 1, "hive: the output is lost: No space left on device\n"),
    ("--help >/dev/full 2>&1", 1, ""),
    ("--help >&-", 0, ""),
    ("status --root /nonexistent/hive 2>/dev/full", 3, ""),
    ("status --root /nonexistent/hive 2>&-", 3, ""),
    ("status --root /nonexistent/hive <&- >&- 2>&-", 3, ""),
)


@pytest.mark.parametrize("unbuffered", [{}, {"PYTHONUNBUFFERED": "1"}])
@pytest.mark.parametrize(("line", "code", "says"), ENDS)
def test_a_command_ends_quietly(
    line: str, code: int, says: str, unbuffered: dict[str, str]
) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f"{HIVE} {line}"],
        env=scrubbed(**unbuffered),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (code, says)


@pytest.mark.parametrize("unbuffered", [{}, {"PYTHONUNBUFFERED": "1"}])
def test_a_reader_that_has_gone_ends_a_command_as_sigpipe_would(
    unbuffered: dict[str, str],
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [HIVE, "--help"], env=scrubbed(**unbuffered), stdout=writer, stderr=subprocess.PIPE
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_closed_descriptors_are_not_given_to_the_next_files(tmp_path: Path) -> None:
    script = (
        "import os; from hive.output import open_standard_streams; open_standard_streams(); "
        f"f = open({str(tmp_path / 'f')!r}, 'w'); print('lost'); f.write(str(f.fileno()))"
    )
    line = f'{sys.executable} -c "{script}" <&- >&- 2>&-'
    assert subprocess.run(["/bin/sh", "-c", line], timeout=60).returncode == 0
    assert int((tmp_path / "f").read_text()) > 2
