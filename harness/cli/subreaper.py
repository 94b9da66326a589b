"""Processes that claude leaves behind become children of the harness, which ends and reaps them.

A tool's command runs in a session of its own, so no signal to claude's process group reaches it.
The harness is a "child subreaper" (prctl(2)): orphans below it are handed to it and not to init.
Only direct children are signalled, because the pid of a child cannot be reused before its parent,
which is us, has reaped it.
"""

import ctypes
import os
import signal
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import trio

_PR_SET_CHILD_SUBREAPER = 36
_POLL_S = 0.02


class Subreaper:
    """Makes this process a subreaper, and looks after all children that it gets from then on.

    Raises OSError when the kernel refuses.
    """

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
        self._spared = _children()
        self._waited_for: set[int] = set()
        self._starting = 0

    async def start(self, argv: Sequence[str], **options: Any) -> trio.Process:
        """Start a process as `trio.lowlevel.open_process` does; the caller waits for its end.

        After that the caller calls `forget`. Raises OSError when it cannot be started.
        """
        self._starting += 1  # until its pid is known here, it could be taken for an orphan
        try:
            process = await trio.lowlevel.open_process(argv, **options)
            self._waited_for.add(process.pid)
        finally:
            self._starting -= 1
        self.reap()
        return process

    def forget(self, pid: int) -> None:
        """Note that the process has been waited for: its pid may be another's from now on."""
        self._waited_for.discard(pid)

    def reap(self) -> None:
        """Reap every orphan that has died; never waits for one."""
        for pid in self._orphans() if not self._starting else ():
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass

    async def reap_for_ever(self) -> None:
        """Reap orphans as they die, until cancelled; in the main thread only."""
        with trio.open_signal_receiver(signal.SIGCHLD) as signals:
            self.reap()
            async for _ in signals:
                self.reap()

    async def kill_all(self, timeout: float) -> int:
        """Kill all orphans, for `timeout` seconds at most; returns how many are left."""
        with trio.move_on_after(timeout):
            while orphans := self._orphans():
                _kill(orphans)
                self.reap()
                await trio.sleep(_POLL_S)  # the children of what died are handed to us meanwhile
        return len(self._orphans())

    def _orphans(self) -> set[int]:
        return _children() - self._spared - self._waited_for


def _kill(pids: Iterable[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass


def _children() -> set[int]:
    """Direct children, dead ones included; a child belongs to the thread that forked it."""
    found: set[int] = set()
    for thread in Path("/proc/self/task").iterdir():
        try:
            found.update(map(int, (thread / "children").read_text().split()))
        except (FileNotFoundError, ProcessLookupError):
            pass  # that thread has just ended
    return found
