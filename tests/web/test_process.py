"""`python -m web` as a process: refusals, its line, its ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fake_daemon import ThreadedDaemon, threaded_daemon
from support.web_process import ROOT, web_process

pytestmark = pytest.mark.usefixtures("page")

HANDSHAKE = (
    b"GET /ws?since=0 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
CLOSE_1012 = b"\x88\x11" + (1012).to_bytes(2, "big") + b"service restart"


@pytest.fixture
def daemon(folder: Path) -> Iterator[ThreadedDaemon]:
    with threaded_daemon(folder / "web.sock") as daemon:
        yield daemon


def run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "web", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--root", "/nowhere", "--bind", "0.0.0.0:8420"], "no login yet"),
        (["--root", "/nowhere", "--bind", "8420"], "127.0.0.1:8420"),
        (["--bind", "127.0.0.1:0"], "give either --socket or --root"),
    ],
)
def test_wrong_use_is_refused_with_2(arguments: list[str], says: str) -> None:
    ended = run(*arguments)
    assert ended.returncode == 2
    assert says in " ".join(ended.stderr.split())


def test_a_taken_port_is_refused_with_1(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = run("--root", folder, "--bind", bind)
    assert ended.returncode == 1
    assert bind in ended.stderr
    assert "Traceback" not in ended.stderr


def websocket_to(port: int) -> socket.socket:
    stream = socket.create_connection(("127.0.0.1", port), timeout=5)
    stream.sendall(HANDSHAKE)
    return stream


def read_to_end(stream: socket.socket) -> bytes:
    data = b""
    while more := stream.recv(65536):
        data += more
    return data


def test_sigterm_says_goodbye_and_ends_soon(daemon: ThreadedDaemon) -> None:
    with web_process(daemon.daemon.path) as web, websocket_to(web.port) as page:
        idle = socket.create_connection(("127.0.0.1", web.port))
        page.recv(200)
        began = time.monotonic()
        web.process.send_signal(signal.SIGTERM)
        assert read_to_end(page).endswith(CLOSE_1012)
        assert web.process.wait(5) == 0
        assert time.monotonic() - began < 2
        idle.close()


def test_sigterm_does_not_wait_for_a_page_that_does_not_read(daemon: ThreadedDaemon) -> None:
    from hive.wire.turns import Text

    with web_process(daemon.daemon.path) as web, websocket_to(web.port) as page:
        assert page.recv(12) == b"HTTP/1.1 101"
        for _ in range(60):
            daemon.call(daemon.daemon.publish, "manager", *[Text("t", "x" * 2000)] * 100)
            time.sleep(0.02)
        began = time.monotonic()
        web.process.send_signal(signal.SIGTERM)
        assert web.process.wait(5) == 0
        assert time.monotonic() - began < 2


def test_lifeline(daemon: ThreadedDaemon) -> None:
    near, far = os.pipe()
    try:
        with web_process(daemon.daemon.path, "--lifeline", stdin=near) as web:
            os.close(near)
            near = -1
            time.sleep(0.2)
            assert web.process.poll() is None
            os.close(far)
            far = -1
            assert web.process.wait(5) == 0
    finally:
        for fd in (near, far):
            if fd >= 0:
                os.close(fd)


def test_it_answers_whoever_holds_its_lifeline(folder: Path) -> None:
    near, far = os.pipe()
    try:
        with web_process(folder / "web.sock", "--lifeline", stdin=near) as web:
            assert web.process.stdout is not None
            for _ in range(3):
                os.write(far, b"\n")
                assert web.process.stdout.readline() == "\n"
    finally:
        os.close(near)
        os.close(far)


def test_it_waits_for_a_daemon_that_comes_later(folder: Path) -> None:
    path = folder / "web.sock"
    with web_process(path) as web, websocket_to(web.port) as page:
        head = page.recv(4000)
        while b"away" not in head:
            head += page.recv(4000)
        with threaded_daemon(path):
            while b"resync" not in head:
                head += page.recv(4000)
