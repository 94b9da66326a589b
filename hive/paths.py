"""Where everything of one hive lies on disk; shared by daemon, command line and web."""

import os
from pathlib import Path

from attrs import frozen

from hive.wire.names import check_name


def default_root() -> Path:
    """`HIVE_ROOT`, else `/var/lib/hyperhive` as root, else the user's data folder."""
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
    """Which file or folder lies at `path`, whatever its name; raises OSError if there is none.

    It holds as long as that one exists and until the next boot: a copy of a folder has another
    place, a folder that was moved within its filesystem has the same.
    """
    found = path.stat()
    return f"{found.st_dev}:{found.st_ino}"


def check_root(root: Path) -> Path:
    """Return the root as an absolute path; raises ValueError for one that the hive cannot say.

    It goes into JSON, into lines of text and to programs: only printable UTF-8 survives that.
    """
    try:
        root = root.absolute()
    except OSError as error:
        raise ValueError(f"the folder that {root} starts from is gone: {error}") from None
    for path in {str(root), os.path.realpath(root)}:  # the daemon works with the second
        if not path.isprintable():
            try:
                os.fsencode(path).decode()
                why = "it holds control characters, or your locale is not UTF-8 (see `locale`)"
            except UnicodeDecodeError:
                why = "its name is not UTF-8"
            raise ValueError(f"{path!a} cannot be the folder of a hive: {why}; choose another")
    return root


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


def resolve_root(root: Path) -> Path:
    """The root without links and `..`, before anything is made in it; raises BadRoot."""
    real = Path(os.path.realpath(root))
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
class Paths:
    """The files and folders under one root (absolute)."""

    root: Path

    @property
    def database(self) -> Path:
        return self.root / "hive.sqlite"

    @property
    def config(self) -> Path:
        return self.root / "hive.toml"

    @property
    def credentials(self) -> Path:
        """What `hive login` was given, a file for each credential."""
        return self.root / "credentials"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def lock(self) -> Path:
        """What a daemon of an earlier version locks; today's lock is on the root itself."""
        return self.run / "hive.lock"

    @property
    def control(self) -> Path:
        return self.run / "control.sock"

    @property
    def web(self) -> Path:
        return self.run / "web.sock"

    @property
    def demo_port(self) -> Path:
        return self.run / "demo.port"

    @property
    def stacks(self) -> Path:
        """Where the loop's watchdog writes all stacks when the loop is blocked."""
        return self.run / "blocked-stacks.txt"

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

    def agent(self, name: str) -> Path:
        """The folder of one agent; raises ValueError unless `name` may name one."""
        return self.agents / check_name(name)

    def proposed_config(self, name: str) -> Path:
        """The repository in which changes of the agent's configuration are proposed."""
        return self.agent(name) / "config"

    def applied_config(self, name: str) -> Path:
        """The daemon's own repository of the agent's configuration."""
        return self.applied / check_name(name)

    def destroyed(self, name: str, when: str) -> Path:
        """Where the folder of an agent goes that was destroyed then."""
        return self.destroyed_agents / f"{check_name(name)}-{when}"

    def socket(self, name: str) -> Path:
        """The agent's own socket, alone in a folder that its container sees as /run/hive."""
        return self.run / "agents" / check_name(name) / "hive.sock"

    def prepare(self) -> None:
        """Make what is missing of the folders that the daemon itself needs; raises OSError."""
        for folder in (self.run / "agents", self.agents):
            make_private(folder)
