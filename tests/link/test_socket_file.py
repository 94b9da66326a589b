"""A socket whose file or folder somebody removes is made again; the links that there are go on."""

import logging
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from hive.link import connect, server
from hive.wire.codec import PROTOCOL
from hive.wire.frames import Hello
from hive.wire.messages import Send, Sent

HELLO = Hello(PROTOCOL, "harness", "i-1")


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "LOOK_EVERY_S", 0.01)


def take_away(path: Path, how: str) -> None:
    match how:
        case "the file":
            path.unlink()
        case "the folder":
            shutil.rmtree(path.parent)
        case "another's socket":
            path.unlink()
            other = trio.socket.socket(trio.socket.AF_UNIX)
            other._sock.bind(str(path))  # nobody listens there
            other.close()


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def until(true: Callable[[], bool]) -> None:
    with trio.fail_after(5):
        while True:
            if true():
                return
            await trio.sleep(0.01)


async def connected_again(path: Path) -> None:
    with trio.fail_after(5):
        while True:
            try:
                async with connect(path, HELLO) as (peer, _):
                    assert await peer.request(Send("a", ""), timeout=2) == Sent(0)
                    return
            except OSError:
                await trio.sleep(0.01)


@pytest.mark.parametrize("how", ["the file", "the folder", "another's socket"])
async def test_it_is_made_again(
    serving: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str, descriptors: Any
) -> None:
    path = tmp_path / "alpha" / "hive.sock"
    path.parent.mkdir(0o700)
    async with serving(path=path) as hive, connect(hive.path, HELLO) as (peer, _):
        before = descriptors()
        for _ in range(2):
            take_away(path, how)
            await connected_again(path)
            assert mode_of(path) == 0o600 and mode_of(path.parent) == 0o700
            assert await peer.request(Send("a", ""), timeout=2) == Sent(0)
        await until(lambda: descriptors() == before)  # the former listeners are closed
    assert caplog.text.count("was gone and has been made again") == 2


async def test_what_cannot_be_made_again_is_said_once_and_tried_on(
    serving: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    path = tmp_path / "run" / "alpha" / "hive.sock"
    path.parent.mkdir(parents=True)
    async with serving(path=path):
        path.unlink()
        path.write_text("in its place")
        await until(lambda: "cannot be made again" in caplog.text)
        await trio.sleep(0.1)
        assert caplog.text.count("cannot be made again") == 1
        shutil.rmtree(tmp_path / "run")
        path.parent.parent.mkdir()  # by whose it is
        await connected_again(path)
