"""The interface between an agent's supervisor and what isolates the agent."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from attrs import field, frozen

from hive.containers.handle import Handle
from hive.paths import AgentFolders
from hive.wire.names import check_name


def _check_name(_: object, __: Any, name: str) -> None:
    check_name(name)


def _check_root(_: object, __: Any, root: Path) -> None:
    if not root.is_absolute() or root == Path("/"):
        raise ValueError(f"root {str(root)!r} must be an absolute path other than '/'")


def _check_readonly(_: object, __: Any, paths: tuple[Path, ...]) -> None:
    for path in paths:
        if not path.is_absolute() or path == Path("/") or ".." in path.parts:
            raise ValueError(
                f"{str(path)!r} cannot be shown to a container: give absolute paths other than '/'"
            )


@frozen
class Container:
    """What to run and what it may see; `argv` and `environment` show in `ps`: no secrets in them.

    `root` is the hive's root folder; `readonly` are host paths that the container sees read-only
    at the same place. Its agent's own configuration it can read, as far as there is one when it
    starts; `configures` are other agents whose configuration it can change. Raises ValueError for a
    name that no agent may have, and for paths that are not absolute or are `/`.
    """

    name: str = field(validator=_check_name)
    root: Path = field(validator=_check_root)
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(factory=dict)
    readonly: tuple[Path, ...] = field(default=(), validator=_check_readonly)
    configures: tuple[str, ...] = ()


@frozen
class Inside:
    """Where a container's first process finds its places.

    `base` is the folder of its agent, `socket` the socket of the daemon. It starts what it drives
    by the words of `wrap` and the command, so that its own places are hidden from that; `wrap` is
    empty where nothing can be hidden.
    """

    base: Path
    socket: Path
    wrap: tuple[str, ...] = ()


def scrubbed(container: Container, base: Path) -> dict[str, str]:
    """Build the environment of the first process: the container's own over harmless defaults.

    HOME is the harness's own folder: Python loads modules from its user's home.
    """
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
        "HOME": str(AgentFolders(base).harness),
        "LANG": "C.UTF-8",
        **container.environment,
    }


class Driver(Protocol):
    """One way to isolate agents."""

    @property
    def name(self) -> str:
        """The name by which the configuration chooses it."""

    def check(self) -> None:
        """Prove that containers work here (blocks some 50 ms).

        Raises DriverUnavailable, with what to do about it, when they do not.
        """

    def inside(self, root: Path, name: str) -> Inside:
        """Tell the places of agent `name` as its container sees them, for `Container.argv`."""

    async def start(self, container: Container) -> Handle:
        """Start a container under a keeper.

        Raises AlreadyRunning when the agent has one, DriverUnavailable and NotHidden when it may
        not be started here, OSError when the system refuses.
        """

    async def visit(self, container: Container) -> tuple[str, ...]:
        """Build the command that runs `container.argv` at a terminal, beside the agent's container.

        It has the same home; whoever runs it chooses its environment. Raises DriverUnavailable,
        NotHidden and OSError as `start` does.
        """

    async def refresh(self, root: Path) -> None:
        """Let running containers of `root` follow what changed on the host, such as its network.

        Costs next to nothing when nothing has. Raises OSError.
        """

    async def adopt(self, container: Container) -> Handle | None:
        """Take up the agent's running container; None when there is none.

        Raises AlreadyRunning when one is there that neither ends nor can be identified.
        """


class UnknownDriver(ValueError):
    """No driver has that name; the text lists those that exist."""


def driver_named(name: str, known: Mapping[str, Driver]) -> Driver:
    """The driver called `name`; raises UnknownDriver."""
    if name not in known:
        raise UnknownDriver(f"there is no driver {name!r}; there are: {', '.join(sorted(known))}")
    return known[name]
