"""One daemon for each root: a lock that the kernel drops with its holder.

It is on the root folder itself, because a file in it can be removed, and then a second daemon would
lock a new one. Who holds it is asked of the kernel: what a file says may be stale.
"""

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from attrs import field, frozen

from hive.paths import Paths, make_private, place_of
from hive.processes import Process, lock_holders, read_process, send_signal

_TRIED_FOR = 1.0
"""Seconds for which a lock that nobody seems to hold is tried again: a look at it takes it, too."""


class RootLocked(Exception):
    """Another daemon holds this root; the text says which and what to do."""


@frozen
class Holder:
    """The daemon that holds a root; `process` is None when it cannot be seen from here.

    It is then in another container (pid namespace), or another user's.
    """

    process: Process | None = field(eq=lambda one: None if one is None else (one.pid, one.started))

    def signal(self, number: signal.Signals) -> bool:
        """Signal exactly this process, through a pidfd; returns False when it is gone or not seen.

        Raises PermissionError when it is another user's.
        """
        return self.process is not None and send_signal(self.process, number)

    def runs(self) -> bool:
        """Return whether the process is still there; False, too, when it is not seen from here."""
        there = None if self.process is None else read_process(self.process.pid)
        return there is not None and Holder(there) == self and not there.ended

    def __str__(self) -> str:
        if self.process is None:
            return "a process that cannot be seen from here"
        return f"pid {self.process.pid}"


@contextmanager
def root_lock(paths: Paths) -> Iterator[str]:
    """Hold the root for a `with` block; gives its place, by which its replacement is noticed.

    Makes the root if it is missing. Raises RootLocked when another daemon holds it, OSError when it
    cannot be made or locked.
    """
    make_private(paths.root)
    with ExitStack() as stack:
        _take(paths, paths.root, stack)
        if paths.lock.exists():  # what a daemon of an earlier version locks
            _take(paths, paths.lock, stack)
        yield place_of(paths.root)


def _take(paths: Paths, place: Path, stack: ExitStack) -> None:
    deadline = time.monotonic() + _TRIED_FOR
    while True:
        descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), place.stat()):
                stack.callback(os.close, descriptor)
                return
        except BlockingIOError:
            found = holder(paths)
            if (found and found.process) or time.monotonic() > deadline:
                os.close(descriptor)
                raise RootLocked(
                    f"a hive runs in {paths.root} already ({found or Holder(None)}): use it, stop "
                    f"it with `hive down --root {paths.root}`, or choose another --root"
                ) from None
        os.close(descriptor)
        time.sleep(0.01)


def holder(paths: Paths) -> Holder | None:
    """Find the daemon that holds the root; None when nobody does. Raises OSError."""
    there = [place for place in (paths.root, paths.lock) if place.exists()]
    for place in there:
        for process in lock_holders(place):
            return Holder(process)
    return Holder(None) if any(map(_is_locked, there)) else None


def _is_locked(place: Path) -> bool:
    descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
