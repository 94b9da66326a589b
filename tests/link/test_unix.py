"""Unix sockets: long paths, permissions, stale files, who is there."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest
import trio

from hive.link.unix import bind, credentials, dial


def deep(root: Path) -> Path:
    folder = root / ("d" * 100) / ("e" * 100)
    folder.mkdir(parents=True)
    return folder / "hive.sock"


async def test_a_path_beyond_107_bytes_is_served_and_dialled(
    tmp_path: Path, descriptors: Any
) -> None:
    path = deep(tmp_path)
    assert len(str(path)) > 200
    before = descriptors()
    listener = bind(path)
    client = await dial(path)
    served = await listener.accept()
    await client.send_all(b"x")
    with trio.fail_after(2):
        assert await served.receive_some(1) == b"x"
    for resource in (client, served, listener):
        await resource.aclose()
    assert descriptors() == before


async def test_the_other_side_is_known(tmp_path: Path) -> None:
    listener = bind(tmp_path / "s")
    async with listener, await dial(tmp_path / "s"), await listener.accept() as served:
        who = credentials(served)
    assert (who.pid, who.uid, who.gid) == (os.getpid(), os.getuid(), os.getgid())


@pytest.mark.parametrize("mask", [0, 0o022, 0o077])
@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
async def test_the_mode_is_exact_whatever_the_umask(tmp_path: Path, mask: int, mode: int) -> None:
    old = os.umask(mask)
    try:
        listener = bind(tmp_path / "s", mode)
    finally:
        os.umask(old)
    async with listener:
        assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == mode


async def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    path = deep(tmp_path)
    await bind(path).aclose()
    assert path.is_socket()
    with pytest.raises(ConnectionRefusedError):
        await dial(path)
    async with bind(path), await dial(path):
        pass


async def test_what_is_no_socket_stays(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("precious")
    with pytest.raises(FileExistsError, match="no socket"):
        bind(path)
    assert path.read_text() == "precious"


async def test_a_link_is_neither_followed_nor_replaced(tmp_path: Path) -> None:
    async with bind(tmp_path / "other", 0o600):
        (tmp_path / "s").symlink_to("other")
        with pytest.raises(FileExistsError):
            bind(tmp_path / "s", 0o666)
        assert stat.S_IMODE((tmp_path / "other").stat().st_mode) == 0o600


async def test_errors_name_what_is_wrong(tmp_path: Path, descriptors: Any) -> None:
    with pytest.raises(FileNotFoundError):
        await dial(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError):
        bind(tmp_path / "no-folder" / "s")
    before = descriptors()
    with pytest.raises(ValueError, match="too long for a unix socket: at most"):
        bind(tmp_path / ("n" * 108))
    assert descriptors() == before
