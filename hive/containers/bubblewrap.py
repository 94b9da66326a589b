"""The bubblewrap driver: user, mount, pid, ipc and uts namespaces, with no daemon and no root."""

import math
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import trio
from attrs import frozen

from hive.containers.advice import advice, read_sysctls
from hive.containers.driver import Container, Inside, scrubbed
from hive.containers.errors import DriverUnavailable
from hive.containers.etc import OWN, copy_etc, signature
from hive.containers.folders import Folders, folders, prepare
from hive.containers.handle import Handle, adopt, start
from hive.containers.hide import hiding
from hive.containers.keeper import LOCK_FD
from hive.containers.walls import Step, walls
from hive.paths import Paths

_TOP_LEVEL = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_PROBE_WITHIN = 10.0
_ETC_FRESH = 30.0
"""Seconds for which a start does not look at a copy of /etc again."""
_ETC_WHOLE = 300.0
"""And for which running containers do not, unless the network has changed."""


@frozen
class System:
    """What of the host's system a container sees: folders as they are, and links (name, target)."""

    folders: tuple[str, ...] = ("/usr",)
    links: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of_host(cls) -> "System":
        """Look at this host."""
        top = [Path("/") / name for name in _TOP_LEVEL]
        return cls(
            folders=(
                "/usr",
                *(str(path) for path in top if path.is_dir() and not path.is_symlink()),
            ),
            links=tuple((str(path), str(path.readlink())) for path in top if path.is_symlink()),
        )


def bubblewrap_argv(
    bwrap: str,
    container: Container,
    where: Folders,
    etc: Path,
    system: System,
    steps: Sequence[Step] = (),
    *,
    visit: bool = False,
) -> tuple[str, ...]:
    """Return the command that runs a container; a later mount lies over an earlier one.

    `steps` is what it sees beside its system, and what covers the hive's own in that (`walls`).

    A `visit` runs beside the agent's container: without its lock, its harness and its socket, and
    in the session of a terminal, which must be the visit's own: it can type into that.
    """
    name = container.name
    agent = f"/agents/{name}"
    argv = [bwrap, "--unshare-user", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL"]
    argv += ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--hostname", name]
    argv += ["--die-with-parent"]
    if not visit:
        # pid 1 of the container shares the keeper's lock: a second container cannot start before
        # the last process of the first is gone, even when its keeper was killed.
        argv += ["--new-session", "--sync-fd", str(LOCK_FD)]
    for folder in system.folders:
        argv += ["--ro-bind", folder, folder]
    for link, target in system.links:
        argv += ["--symlink", target, link]
    argv += ["--ro-bind", str(etc), "/etc"]
    for file in OWN:
        argv += ["--ro-bind", str(where.keeper / file), f"/etc/{file}"]
    # Behind uid 1000 may be the host's root, whom the kernel lets write most of /proc/sys
    # (core_pattern!) without any capability.
    argv += ["--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev"]
    argv += ["--perms", "1777", "--tmpfs", "/tmp", "--symlink", "/tmp", "/var/tmp"]
    for step in steps:
        if step.source is None:
            argv += ["--tmpfs", str(step.place)]
        else:
            argv += ["--ro-bind", str(step.source), str(step.place)]
    for step in steps:
        if step.source is None:  # now that all that lies inside is there
            argv += ["--remount-ro", str(step.place)]
    own = (where.state, where.claude) if visit else (where.state, where.harness, where.claude)
    for part in own:
        argv += ["--bind", str(part), f"{agent}/{part.name}"]
    if not visit:
        argv += ["--bind", str(where.run), "/run/hive"]
    # Not in the agent's own folder, where it could leave a module for Python to import.
    argv += ["--remount-ro", "/", "--chdir", "/", "--", *container.argv]
    return tuple(argv)


class Bubblewrap:
    """Driver for bubblewrap; containers share the host's network.

    `etc` is the folder whose public part containers see as their /etc.
    """

    name = "bubblewrap"

    def __init__(self, bwrap: str = "bwrap", etc: Path = Path("/etc")) -> None:
        self.bwrap = bwrap
        self.etc = etc
        self._copying = trio.Lock()
        self._copied: dict[Path, float] = {}
        self._seen: dict[Path, tuple[object, ...]] = {}

    def check(self) -> None:
        """Run a container that hides its harness (blocks); raises DriverUnavailable."""
        if shutil.which(self.bwrap) is None:
            raise DriverUnavailable(
                f"{self.bwrap} is missing: install bubblewrap (apt-get install bubblewrap)"
            )
        with tempfile.TemporaryDirectory(prefix="hive-check-") as folder:
            failure = _probe(shutil.which(self.bwrap) or self.bwrap, Path(folder))
        if failure is not None:
            raise DriverUnavailable(advice(failure, read_sysctls()))

    def check_walls(self, root: Path, readonly: Iterable[Path], files: Iterable[Path]) -> None:
        """Find out whether containers of this root can see nothing of the hive's own (blocks).

        `files` are more that they must not see, such as a configuration file outside of the root.
        Raises NotHidden, OSError.
        """
        walls(root, System.of_host().folders, readonly, files)

    def inside(self, root: Path, name: str) -> Inside:
        """Places of agent `name`, the same in every root."""
        folders(root, name)
        return Inside(Path("/agents", name), Path("/run/hive/hive.sock"), hiding(name))

    async def start(self, container: Container) -> Handle:
        """Start the container; raises AlreadyRunning, NotHidden, OSError."""
        where, argv = await self._command(container, visit=False)
        environment = scrubbed(container, self.inside(container.root, container.name).base)
        seen = (where.state, where.harness, where.claude, where.run, _etc(container.root))
        return await start(where, argv, environment, self.name, seen)

    async def visit(self, container: Container) -> tuple[str, ...]:
        """Command of a container that shares the agent's home and state; raises OSError."""
        _, argv = await self._command(container, visit=True)
        return argv

    async def _command(
        self, container: Container, *, visit: bool
    ) -> tuple[Folders, tuple[str, ...]]:
        etc = _etc(container.root)
        await self._refresh(etc, _ETC_FRESH)
        return await trio.to_thread.run_sync(partial(self._prepare, container, etc, visit=visit))

    def _prepare(
        self, container: Container, etc: Path, *, visit: bool
    ) -> tuple[Folders, tuple[str, ...]]:
        where = prepare(container.root, container.name)
        _write_users(where, container.name)
        bwrap = shutil.which(self.bwrap) or self.bwrap
        system = System.of_host()
        steps = walls(container.root, system.folders, container.readonly)
        argv = bubblewrap_argv(bwrap, container, where, etc, system, steps, visit=visit)
        return where, argv

    async def adopt(self, container: Container) -> Handle | None:
        """Take up the agent's running container; see `handle.adopt`."""
        return await adopt(container.root, container.name)

    async def refresh(self, root: Path) -> None:
        """Let the containers of `root` see /etc as it is now; see Driver."""
        etc, now = _etc(root), signature(self.etc)
        if etc.is_dir():  # else no container has been started yet
            await self._refresh(etc, _ETC_WHOLE if self._seen.get(etc, now) == now else 0.0)
        self._seen[etc] = now

    async def _refresh(self, etc: Path, fresh: float) -> None:
        async with self._copying:
            too_old = trio.current_time() - self._copied.get(etc, -math.inf) >= fresh
            if too_old or not await trio.to_thread.run_sync(etc.is_dir):
                await trio.to_thread.run_sync(copy_etc, etc, self.etc)
                self._copied[etc] = trio.current_time()


def _etc(root: Path) -> Path:
    return Paths(root).etc


def _write_users(where: Folders, name: str) -> None:
    home = f"/agents/{name}/claude"
    passwd = (
        "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n"
        f"agent:x:1000:1000:{name}:{home}:/bin/bash\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    )
    group = "root:x:0:\nagent:x:1000:\nnogroup:x:65534:\n"
    for file, text in (("passwd", passwd), ("group", group)):
        (where.keeper / file).write_text(text)


def _probe(bwrap: str, folder: Path) -> str | None:
    """Run a container in which a second bubblewrap must hide the harness; return what failed."""
    root, etc, name = folder / "root", folder / "etc", "probe"
    hidden = "test ! -e /agents/probe/harness/secret && test -e /agents/probe/state"
    container = Container(name, root, (*hiding(name), "sh", "-c", hidden))
    where = prepare(root, name)
    _write_users(where, name)
    etc.mkdir()
    for file in (*(etc / name for name in OWN), where.harness / "secret"):
        file.touch()
    argv = bubblewrap_argv(bwrap, container, where, etc, System.of_host())
    with (folder / "lock").open("w") as lock:
        prefix = ("sh", "-c", f'exec "$@" {LOCK_FD}<&0 0</dev/null', "probe")
        try:
            ended = subprocess.run(
                (*prefix, *argv),
                stdin=lock,
                capture_output=True,
                text=True,
                errors="replace",
                env=dict(scrubbed(container, Path("/agents", name))),
                timeout=_PROBE_WITHIN,
            )
        except subprocess.TimeoutExpired:
            return f"a container did not end within {_PROBE_WITHIN:g} s"
    if ended.returncode == 0:
        return None
    return ended.stderr.strip() or "a second bubblewrap inside the container hides nothing"
