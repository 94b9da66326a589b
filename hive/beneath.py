"""Looking at what lies beneath a folder in which an agent may change everything, at any moment.

A path is walked component by component, each opened beneath the one before it: so no symbolic link
is followed, wherever it is, and what is renamed or replaced meanwhile leads nowhere else than to
what the agent itself could have moved there. Nothing is opened for reading before its descriptor
has shown that it is a plain file, so no pipe is waited for and no device touched. A hard link is a
plain file like any other. All functions but those of texts block as the disk does.

A path is text in one form, for people, JSON and the wire: components with `/` between them, in
which `\\xNN` stands for a byte that is not UTF-8 or not printable, and `\\\\` for a backslash.
"""

import errno
import heapq
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from attrs import frozen

from hive.files import UnfitFile
from hive.text import one_line

MOST_PATH = 4096
"""Bytes of a path, as everywhere in Linux; what lies deeper cannot be named."""

MOST_SCANNED = 100_000
"""Names of one folder that are looked at; of a larger folder the others are never seen."""

_SHOWN = 100
"""Characters of a wrong path in its error."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
# Who holds a lease of the file (fcntl(2)) could make every other open(2) wait.
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}
_ESCAPE = re.compile(rb"\\(\\|x[0-9a-fA-F]{2})?")


@frozen
class FoundFile:
    """A name in a folder, and what lies there; a link is described itself, not what it names."""

    name: bytes
    stat: os.stat_result


def kind_of(mode: int) -> str:
    """Return `file`, `folder`, `link`, `fifo`, `socket` or `device` for a mode of stat(2)."""
    return _KINDS[stat.S_IFMT(mode)]


def name_text(name: bytes) -> str:
    """Write one component of a path as text, all of it printable."""
    text = name.decode(errors="surrogateescape")
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(c if c.isprintable() and c != "\\" else _escaped(c) for c in text)


def parse_path(text: str) -> tuple[bytes, ...]:
    """Read the components of a path; none for the folder itself.

    Raises ValueError for a path that is absolute, leads upwards with `..`, has an escape that is
    none, a NUL or more than MOST_PATH bytes.
    """
    shown = one_line(text, _SHOWN)
    if text.startswith("/"):
        raise ValueError(f"the path {shown} is absolute: begin it in the folder, without a '/'")
    parts = tuple(part for word in text.split("/") if (part := _unescaped(word)) not in (b"", b"."))
    if any(part == b".." or b"/" in part or b"\0" in part for part in parts):
        raise ValueError(f"the path {shown} has '..', a NUL or an escaped '/': leave that out")
    if len(b"/".join(parts)) > MOST_PATH:
        raise ValueError(f"the path {shown} has more than {MOST_PATH} bytes: they are the most")
    return parts


def open_folder(name: str | bytes | Path, dir_fd: int | None = None) -> int:
    """Open a folder, beneath `dir_fd` if that is given; the caller closes the descriptor.

    Raises OSError, also when a symbolic link or anything else lies in its place.
    """
    return os.open(name, _FOLDER, dir_fd=dir_fd)


def list_folder(
    base: Path, parts: Sequence[bytes], most: int
) -> tuple[tuple[FoundFile, ...], bool]:
    """Find the first `most` entries of a folder by name, and whether it has more.

    What is no folder is its only entry. Raises FileNotFoundError, UnfitFile when something on the
    way is no folder, and OSError.
    """
    with _walk(base, parts) as at:
        found = os.fstat(at)
        if not stat.S_ISDIR(found.st_mode):
            return (FoundFile(parts[-1], found),), False
        folder = open_folder(".", dir_fd=at)
    try:
        with os.scandir(folder) as entries:
            names = (os.fsencode(entry.name) for entry in islice(entries, MOST_SCANNED))
            first = heapq.nsmallest(most + 1, names)
        return tuple(_look_at(folder, first[:most])), len(first) > most
    finally:
        os.close(folder)


def read_part(
    base: Path, parts: Sequence[bytes], offset: int, most: int, largest: int
) -> tuple[bytes, os.stat_result]:
    """Read at most `most` bytes of a plain file from `offset` on; none at its end and beyond.

    Raises FileNotFoundError, UnfitFile for what is no plain file, or one of more than `largest`
    bytes, BlockingIOError while a program holds a lease of it, and OSError.
    """
    with _walk(base, parts) as at:
        found = os.fstat(at)
        if not stat.S_ISREG(found.st_mode):
            raise _unfit(found, parts)
        file = os.open(f"/proc/self/fd/{at}", _READ)
    try:
        found = os.fstat(file)
        if found.st_size > largest:
            why = f"has {found.st_size} bytes, more than {largest}"
            raise UnfitFile(errno.EFBIG, why, _path_text(parts))
        return os.pread(file, most, offset) if offset < found.st_size else b"", found
    finally:
        os.close(file)


@contextmanager
def _walk(base: Path, parts: Sequence[bytes]) -> Iterator[int]:
    """Give a descriptor of what lies there (of a link itself), that can only be looked at."""
    at = os.open(base, _LOOK | os.O_DIRECTORY)
    try:
        for n, part in enumerate(parts):
            try:
                inner = os.open(part, _LOOK, dir_fd=at)
            except NotADirectoryError:
                raise _unfit(os.fstat(at), parts[:n]) from None
            os.close(at)
            at = inner
        yield at
    finally:
        os.close(at)


def _look_at(folder: int, names: Sequence[bytes]) -> Iterator[FoundFile]:
    for name in names:
        try:
            yield FoundFile(name, os.stat(name, dir_fd=folder, follow_symlinks=False))
        except FileNotFoundError:
            pass  # removed meanwhile


def _unfit(found: os.stat_result, parts: Sequence[bytes]) -> UnfitFile:
    return UnfitFile(errno.EINVAL, f"is a {kind_of(found.st_mode)}", _path_text(parts))


def _path_text(parts: Sequence[bytes]) -> str:
    return "/".join(map(name_text, parts))


def _escaped(character: str) -> str:
    if character == "\\":
        return "\\\\"
    return "".join(f"\\x{byte:02x}" for byte in character.encode(errors="surrogateescape"))


def _unescaped(word: str) -> bytes:
    """Raises ValueError for a backslash that begins no escape."""

    def byte(found: re.Match[bytes]) -> bytes:
        if found[1] is None:
            shown = one_line(word, _SHOWN)
            raise ValueError(f"{shown} has a single backslash: write \\\\, or \\xNN for a byte")
        return b"\\" if found[1] == b"\\" else bytes.fromhex(found[1][1:].decode())

    return _ESCAPE.sub(byte, word.encode())
