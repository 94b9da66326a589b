"""Containers of a root found and ended without a daemon, for `hive down`."""

import select
import time
from pathlib import Path

from attrs import frozen

from hive.containers.folders import Folders, folders
from hive.containers.keeper import (
    ExitStatus,
    Identity,
    Keeper,
    find,
    is_locked,
    read_identity,
    sweep,
)
from hive.wire import check_name

_RECORDED_WITHIN = 1.0
_POLL = 0.01


@frozen
class Running:
    """A container that runs."""

    name: str
    identity: Identity


def known_names(root: Path) -> tuple[str, ...]:
    """Agents that ever had a container here; `hive down` calls `kill_container` for each.

    More than `list_containers`, because a killed keeper can leave processes behind.
    """
    names = []
    for folder in sorted((root / "run" / "keepers").glob("*")):
        try:
            names.append(check_name(folder.name))
        except ValueError:
            continue  # nothing of ours
    return tuple(names)


def list_containers(root: Path) -> tuple[Running, ...]:
    """The running containers of a root, by name; stale and forged records are left out."""
    running = []
    for name in known_names(root):
        keeper = _find(folders(root, name))
        if keeper is not None:
            keeper.close()
            running.append(Running(name, keeper.identity))
    return tuple(running)


def kill_container(root: Path, name: str, within: float = 5.0) -> ExitStatus | None:
    """Kill an agent's container and wait for its end (blocks); None when none runs.

    Raises TimeoutError when something of it is still there after `within` seconds.
    """
    where = folders(root, name)
    deadline = time.monotonic() + within
    keeper = _find(where)
    status = None
    if keeper is not None:
        try:
            keeper.kill()
            if not _ends(keeper, within / 2):
                keeper.kill_keeper()
                _ends(keeper, within / 2)
            status = keeper.reap()
        finally:
            keeper.close()
    identity = read_identity(where)  # for what a killed keeper may have left behind
    while sweep(where, identity) if identity else is_locked(where):
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"something of {name}'s container holds {where.keeper / 'lock'}: "
                "look for its processes (fuser on that file) and end them"
            )
        time.sleep(_POLL)
    return status


def _find(where: Folders) -> Keeper | None:
    """Find the keeper, also one that is just about to record itself."""
    deadline = time.monotonic() + _RECORDED_WITHIN
    while True:
        keeper = find(where)
        if keeper is not None or not is_locked(where) or time.monotonic() > deadline:
            return keeper
        time.sleep(_POLL)


def _ends(keeper: Keeper, within: float) -> bool:
    return bool(select.select([keeper.pidfd], [], [], within)[0])
