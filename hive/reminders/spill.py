"""Writing a long text into an agent's state folder.

The agent owns what lies there, so nothing there is followed or trusted: each folder is opened
beneath the one before it, and the file is made under a name of ours and renamed into its place.
"""

import os
import stat
from pathlib import Path

from hive.beneath import open_folder

FOLDER = "reminders"


def spill(state: Path, name: str, text: str) -> None:
    """Write `state`/reminders/`name`, in the place of a file of that name.

    Raises OSError if it cannot be written, or if something there is a link or no folder.
    """
    outer = open_folder(state)
    try:
        owner = os.fstat(outer)
        try:
            os.mkdir(FOLDER, 0o700, dir_fd=outer)
            made = True
        except FileExistsError:
            made = False
        folder = open_folder(FOLDER, dir_fd=outer)
        try:
            if made:
                _give(folder, owner)
            _write(folder, name, text.encode(), owner)
        finally:
            os.close(folder)
    finally:
        os.close(outer)


def _write(folder: int, name: str, content: bytes, owner: os.stat_result) -> None:
    temporary = f".{name}.new"
    try:
        os.unlink(temporary, dir_fd=folder)  # what an attempt that was cut off has left
    except FileNotFoundError:
        pass
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(temporary, flags, 0o600, dir_fd=folder)
    try:
        _give(file, owner)
        view = memoryview(content)
        while view:
            view = view[os.write(file, view) :]
        os.fsync(file)
    finally:
        os.close(file)
    os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)


def _give(what: int, owner: os.stat_result) -> None:
    """Make it the agent's, if we are somebody else."""
    mine = os.fstat(what)
    assert stat.S_ISREG(mine.st_mode) or stat.S_ISDIR(mine.st_mode)
    if (mine.st_uid, mine.st_gid) != (owner.st_uid, owner.st_gid):
        os.fchown(what, owner.st_uid, owner.st_gid)
