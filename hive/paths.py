"""Where everything of one hive lies on disk: the one place that knows the names of its folders."""

import os
from pathlib import Path

from attrs import frozen

from hive.wire.names import check_name


def default_root() -> Path:
    """Return `HIVE_ROOT`, else `/var/lib/hyperhive` for root, else hyperhive in the user's data."""
    if root := os.environ.get("HIVE_ROOT"):
        return Path(root)
    if os.geteuid() == 0:
        return Path("/var/lib/hyperhive")
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local/share") / "hyperhive"


def make_private(folder: Path) -> None:
    """Make the folder and what is missing above it, each for its owner only; raises OSError."""
    if not folder.is_dir():
        make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def place_of(path: Path) -> str:
    """Return which file or folder lies at `path`, whatever its name, as DEVICE:INODE.

    It holds as long as that one exists and until the next boot: a copy of a folder has another
    place, a folder that was moved within its filesystem has the same. Raises OSError if nothing is
    there.
    """
    found = path.stat()
    return f"{found.st_dev}:{found.st_ino}"


class BadRoot(ValueError):
    """A folder that cannot be a hive's root; the text says why and what to do."""


_TOP = ("bin", "home", "lib", "lib32", "lib64", "media", "mnt", "opt", "root", "run", "sbin", "srv")
_USR = ("bin", "lib", "lib32", "lib64", "libexec", "local", "sbin", "share", "src")
_VAR = ("cache", "lib", "log", "tmp")
_NOT_ITSELF = {
    *("/", "/dev/shm", "/tmp", "/usr", "/var"),
    *(f"/{name}" for name in _TOP),
    *(f"/usr/{name}" for name in _USR),
    *(f"/var/{name}" for name in _VAR),
}
_NOT_BELOW = ("/boot", "/dev", "/etc", "/proc", "/sys")


def check_root(root: Path, *, to_run: bool = False) -> Path:
    """Return the root as an absolute path, before anything is made in it; raises BadRoot.

    It goes into JSON, into lines of text and to programs: only printable UTF-8 survives that. One
    `to_run` a hive in is returned without links and `..`; it is none of the system's folders.
    """
    try:
        root = root.absolute()
    except OSError as error:
        raise BadRoot(f"the folder that {root} starts from is gone: {error}") from None
    real = Path(os.path.realpath(root))  # the daemon works with this one
    for path in {str(root), str(real)}:
        if not path.isprintable():
            try:
                os.fsencode(path).decode()
                why = "it holds control characters, or your locale is not UTF-8 (see `locale`)"
            except UnicodeDecodeError:
                why = "its name is not UTF-8"
            raise BadRoot(f"{path!a} cannot be the folder of a hive: {why}; choose another")
    if not to_run:
        return root
    owner = next((name for name in _NOT_BELOW if real.is_relative_to(name)), None)
    if Path("/dev/shm") in real.parents:  # a folder like any other
        owner = None
    if owner is not None or str(real) in _NOT_ITSELF:
        raise BadRoot(
            f"{root} cannot be a hive's root: {owner or real} belongs to the system; "
            "choose a folder of the hive's own by --root or HIVE_ROOT"
        )
    for place in (real, *real.parents):
        if os.path.lexists(place) and not place.is_dir():
            raise BadRoot(f"{root} cannot be a hive's root: {place} is no folder")
    return real


@frozen
class AgentFolders:
    """An agent's folders below its base: ROOT/agents/NAME, in a container /agents/NAME."""

    base: Path

    @classmethod
    def inside(cls, name: str) -> "AgentFolders":
        """Those of agent `name` as an isolated container has them."""
        return cls(Path("/agents", name))

    @property
    def state(self) -> Path:
        """The agent's own files: claude's working folder."""
        return self.base / "state"

    @property
    def harness(self) -> Path:
        """The harness's own files: journal, session id, log; hidden from claude."""
        return self.base / "harness"

    @property
    def claude(self) -> Path:
        """The CLI's home: its configuration, login and transcripts."""
        return self.base / "claude"

    @property
    def config(self) -> Path:
        """The git repository in which changes of the agent's configuration are proposed."""
        return self.base / "config"


@frozen
class Paths:
    """The files and folders under one root, which is an absolute path."""

    root: Path

    @property
    def database(self) -> Path:
        """Messages, agents, events, gates, budgets and the audit, in SQLite."""
        return self.root / "hive.sqlite"

    @property
    def config(self) -> Path:
        """The configuration, which may be missing."""
        return self.root / "hive.toml"

    @property
    def credentials(self) -> Path:
        """What `hive login` was given, a file for each credential."""
        return self.root / "credentials"

    @property
    def run(self) -> Path:
        """What is of use only while a daemon or a container runs."""
        return self.root / "run"

    @property
    def lock(self) -> Path:
        """What a daemon of an earlier version locks; today's lock is on the root itself."""
        return self.run / "hive.lock"

    @property
    def control(self) -> Path:
        """The operator's socket."""
        return self.run / "control.sock"

    @property
    def web(self) -> Path:
        """The socket of the page's process."""
        return self.run / "web.sock"

    @property
    def demo_port(self) -> Path:
        """The port on which the demo's model listened last, in decimal digits."""
        return self.run / "demo.port"

    @property
    def stacks(self) -> Path:
        """Where the loop's watchdog writes all stacks when the loop is blocked."""
        return self.run / "blocked-stacks.txt"

    @property
    def etc(self) -> Path:
        """The copy of the host's /etc that containers see."""
        return self.run / "etc"

    @property
    def keepers(self) -> Path:
        """The folders of the containers' keepers, one for each agent."""
        return self.run / "keepers"

    @property
    def agents(self) -> Path:
        """The folders of the agents."""
        return self.root / "agents"

    @property
    def destroyed_agents(self) -> Path:
        """The folders of agents that were destroyed."""
        return self.root / "destroyed"

    @property
    def applied(self) -> Path:
        """The configuration repositories that are the daemon's alone."""
        return self.root / "applied"

    @property
    def private_folders(self) -> tuple[Path, ...]:
        """Those below the root that no container may see; each may be a link to another disk."""
        names = ("agents", "applied", "credentials", "destroyed", "run")
        return tuple(self.root / name for name in names)

    @property
    def private_files(self) -> tuple[Path, ...]:
        """Those in the root that no container may see; each may be a link."""
        database = (f"{self.database.name}{end}" for end in ("", "-wal", "-shm", "-journal"))
        return (self.config, *(self.root / name for name in database))

    def agent(self, name: str) -> AgentFolders:
        """The folders of one agent; raises ValueError unless `name` may name one."""
        return AgentFolders(self.agents / check_name(name))

    def applied_config(self, name: str) -> Path:
        """The daemon's own repository of the agent's configuration.

        Raises ValueError unless `name` may name an agent.
        """
        return self.applied / check_name(name)

    def destroyed(self, name: str, when: str) -> Path:
        """Where the folder of an agent goes that was destroyed at `when`, as in 20260131T090000Z.

        Raises ValueError unless `name` may name an agent.
        """
        return self.destroyed_agents / f"{check_name(name)}-{when}"

    def socket(self, name: str) -> Path:
        """The agent's own socket, alone in a folder that its container sees as /run/hive.

        Raises ValueError unless `name` may name an agent.
        """
        return self.run / "agents" / check_name(name) / "hive.sock"

    def keeper(self, name: str) -> Path:
        """What the keeper of the agent's container writes: its lock and its records.

        Raises ValueError unless `name` may name an agent.
        """
        return self.keepers / check_name(name)

    def prepare(self) -> None:
        """Make what is missing of the folders that the daemon itself needs; raises OSError."""
        for folder in (self.run / "agents", self.agents):
            make_private(folder)
