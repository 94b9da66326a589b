"""Reading small files: whatever else lies in their place is refused, and never waited for."""

import errno
import os
import stat
from pathlib import Path

MOST = 65536


class UnfitFile(OSError):
    """What is at a path is no plain file, or one that is too large; the text says which."""


def read_small(path: Path, *, most: int = MOST, follow: bool = False) -> bytes:
    """Read a plain file of at most `most` bytes; a symbolic link is followed only if `follow`.

    Never blocks on a pipe or a device. Raises UnfitFile when it is no plain file or too large, and
    OSError as open(2) does.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    try:
        file = os.open(path, flags | (0 if follow else os.O_NOFOLLOW))
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.ENOTDIR):
            raise UnfitFile(error.errno, "is no plain file", str(path)) from None
        raise
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise UnfitFile(errno.EINVAL, "is no plain file", str(path))
        with os.fdopen(file, "rb", closefd=False) as reader:
            data = reader.read(most + 1)
    finally:
        os.close(file)
    if len(data) > most:
        raise UnfitFile(errno.EFBIG, f"has more than {most} bytes", str(path))
    return data


def bounded_number(text: str, least: int, most: int) -> int | None:
    """Parse a decimal number without sign; None for any other text, and out of the bounds."""
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most))):
        return None
    found = int(text)
    return found if least <= found <= most else None
