"""Why no daemon could be asked: none, a stale socket, one that is stopped, busy, full, foreign."""

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner, Result
from support.fake_control import control

import hive.cli.ask
from hive.cli import main, unreachable
from hive.cli.unreachable import why_unreachable
from hive.link import Credentials, LinkLimits, Session, connect, serve
from hive.paths import Paths
from hive.wire.codec import PROTOCOL
from hive.wire.daemon import Done
from hive.wire.frames import Hello, Welcome

LISTEN = """
import socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen(8)
print("up", flush=True)
time.sleep(60)
"""
LOCK = """
import fcntl, os, sys, time
fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)
print("up", flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = LinkLimits(hello=0.5)
    monkeypatch.setattr(hive.cli.ask, "connect", partial(connect, limits=limits))
    monkeypatch.setattr(hive.cli.ask, "REPEAT_S", 0.2)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths(tmp_path / "a root")
    paths.prepare()
    return paths


def command(paths: Paths, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*(arguments or ("agents",)), "--root", str(paths.root)])


@contextmanager
def process(program: str, path: Path) -> Iterator[int]:
    """A process that runs this program, when it has begun; its pid."""
    argv = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None and child.stdout.readline() == b"up\n"
            yield child.pid
        finally:
            child.kill()


def test_no_daemon_is_told_with_the_command_that_starts_it(paths: Paths, tmp_path: Path) -> None:
    for one in (paths, Paths(tmp_path / "nothing")):
        done = command(one)
        assert done.exit_code == 3
        assert f"no daemon runs in {one.root}" in done.output
        assert "`hive up --root " in done.output
    assert f"--root '{paths.root}'" in command(paths).output, "as the shell must have it"


def test_a_stale_socket_is_no_daemon(paths: Paths) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(paths.control))
    done = command(paths)
    assert done.exit_code == 3
    assert "left from an earlier one" in done.output and "hive up" in done.output


def test_a_root_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = command(Paths(tmp_path / "file"))
    assert done.exit_code in (2, 3) and "Traceback" not in done.output


@pytest.mark.parametrize("of", ["lock", "root"])
@pytest.mark.parametrize("stale", [True, False])
def test_a_daemon_that_has_the_root_but_no_socket_yet(paths: Paths, of: str, stale: bool) -> None:
    paths.lock.touch()
    if stale:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(paths.control))
    with process(LOCK, getattr(paths, of)) as pid:
        done = command(paths)
    assert done.exit_code == 4
    assert f"(pid {pid})" in done.output and "starting or stopping" in done.output
    assert command(paths).exit_code == 3


def test_a_stopped_daemon_is_told_as_stopped(paths: Paths) -> None:
    with process(LISTEN, paths.control) as pid:
        os.kill(pid, signal.SIGSTOP)
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)
        done = command(paths, "send", "ann", "hello")
    assert done.exit_code == 4
    assert f"the daemon (pid {pid}) is stopped" in done.output
    assert f"`kill -CONT {pid}`" in done.output


def test_a_daemon_that_does_not_answer_is_there(paths: Paths) -> None:
    with process(LISTEN, paths.control) as pid:
        done = command(paths)
    assert done.exit_code == 4
    assert f"the daemon (pid {pid}) runs, but does not answer" in done.output
    assert "hive down" in done.output and "no daemon" not in done.output


def test_a_daemon_whose_queue_is_full_is_there(paths: Paths) -> None:
    paths.lock.touch()
    waiting = []
    with socket.socket(socket.AF_UNIX) as sock, process(LOCK, paths.lock) as pid:
        sock.bind(str(paths.control))
        sock.listen(0)
        try:
            while True:
                waiting.append(socket.socket(socket.AF_UNIX))
                waiting[-1].setblocking(False)
                waiting[-1].connect(str(paths.control))
        except BlockingIOError:
            done = command(paths)
        finally:
            for one in waiting:
                one.close()
    assert done.exit_code == 4
    assert f"the daemon (pid {pid}) takes no connections" in done.output


def test_a_daemon_that_hangs_up_is_there(paths: Paths) -> None:
    with serving(paths, lambda listener: listener.accept()[0].close()):
        done = command(paths)
    assert done.exit_code == 4
    assert f"(pid {os.getpid()}) closed the connection" in done.output


@contextmanager
def serving(paths: Paths, serve_one: Callable[[socket.socket], None]) -> Iterator[None]:
    """Does that with each connection, in a thread."""

    def loop() -> None:
        try:
            while not ended:
                serve_one(sock)
        except OSError:
            pass

    ended: list[bool] = []
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(paths.control))
        sock.listen(8)
        thread = threading.Thread(target=loop)
        thread.start()
        try:
            yield
        finally:
            ended.append(True)
            sock.shutdown(socket.SHUT_RDWR)
            thread.join(5)


async def test_a_full_daemon_says_that_it_is_full(paths: Paths) -> None:
    async def accept(_: Hello, __: Credentials) -> Session:
        return Session()

    hello = Hello(PROTOCOL, "operator", "x")
    async with trio.open_nursery() as nursery:
        limited = partial(serve, limits=LinkLimits(connections=1))
        await nursery.start(limited, paths.control, accept)
        async with connect(paths.control, hello):
            with trio.fail_after(10):
                done = await trio.to_thread.run_sync(command, paths)
        nursery.cancel_scope.cancel()
    assert done.exit_code == 4
    assert "the daemon is full: it serves 1 connections already" in done.output


@pytest.mark.parametrize("newer", ["daemon", "command"])
def test_another_version_is_told_as_such(
    tmp_path: Path, newer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if newer == "daemon":
        monkeypatch.setattr(Session, "welcome", Welcome(PROTOCOL + 1))
    else:
        monkeypatch.setattr(hive.cli.ask, "PROTOCOL", PROTOCOL + 1)
    with control(tmp_path, lambda _: Done()) as asked:
        done = command(Paths(tmp_path))
    assert done.exit_code == 4 and asked == []
    assert "of another version of Hyperhive" in done.output
    assert "hive down" in done.output and "hive up" in done.output


def test_a_hive_of_another_user(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: Path) -> Credentials:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(unreachable, "listener_credentials", refused)
    text, code = why_unreachable(paths, PermissionError(errno.EACCES, "Permission denied"))
    assert code == 4
    assert f"belongs to {unreachable._user(os.geteuid())}" in text and "as that user" in text


def test_a_command_without_files_blames_itself(paths: Paths) -> None:
    text, code = why_unreachable(paths, OSError(errno.EMFILE, "Too many open files"))
    assert code == 1 and "ulimit -n" in text and "daemon" not in text
