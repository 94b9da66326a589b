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
    is_foreign,
    is_locked,
    marked_names,
    sweep,
)
from hive.paths import Paths
from hive.wire.names import check_name

_RECORDED_WITHIN = 1.0
_POLL = 0.01


@frozen
class Running:
    """A container that runs: the name of its agent and its keeper."""

    name: str
    identity: Identity


def known_names(root: Path) -> tuple[str, ...]:
    """Name the agents that ever had a container here; `hive down` calls `kill_container` for each.

    These are more than `list_containers` finds, because a killed keeper can leave processes behind;
    among them are those of whom processes run although their records were removed. Blocks: looks at
    all processes.
    """
    running = marked_names(root) if root.exists() else frozenset[str]()
    return tuple(sorted({*_recorded(root), *filter(_is_name, running)}))


def _recorded(root: Path) -> list[str]:
    folders_there = Paths(root).keepers.glob("*")
    return sorted(folder.name for folder in folders_there if _is_name(folder.name))


def _is_name(name: str) -> bool:
    try:
        check_name(name)
    except ValueError:
        return False  # nothing of ours
    return True


def forget_foreign(root: Path) -> tuple[str, ...]:
    """Remove the records of another root's containers, from which this root was copied.

    Returns the names of their agents. Raises OSError.
    """
    copied = [folders(root, name) for name in _recorded(root)]
    copied = [where for where in copied if is_foreign(where)]
    for where in copied:
        (where.keeper / "identity").unlink(missing_ok=True)
    return tuple(where.name for where in copied)


def list_containers(root: Path) -> tuple[Running, ...]:
    """List the running containers of a root by name; stale and forged records are left out."""
    running = []
    for name in _recorded(root):
        keeper = _find(folders(root, name))
        if keeper is not None:
            keeper.close()
            running.append(Running(name, keeper.identity))
    return tuple(running)


def kill_container(root: Path, name: str, within: float = 5.0) -> ExitStatus | None:
    """Kill an agent's container and wait for its end (blocks).

    Returns how it ended, None when none ran. Raises TimeoutError when something of it is still
    there after `within` seconds.
    """
    where = folders(root, name)
    if not root.exists():
        return None
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
    while sweep(where):  # what a killed keeper may have left, or what has no records
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
