"""The terminal closes, nobody reads, the disk takes no output: a hive goes on, and stops whole."""

import fcntl
import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.running import HIVE, START_S, RunningHive, processes_of, scrubbed

F_SETPIPE_SZ = 1031
ENVIRONMENT = scrubbed(ANTHROPIC_API_KEY="never-used")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., RunningHive]]:
    """Start `hive up` with whatever streams, and wait until it answers."""
    hive = RunningHive(tmp_path / "hive", ENVIRONMENT)

    def begin(*before: str | Path, **streams: int) -> RunningHive:
        command = [*before, HIVE, "up", "--root", hive.root, "--web", "127.0.0.1:0"]
        hive.process = subprocess.Popen(command, env=ENVIRONMENT, start_new_session=True, **streams)  # type: ignore[call-overload]
        deadline = time.monotonic() + START_S
        while (done := hive.run("status")).returncode != 0:
            assert time.monotonic() < deadline, done.stderr
        hive.wait_agent("manager", lambda agent: agent["connected"])
        return hive

    yield begin
    hive.clean_up()


def nothing_is_left(hive: RunningHive) -> None:
    assert hive.process is not None
    assert hive.process.wait(60) == 0
    assert list(processes_of(str(hive.root))) == []


def test_a_pipe_that_nobody_reads_holds_up_nothing(start: Callable[..., RunningHive]) -> None:
    reader, writer = os.pipe()
    size = fcntl.fcntl(writer, F_SETPIPE_SZ, 4096)
    os.write(writer, b"x" * size)
    hive = start(stdin=subprocess.DEVNULL, stdout=writer, stderr=writer)
    os.close(writer)
    # A reader that goes away ends a command as SIGPIPE would.
    line = f"{HIVE} events --root {hive.root} --follow | head -n 1; exit ${{PIPESTATUS[0]}}"
    follower = subprocess.Popen(
        ["bash", "-c", line], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert follower.stdout is not None and follower.stdout.readline()
    hive.ok("suspend", "manager")
    hive.ok("resume", "manager")
    assert follower.communicate(timeout=60) == (b"", b"") and follower.returncode == 141
    hive.process.send_signal(signal.SIGTERM)
    nothing_is_left(hive)
    os.close(reader)


def test_the_end_of_the_terminal_stops_all_of_it(start: Callable[..., RunningHive]) -> None:
    master, terminal = pty.openpty()
    # setsid --ctty makes the terminal that of the session, so that its end is told by the kernel.
    hive = start("setsid", "--ctty", "--wait", stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    os.close(master)
    nothing_is_left(hive)


def test_with_nohup_and_no_reader_it_goes_on_until_it_is_told(
    start: Callable[..., RunningHive],
) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    reader, writer = os.pipe()
    os.close(reader)
    hive = start("nohup", stdin=subprocess.DEVNULL, stdout=full, stderr=writer)
    os.close(full)
    os.close(writer)
    hive.process.send_signal(signal.SIGHUP)
    hive.process.send_signal(signal.SIGUSR1)
    hive.ok("restart", "manager")
    hive.process.send_signal(signal.SIGTERM)
    nothing_is_left(hive)
