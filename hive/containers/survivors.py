"""Containers of a root found and ended without a daemon, for `hive down`."""

import select
import time
from pathlib import Path

from attrs import frozen

from hive.containers.folders import folders
from hive.containers.keeper import ExitStatus, Identity, find

_KEEPER_WITHIN = 0.5


@frozen
class Running:
    """A container that runs."""

    name: str
    identity: Identity


def list_containers(root: Path) -> tuple[Running, ...]:
    """The running containers of a root, by name; stale and forged records are left out."""
    running = []
    for folder in sorted((root / "run" / "keepers").glob("*")):
        try:
            keeper = find(folders(root, folder.name))
        except ValueError:
            continue  # not a name: nothing of ours
        if keeper is not None:
            keeper.close()
            running.append(Running(folder.name, keeper.identity))
    return tuple(running)


def kill_container(root: Path, name: str, within: float = 5.0) -> ExitStatus | None:
    """Kill an agent's container and wait for its end (blocks); None when none runs.

    Raises TimeoutError when something of it is still there after `within` seconds.
    """
    keeper = find(folders(root, name))
    if keeper is None:
        return None
    deadline = time.monotonic() + within
    try:
        keeper.kill()
        if not _ends(keeper.pidfd, within - _KEEPER_WITHIN):
            keeper.kill_keeper()
            _ends(keeper.pidfd, _KEEPER_WITHIN)
        status = keeper.reap()
        while keeper.sweep():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the container of {name} did not end within {within:g} s")
            time.sleep(0.01)
        return status
    finally:
        keeper.close()


def _ends(pidfd: int, within: float) -> bool:
    return bool(select.select([pidfd], [], [], max(0.0, within))[0])
