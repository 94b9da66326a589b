"""The keeper: a shell between the daemon and a container.

It outlives the daemon, holds the agent's lock, records who it is before the container starts and
how the container ended afterwards, and takes the container with it when it is killed. That the
shell and not the daemon is the container's parent also keeps the kernel's parent-death signal
right: it follows the *thread* that forked.
"""

import fcntl
import os
import select
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from uuid import uuid4

from attrs import evolve, field, frozen

from hive.containers.errors import AlreadyRunning
from hive.containers.folders import Folders, folders, open_log
from hive.files import UnfitFile, bounded_number, read_small
from hive.paths import make_private, place_of
from hive.processes import (
    Process,
    all_processes,
    boot_id,
    kill_descendants,
    open_pidfd,
    read_process,
    variable,
)

LOCK_FD = 9
"""Descriptor of the lock in the keeper; a command that must not hold it closes it."""

_MOST_RECORD = 4096
_MOST_PID = 1 << 22
"""The kernel's own bound (proc(5), pid_max)."""
_MOST_TICKS = (1 << 63) - 1

MARKER = "HIVE_CONTAINER"
"""Environment variable that names the container to which a process belongs: `id@root/agent`.

By it a container is found when its records are gone, and left alone by a copy of its root.
"""

_KEEPER = "hive-keeper"

_SCRIPT = r"""
folder=$1 id=$2 rest=$3
shift 3
cd / && unset OLDPWD || exit 125
read -r stat < /proc/$$/stat || exit 125
read -r boot < /proc/sys/kernel/random/boot_id || exit 125
start_time() { shift 19; start=$1; }
start_time ${stat##*) }
printf '%s\n' "$$ $start $boot $id $rest" > "$folder/identity" || exit 125
"$@"
code=$?
printf '%s\n' "$id $code" > "$folder/exit"
"""
# It has no other child than the container, so that killing its children never hits another; the
# container runs in the foreground, because a shell makes background commands ignore SIGINT.

_DEFAULT_SIGNALS = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGPIPE,  # Python ignores these two, and what is ignored is inherited
    signal.SIGXFSZ,
)


@frozen
class Identity:
    """A keeper that no reused pid can pass for; `id` names this one container for good.

    `root` is the place of its root and `mounts` the places of the folders that it sees, by their
    names under the root; None in the record of an earlier version.
    """

    pid: int
    started: int
    boot: str
    id: str
    driver: str
    root: str | None = None
    mounts: str | None = None

    def line(self) -> str:
        """Write it as one line of words, as the keeper's script does for its record."""
        more = "" if self.root is None else f" {self.root} {self.mounts}"
        return f"{self.pid} {self.started} {self.boot} {self.id} {self.driver}{more}\n"


@frozen
class ExitStatus:
    """How a container ended; both None when its keeper was killed and nobody saw it.

    `at` in epoch seconds. A code above 128 counts as a signal, as shells have it.
    """

    code: int | None
    signal: int | None
    at: float

    def __str__(self) -> str:
        if self.code is not None:
            return f"exited with {self.code}"
        if self.signal is None:
            return "killed with its keeper"
        try:
            return f"killed by {signal.Signals(self.signal).name}"
        except ValueError:
            return f"killed by signal {self.signal}"


@frozen
class Keeper:
    """A running keeper, held by its pidfd; `close` it."""

    where: Folders
    identity: Identity
    pidfd: int = field(repr=False)

    def kill(self) -> None:
        """Kill everything of the container with SIGKILL; the keeper then records its end."""
        if self.ended():
            return
        pid = self.identity.pid
        if not kill_descendants(pid, _of_container(self.identity), frozenset((pid,))):
            self.kill_keeper()  # before its container was there; `sweep` ends a late one

    def kill_keeper(self) -> None:
        """Kill the keeper too, which leaves no record of how the container ended."""
        try:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def ended(self) -> bool:
        """Return whether the keeper has ended."""
        return bool(select.select([self.pidfd], [], [], 0)[0])

    def reap(self) -> ExitStatus:
        """Tell how the container ended, once the pidfd is readable."""
        try:  # only the process that started it can, and must
            own = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            own = None
        recorded = read_exit(self.where)
        if recorded is not None and recorded[0] == self.identity.id:
            return recorded[1]
        if own is not None and own.si_code == os.CLD_EXITED:
            return ExitStatus(own.si_status, None, time.time())
        return ExitStatus(None, None, time.time())

    def keep_record(self) -> None:
        """Write the record again if somebody removed it; raises OSError."""
        record = self.where.keeper / "identity"
        ours = self.identity.root in (None, place_of(self.where.root))
        if ours and not record.exists():
            make_private(record.parent)
            written = record.with_name("identity.new")
            written.write_text(self.identity.line())
            written.replace(record)

    def lost_mount(self) -> str | None:
        """Name a folder that is no longer the one that the container sees; None when all are."""
        for mount in (self.identity.mounts or "").split(",")[1:]:
            name, _, place = mount.partition("=")
            try:
                if place_of(self.where.root / name) != place:
                    return name
            except OSError:
                return name
        return None

    def duplicate(self) -> "Keeper":
        """Return the same keeper with a pidfd of its own; `close` it too."""
        return evolve(self, pidfd=os.dup(self.pidfd))

    def close(self) -> None:
        """Let go of the keeper, which runs on."""
        os.close(self.pidfd)


def launch(
    where: Folders,
    argv: Sequence[str],
    environment: Mapping[str, str],
    driver: str,
    mounts: Sequence[Path] = (),
) -> Keeper:
    """Start a keeper for `argv`, without a moment in which a second one could start.

    `mounts` are the folders under the root that the container sees. Blocks: it may have to look
    at all processes. Raises AlreadyRunning when the agent has a container, OSError.
    """
    left = records_left(where)
    lock = take_lock(where)
    running = None if lock is None else find(where)  # its lock may have been removed
    if running is not None:
        running.close()
    if lock is None or running is not None:
        if lock is not None:
            os.close(lock)
        raise AlreadyRunning(f"{where.name} has a container already: adopt or kill that one")
    try:
        if left:
            sweep(where)
        for record in ("identity", "exit"):
            (where.keeper / record).unlink(missing_ok=True)
        log = open_log(where)
        try:
            container, root = uuid4().hex, place_of(where.root)
            # The list begins with nothing, so that it is never empty.
            names = ((mount.relative_to(where.root), place_of(mount)) for mount in mounts)
            seen = ",".join(["-", *(f"{name}={place}" for name, place in names)])
            own = (str(where.keeper), container, f"{driver} {root} {seen}")
            pid = os.posix_spawn(
                "/bin/sh",
                ("sh", "-c", _SCRIPT, _KEEPER, *own, *argv),
                {**environment, MARKER: container + _of(where)},
                file_actions=(
                    (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, log, 1),
                    (os.POSIX_SPAWN_DUP2, log, 2),
                    (os.POSIX_SPAWN_DUP2, lock, LOCK_FD),
                ),
                setsid=True,
                setsigmask=(),
                setsigdef=_DEFAULT_SIGNALS,
            )
        finally:
            os.close(log)
    finally:
        os.close(lock)  # the keeper's copy holds it
    process = read_process(pid)  # our unreaped child: the pid is still its own
    assert process is not None
    identity = Identity(pid, process.started, boot_id(), container, driver, root, seen)
    return Keeper(where, identity, os.pidfd_open(pid))


def find(where: Folders) -> Keeper | None:
    """Find the running keeper that the record names; None when it names none.

    So does a record that is stale, forged or copied.
    """
    identity = read_identity(where)
    if identity is None or identity.boot != boot_id():
        return None
    pidfd = open_pidfd(identity.pid, identity.started)
    if pidfd is None:
        return None
    keeper = Keeper(where, identity, pidfd)
    if keeper.ended():  # at most its zombie is left, perhaps ours
        keeper.reap()
    elif _is_own(where, identity):
        return keeper
    keeper.close()
    return None


def _is_own(where: Folders, identity: Identity) -> bool:
    """Whether this living process keeps a container of this agent, and not of a copied root's."""
    process = read_process(identity.pid)
    if process is None:
        return False
    if identity.root is not None:
        return variable(process, MARKER) == identity.id + _of(where)
    # Of an earlier version, without a mark of its root. It has our lock open; when that file was
    # removed, its arguments name our folder.
    of = Path(f"/proc/{process.pid}")
    try:
        return (of / f"fd/{LOCK_FD}").samefile(where.keeper / "lock") or _named(of, where)
    except FileNotFoundError:
        return _named(of, where)
    except OSError:
        return False


def _named(of: Path, where: Folders) -> bool:
    return f"{_KEEPER}\0{where.keeper}\0".encode() in (of / "cmdline").read_bytes()


def is_foreign(where: Folders) -> bool:
    """Return whether the record is of another root's container, from which this one was copied."""
    identity = read_identity(where)
    if identity is None or identity.boot != boot_id():
        return False
    if identity.root is not None:
        return identity.root != place_of(where.root)
    process = read_process(identity.pid)
    lives = process is not None and process.started == identity.started
    return lives and not _is_own(where, identity)


def records_left(where: Folders) -> bool:
    """Return whether something of an earlier container may be there.

    So it is when the agent's last one is recorded, and when its records are gone.
    """
    lock = where.keeper / "lock"
    return where.root.exists() and (read_identity(where) is not None or not lock.exists())


def sweep(where: Folders, identity: Identity | None = None) -> bool:
    """Kill what is left of a container whose keeper has ended; returns whether there was anything.

    Without `identity`: of any container of the agent. Blocks: looks at all processes.
    """
    if identity is not None:
        marked = _of_container(identity)
    else:
        left = None if is_foreign(where) else read_identity(where)
        marked = _of_agent(where, left)
    return bool(kill_descendants(None, marked, frozenset())) or is_locked(where)


def _of(where: Folders) -> str:
    """The end of the markers of all containers of this agent."""
    return f"@{place_of(where.root)}/{where.name}"


def _of_container(identity: Identity) -> Callable[[Process], bool]:
    return lambda process: (variable(process, MARKER) or "").split("@")[0] == identity.id


def _of_agent(where: Folders, left: Identity | None) -> Callable[[Process], bool]:
    end, old = _of(where), None if left is None else left.id

    def marked(process: Process) -> bool:
        value = variable(process, MARKER)
        return value is not None and (value.endswith(end) or value == old)

    return marked


def marked_names(root: Path) -> frozenset[str]:
    """Name the agents of this root of whom processes run, whatever became of their records.

    Blocks: looks at all processes. Raises OSError when there is no such root.
    """
    start, values = place_of(root) + "/", [variable(one, MARKER) for one in all_processes()]
    ends = [value.partition("@")[2] for value in values if value is not None]
    return frozenset(end[len(start) :] for end in ends if end.startswith(start))


def destroy(root: Path, name: str) -> None:
    """Forget the agent's containers: their records and its socket, not the agent's own folders.

    Raises AlreadyRunning when one runs, OSError.
    """
    where = folders(root, name)
    if not where.keeper.exists():
        shutil.rmtree(where.run, ignore_errors=True)
        return
    lock = take_lock(where)
    if lock is None:
        raise AlreadyRunning(f"{name} has a container: kill it first")
    try:
        for folder in (where.run, where.keeper):
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


def read_identity(where: Folders) -> Identity | None:
    """Read what the last keeper recorded of itself; None when there is no whole record."""
    match _record(where.keeper / "identity"):
        case [pid_text, started_text, boot, id, driver, *more] if len(more) in (0, 2):
            pid = bounded_number(pid_text, 2, _MOST_PID)
            started = bounded_number(started_text, 0, _MOST_TICKS)
            if pid is not None and started is not None:
                return Identity(pid, started, boot, id, driver, *more)
    return None


def read_exit(where: Folders) -> tuple[str, ExitStatus] | None:
    """Read the last recorded end, with the id of the container that ended so; None without one."""
    path = where.keeper / "exit"
    match _record(path):
        case [id, text] if (code := bounded_number(text, 0, 255)) is not None:
            at = path.stat().st_mtime
            if code > 128:
                return id, ExitStatus(None, code - 128, at)
            return id, ExitStatus(code, None, at)
    return None


def _record(path: Path) -> list[str]:
    """Words of a record; a keeper writes its line at once, so a line without end is no record."""
    try:
        text = read_small(path, most=_MOST_RECORD).decode(errors="replace")
    except (FileNotFoundError, UnfitFile):
        return []
    return text.split() if text.endswith("\n") else []


def take_lock(where: Folders) -> int | None:
    """Take the agent's lock; returns a descriptor to close, None when a container holds the lock.

    Raises OSError.
    """
    path = where.keeper / "lock"
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(lock), path.stat()):
                return lock
        except BlockingIOError:
            os.close(lock)
            return None
        except FileNotFoundError:
            pass
        os.close(lock)  # the file was removed and made anew meanwhile


def is_locked(where: Folders) -> bool:
    """Return whether a container of the agent lives: its keeper or its pid 1 holds the lock.

    Raises OSError.
    """
    try:
        lock = os.open(where.keeper / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def last_exit(root: Path, name: str) -> ExitStatus | None:
    """Tell how the agent's last container ended, also if nobody waited for it.

    None when no end is recorded.
    """
    ended = read_exit(folders(root, name))
    return ended[1] if ended is not None else None
