"""Unix sockets at paths of any length, and who is at the other end.

The kernel takes 107 bytes of path. A longer one is reached through its folder, opened first, as
`/proc/self/fd/N/name`.
"""

import os
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio
from attrs import frozen

_LONGEST = 107
_BACKLOG = 128
_UCRED = struct.Struct("iII")


@frozen
class Credentials:
    """The process that connected, as the kernel saw it then, in this process's namespaces."""

    pid: int
    uid: int
    gid: int


@contextmanager
def _folder(path: Path) -> Iterator[tuple[int, str]]:
    """Open the folder of `path` and give its descriptor with a short address of the socket."""
    descriptor = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        address = f"/proc/self/fd/{descriptor}/{path.name}"
        if len(os.fsencode(address)) > _LONGEST:
            raise ValueError(
                f"the file name {path.name!r} is too long for a unix socket: at most "
                f"{_LONGEST - len(address) + len(path.name)} bytes"
            )
        yield descriptor, address
    finally:
        os.close(descriptor)


def bind(path: Path, mode: int = 0o600) -> trio.SocketListener:
    """Listen at `path` with exactly the permissions `mode`.

    A socket file that is there is taken for stale (the caller holds the hive's lock) and replaced.
    Raises FileExistsError if something else is there, ValueError if the file's name is too long,
    and OSError as bind(2) does.
    """
    with _folder(path) as (folder, address):
        _remove_stale(path, folder)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.bind(address)
            # Nobody can connect before listen(), so the mode comes first. By descriptor and not
            # by name: who may write in the folder could put a symbolic link there meanwhile.
            file = os.open(path.name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            try:
                Path(f"/proc/self/fd/{file}").chmod(mode)
            finally:
                os.close(file)
            sock.listen(_BACKLOG)
        except BaseException:
            sock.close()
            raise
    return trio.SocketListener(trio.socket.from_stdlib_socket(sock))


def _remove_stale(path: Path, folder: int) -> None:
    try:
        found = os.lstat(path.name, dir_fd=folder)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise FileExistsError(f"{path} is there and is no socket: remove it")
    os.unlink(path.name, dir_fd=folder)


async def dial(path: Path) -> trio.SocketStream:
    """Connect to the socket at `path`.

    Raises OSError as connect(2) does, ValueError if the file's name is too long.
    """
    with _folder(path) as (_, address):
        return await trio.open_unix_socket(address)


def listener_credentials(path: Path) -> Credentials:
    """Return which process listens at `path`, also when it is stopped (SIGSTOP) and answers not.

    Raises OSError as connect(2) does, BlockingIOError when too many wait to be accepted.
    """
    with _folder(path) as (_, address), socket.socket(socket.AF_UNIX) as sock:
        sock.setblocking(False)
        sock.connect(address)
        return _credentials(sock)


def credentials(stream: trio.SocketStream) -> Credentials:
    """Return which process is at the other end of a stream (SO_PEERCRED)."""
    return _credentials(stream.socket)


def _credentials(sock: socket.socket | trio.socket.SocketType) -> Credentials:
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return Credentials(*_UCRED.unpack(raw))
