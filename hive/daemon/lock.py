"""One daemon for each root: a lock that the kernel drops with its holder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from hive.paths import Paths


class AlreadyRunning(Exception):
    """Another daemon holds this root."""


@contextmanager
def root_lock(paths: Paths) -> Iterator[None]:
    """Hold the root's lock for a `with` block; raises AlreadyRunning with the holder's pid."""
    with paths.lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = holder(paths)
            raise AlreadyRunning(
                f"a hive runs in {paths.root} already (pid {pid}): use it, stop it with "
                f"`hive down --root {paths.root}`, or choose another --root"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def holder(paths: Paths) -> int | None:
    """The pid of the daemon that holds the root, or None when nobody does."""
    try:
        with paths.lock.open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                text = file.read().strip()
                return int(text) if text.isdigit() else 0
    except FileNotFoundError:
        pass
    return None
