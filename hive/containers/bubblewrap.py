"""The bubblewrap driver: user, mount, pid, ipc and uts namespaces, with no daemon and no root."""

import math
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import trio
from attrs import frozen

from hive.containers.driver import Container, Inside, scrubbed
from hive.containers.errors import DriverUnavailable
from hive.containers.etc import OWN, copy_etc, signature
from hive.containers.folders import Folders, folders, prepare
from hive.containers.handle import Handle, adopt, start
from hive.containers.keeper import LOCK_FD
from hive.containers.mounts import Mount, container_mounts
from hive.paths import AgentFolders, Paths

_TOP_LEVEL = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_PROBE_WITHIN = 10.0
_ETC_FRESH = 30.0
"""Seconds for which a start does not look at a copy of /etc again."""
_ETC_WHOLE = 300.0
"""And for which running containers do not, unless the network has changed."""

_REMEDIES = (
    (
        "kernel.apparmor_restrict_unprivileged_userns",
        "1",
        "AppArmor forbids user namespaces to programs without a profile (Ubuntu 23.10 and later): "
        "give bwrap one, or run `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`",
    ),
    (
        "kernel.unprivileged_userns_clone",
        "0",
        "the kernel forbids user namespaces to ordinary users: "
        "run `sysctl -w kernel.unprivileged_userns_clone=1`",
    ),
    (
        "user.max_user_namespaces",
        "0",
        "the kernel allows no user namespaces: run `sysctl -w user.max_user_namespaces=15000`",
    ),
)
_OTHERWISE = (
    "if this is itself a container, start it with user namespaces allowed "
    "(docker run --privileged, or a seccomp and AppArmor profile that permits them); "
    "to run agents without any isolation, use --unsafe-no-container"
)


@frozen
class System:
    """What of the host's system a container sees: folders as they are, and links (name, target)."""

    folders: tuple[str, ...] = ("/usr",)
    links: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of_host(cls) -> "System":
        """Look at this host: its top folders, and which of them are links."""
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
    mounts: Sequence[Mount] = (),
    *,
    visit: bool = False,
) -> tuple[str, ...]:
    """Build the command that runs a container; a later mount lies over an earlier one.

    `mounts` is what it sees beside its system, and what covers the hive's own in that, in the order
    of `container_mounts`.

    A `visit` runs beside the agent's container: without its lock, its harness and its socket, and
    in the session of a terminal, which must be the visit's own: it can type into that.
    """
    name = container.name
    inside = AgentFolders.inside(name)
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
    for mount in mounts:
        if mount.source is None:
            argv += ["--tmpfs", str(mount.place)]
        else:
            argv += ["--ro-bind", str(mount.source), str(mount.place)]
    for mount in mounts:
        if mount.source is None:  # now that all that lies inside is there
            argv += ["--remount-ro", str(mount.place)]
    argv += ["--bind", str(where.state), str(inside.state)]
    if not visit:
        argv += ["--bind", str(where.harness), str(inside.harness)]
    argv += ["--bind", str(where.claude), str(inside.claude)]
    argv += ["--ro-bind-try", str(where.config), str(inside.config)]
    for other in container.configures:  # of those that have one when the container starts
        config = folders(container.root, other).config
        argv += ["--bind-try", str(config), str(AgentFolders.inside(other).config)]
    if not visit:
        argv += ["--bind", str(where.run), "/run/hive"]
    # Not in the agent's own folder, where it could leave a module for Python to import.
    argv += ["--remount-ro", "/", "--chdir", "/", "--", *container.argv]
    return tuple(argv)


def hiding(name: str) -> tuple[str, ...]:
    """Return the words to put before a command that must not see the harness and its socket.

    For use inside the container of agent `name`, where these are /agents/NAME/harness and
    /run/hive: the words run a second bubblewrap, whose mounts and user namespace are its own.
    Being in another user namespace, the command cannot look into the harness through /proc
    either. It is two processes, bwrap and its child, in one process group; bwrap passes no signal
    on and exits with the child's code, or 128 + the number of the signal that ended it.
    """
    hidden = (str(AgentFolders.inside(name).harness), "/run/hive")
    masks = (option for path in hidden for option in ("--tmpfs", path, "--remount-ro", path))
    return ("bwrap", "--dev-bind", "/", "/", *masks, "--")


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
        """Prove that containers work here, by running one that hides its harness (blocks).

        Raises DriverUnavailable, with what to do about it, when they do not.
        """
        if shutil.which(self.bwrap) is None:
            raise DriverUnavailable(
                f"{self.bwrap} is missing: install bubblewrap (apt-get install bubblewrap)"
            )
        with tempfile.TemporaryDirectory(prefix="hive-check-") as folder:
            failure = _probe(shutil.which(self.bwrap) or self.bwrap, Path(folder))
        if failure is not None:
            raise DriverUnavailable(advice(failure, read_sysctls()))

    def check_mounts(self, root: Path, readonly: Iterable[Path], files: Iterable[Path]) -> None:
        """Check that containers of this root can see nothing of the hive's own (blocks).

        `files` are more that they must not see, such as a configuration file outside of the root.
        Raises NotHidden when they could, OSError when the host cannot be looked at.
        """
        container_mounts(root, System.of_host().folders, readonly, files)

    def inside(self, root: Path, name: str) -> Inside:
        """Tell the places of agent `name`, the same in every root; raises ValueError."""
        folders(root, name)
        return Inside(AgentFolders.inside(name).base, Path("/run/hive/hive.sock"), hiding(name))

    async def start(self, container: Container) -> Handle:
        """Start the container under a keeper.

        Raises AlreadyRunning when the agent has one, NotHidden when it would see something of the
        hive's own, OSError when the system refuses.
        """
        where, argv = await self._command(container, visit=False)
        environment = scrubbed(container, self.inside(container.root, container.name).base)
        seen = (where.state, where.harness, where.claude, where.run, _etc(container.root))
        return await start(where, argv, environment, self.name, seen)

    async def visit(self, container: Container) -> tuple[str, ...]:
        """Build the command of a second container that shares the agent's home and state.

        Raises NotHidden and OSError as `start` does.
        """
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
        mounts = container_mounts(container.root, system.folders, container.readonly)
        argv = bubblewrap_argv(bwrap, container, where, etc, system, mounts, visit=visit)
        return where, argv

    async def adopt(self, container: Container) -> Handle | None:
        """Take up the agent's running container; see `handle.adopt`, which says what is raised."""
        return await adopt(container.root, container.name)

    async def refresh(self, root: Path) -> None:
        """Let the containers of `root` see /etc as it is now; raises OSError."""
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
    home = AgentFolders.inside(name).claude
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
    inside = AgentFolders.inside(name)
    hidden = f"test ! -e {inside.harness}/secret && test -e {inside.state}"
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
                env=dict(scrubbed(container, inside.base)),
                timeout=_PROBE_WITHIN,
            )
        except subprocess.TimeoutExpired:
            return f"a container did not end within {_PROBE_WITHIN:g} s"
    if ended.returncode == 0:
        return None
    return ended.stderr.strip() or "a second bubblewrap inside the container hides nothing"


def read_sysctls() -> dict[str, str]:
    """Read the settings of this kernel that can forbid user namespaces, as far as it has them."""
    found = {}
    for name, _, _ in _REMEDIES:
        try:
            found[name] = Path("/proc/sys", *name.split(".")).read_text().strip()
        except OSError:
            continue
    return found


def advice(failure: str, sysctls: Mapping[str, str]) -> str:
    """Say what failed and what to do about it, by the settings that `read_sysctls` found; pure."""
    remedies = [text for name, bad, text in _REMEDIES if sysctls.get(name) == bad]
    return f"bubblewrap cannot start a container: {failure}\n" + "\n".join(remedies or [_OTHERWISE])
