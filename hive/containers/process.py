"""The process driver: no isolation at all, for machines without user namespaces."""

from pathlib import Path

import trio
from attrs import field, frozen

from hive.containers.driver import Container, Inside, scrubbed
from hive.containers.errors import DriverUnavailable
from hive.containers.folders import folders, prepare
from hive.containers.handle import Handle, adopt, start
from hive.containers.keeper import LOCK_FD

# The lock must not be inherited by what an agent starts: that could hold it for ever.
_WITHOUT_LOCK = ("/bin/sh", "-c", f'exec "$@" {LOCK_FD}<&-', "hive-container")


@frozen
class UnsafeProcess:
    """Driver without isolation, only by `--unsafe-no-container`.

    An agent's processes are found by HIVE_CONTAINER in their environment and by their parents;
    the harness must hand that variable on to what it starts.
    """

    name: str = field(default="process", init=False)
    allowed: bool = False

    def check(self) -> None:
        """Raise DriverUnavailable unless the operator asked for no isolation."""
        if not self.allowed:
            raise DriverUnavailable(
                "the process driver isolates nothing, agents could read and change everything "
                "that you can: use bubblewrap, or say --unsafe-no-container"
            )

    def inside(self, root: Path, name: str) -> Inside:
        """Tell the places of agent `name`, which are those of the host; raises ValueError."""
        where = folders(root, name)
        return Inside(where.state.parent, where.run / "hive.sock")

    async def start(self, container: Container) -> Handle:
        """Start the command under a keeper.

        Raises DriverUnavailable unless it is allowed, AlreadyRunning when the agent has one,
        OSError when the system refuses.
        """
        self.check()
        where = await trio.to_thread.run_sync(prepare, container.root, container.name)
        environment = scrubbed(container, where.state.parent)
        argv = (*_WITHOUT_LOCK, *container.argv)
        return await start(where, argv, environment, self.name)

    async def visit(self, container: Container) -> tuple[str, ...]:
        """Return the command as it is; raises DriverUnavailable unless it is allowed, OSError."""
        self.check()
        await trio.to_thread.run_sync(prepare, container.root, container.name)
        return container.argv

    async def refresh(self, root: Path) -> None:
        """Do nothing: these containers see the host itself."""

    async def adopt(self, container: Container) -> Handle | None:
        """Take up the agent's running container; see `handle.adopt`, which says what is raised."""
        return await adopt(container.root, container.name)
