"""Processes as /proc shows them, who holds a lock, and signals that cannot hit a stranger.

A pid alone names nobody: it is reused. Everything here pairs it with the start time of the
process and signals through a pidfd (Linux 5.3), checked after it was opened.
"""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from attrs import frozen

_MOST_ROUNDS = 100


@frozen
class Process:
    """One process; `started` in clock ticks since boot, `state` a letter of proc(5)."""

    pid: int
    parent: int
    session: int
    started: int
    state: str

    @property
    def ended(self) -> bool:
        """Whether only its zombie is left."""
        return self.state in ("Z", "X")

    @property
    def stopped(self) -> bool:
        """Whether a signal or a debugger has stopped it."""
        return self.state in ("T", "t")


def read_process(pid: int) -> Process | None:
    """Look at one process; None when there is none that this user may see.

    As proc(5) has it: field 22 is the start time.
    """
    try:
        line = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    rest = line[line.rindex(b")") + 2 :].split()  # the name before may hold spaces and brackets
    return Process(
        pid=pid,
        parent=int(rest[1]),
        session=int(rest[3]),
        started=int(rest[19]),
        state=rest[0].decode(),
    )


def all_processes() -> tuple[Process, ...]:
    """Look at every process that this user may see."""
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return tuple(process for pid in pids if (process := read_process(pid)) is not None)


def boot_id() -> str:
    """Return the kernel's name for this boot; start times of other boots mean nothing."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def open_pidfd(pid: int, started: int) -> int | None:
    """Open a pidfd of exactly this process, which the caller closes; None when it is gone."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    found = read_process(pid)  # after the open: the pid cannot have changed hands unseen
    if found is None or found.started != started:
        os.close(pidfd)
        return None
    return pidfd


def send_signal(process: Process, number: signal.Signals) -> bool:
    """Signal exactly this process; returns False when it is gone.

    Raises PermissionError when it is another user's.
    """
    pidfd = open_pidfd(process.pid, process.started)
    if pidfd is None:
        return False
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(pidfd)
    return True


def variable(process: Process, name: str) -> str | None:
    """Read a variable of the environment with which the process was started.

    None when it has none of that name, or may not be asked.
    """
    try:
        environment = Path(f"/proc/{process.pid}/environ").read_bytes()
    except OSError:
        return None
    start = f"{name}=".encode()
    values = (one for one in environment.split(b"\0") if one.startswith(start))
    return next((one[len(start) :].decode(errors="replace") for one in values), None)


def lock_holders(path: Path) -> Iterator[Process]:
    """Find the processes that hold an exclusive flock(2) on what lies at `path`.

    By proc_locks(5), without touching the lock; a process of another pid namespace or another user
    is not seen. Raises OSError when nothing lies at `path`.
    """
    wanted = path.stat()
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        words = line.split()  # 1: FLOCK ADVISORY WRITE 703 08:02:131 0 EOF; -> means that it waits
        exclusive = words[1] == "FLOCK" and words[3] == "WRITE"
        if exclusive and words[5].rpartition(":")[2] == str(wanted.st_ino):
            process = read_process(int(words[4]))
            if process is not None and _has_open(process, wanted):
                yield process


def _has_open(process: Process, wanted: os.stat_result) -> bool:
    """Whether the process has this file open; the device in a lock's line is not always that of
    stat(2) (btrfs), so inode numbers alone could mean another file."""
    with suppress(OSError):  # it is gone, or another user's
        for entry in list(os.scandir(f"/proc/{process.pid}/fd")):
            with suppress(OSError):  # closed meanwhile
                if os.path.samestat(Path(entry.path).stat(), wanted):
                    return True
    return False


def with_descendants(processes: Iterable[Process], first: frozenset[int]) -> frozenset[int]:
    """Add to the pids `first` all descendants, and all in sessions that one of them leads; pure."""
    processes = tuple(processes)
    members = first
    while True:
        more = {p.pid for p in processes if p.parent in members or p.session in members}
        if more <= members:
            return members
        members |= more


def kill_descendants(
    of: int | None, marked: Callable[[Process], bool], except_for: frozenset[int]
) -> int:
    """Kill the children of process `of` and whatever is `marked`, with all descendants.

    Each is frozen first, and they are counted again until no new one appears, so that none can
    fork its way out. A process that cleared its environment *and* lost its parents escapes; only
    a pid namespace holds such. `of` is None when only marked ones are meant; those in `except_for`
    stay. Returns how many were killed.
    """
    frozen_ones: dict[int, Process] = {}
    for _ in range(_MOST_ROUNDS):
        new = [p for p in _members(of, marked) if p.pid not in except_for | frozen_ones.keys()]
        if not new:
            break
        for process in new:
            _try(send_signal, process, signal.SIGSTOP)
            frozen_ones[process.pid] = process
    for process in frozen_ones.values():
        _try(send_signal, process, signal.SIGKILL)
    return len(frozen_ones)


def _members(of: int | None, marked: Callable[[Process], bool]) -> list[Process]:
    processes = all_processes()
    first = {p.pid for p in processes if (of is not None and p.parent == of)}
    first |= {p.pid for p in processes if marked(p)}
    members = with_descendants(processes, frozenset(first))
    return [p for p in processes if p.pid in members and not p.ended]


def _try(
    send: Callable[[Process, signal.Signals], bool], to: Process, what: signal.Signals
) -> bool:
    try:
        return send(to, what)
    except PermissionError:
        return False  # a set-user-id program of another user: not ours to end
