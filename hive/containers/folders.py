"""Where the parts of one agent lie under the hive's root."""

import os
import stat
from pathlib import Path

from attrs import frozen

from hive.beneath import open_folder
from hive.paths import Paths, make_private

LOG_ROTATES_AT = 1 << 20
"""Bytes above which a start moves the log aside (one old log is kept)."""


@frozen
class Folders:
    """The folders of agent `name` under `root`; a container sees all but `keeper`."""

    root: Path
    name: str
    state: Path
    harness: Path
    claude: Path
    config: Path
    run: Path
    keeper: Path

    @property
    def log(self) -> Path:
        """Standard output and error of the container's first process."""
        return self.harness / "harness.log"


def folders(root: Path, name: str) -> Folders:
    """Name the folders of agent `name`; raises ValueError for what is not a name."""
    paths = Paths(root)
    agent = paths.agent(name)
    return Folders(
        root=root,
        name=name,
        state=agent.state,
        harness=agent.harness,
        claude=agent.claude,
        config=agent.config,
        run=paths.socket(name).parent,
        keeper=paths.keeper(name),
    )


def prepare(root: Path, name: str) -> Folders:
    """Create what is missing of an agent's folders, closed to other users; raises OSError."""
    wanted = folders(root, name)
    for folder in (wanted.state, wanted.harness, wanted.claude, wanted.run, wanted.keeper):
        make_private(folder)
    return wanted


def open_log(where: Folders) -> int:
    """Open the log for appending, rotated when it is large; returns a descriptor.

    The container writes to this folder, so nothing that lies there is followed or trusted: what
    is not a plain file is replaced.
    """
    folder = open_folder(where.harness)
    try:
        name = where.log.name
        try:
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            pass
        else:
            plain = stat.S_ISREG(found.st_mode) and found.st_nlink == 1
            if not plain or found.st_size > LOG_ROTATES_AT:
                os.rename(name, f"{name}.1", src_dir_fd=folder, dst_dir_fd=folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
        log = os.open(name, flags | os.O_CLOEXEC, 0o600, dir_fd=folder)
        os.set_blocking(log, True)
        return log
    finally:
        os.close(folder)
