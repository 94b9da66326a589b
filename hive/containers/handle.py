"""A running container as its supervisor holds it."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import trio

from hive.containers.errors import AlreadyRunning
from hive.containers.folders import Folders, folders
from hive.containers.keeper import (
    ExitStatus,
    Identity,
    Keeper,
    find,
    is_locked,
    launch,
    records_left,
    sweep,
)

_POLL = 0.01
_GONE_WITHIN = 5.0


class Handle:
    """One container; from `start` or `adopt`, which makes no difference.

    End it with `detach` (the container runs on) or by waiting for its end.
    """

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._waiting = trio.Lock()  # Trio lets one task at a time wait for a descriptor
        self._status: ExitStatus | None = None
        self._killed = False
        self._closed = False

    @property
    def pid(self) -> int:
        """The pid of the keeper."""
        return self._keeper.identity.pid

    @property
    def identity(self) -> Identity:
        """The keeper's identity; `identity.id` is new for every start."""
        return self._keeper.identity

    @property
    def log(self) -> Path:
        """Standard output and error of the container's first process (untrusted text)."""
        return self._keeper.where.log

    async def wait(self) -> ExitStatus:
        """Wait until nothing of the container is left; may be called by many and again.

        After its first process has ended, the kernel gets at most 5 s to finish with the rest.
        Raises trio.ClosedResourceError when detached.
        """
        async with self._waiting:
            if self._status is None:
                if self._closed:
                    raise trio.ClosedResourceError("this handle is detached")
                await trio.lowlevel.wait_readable(self._keeper.pidfd)
                self._status = self._keeper.reap()
                self._close()
            await _until_gone(self._keeper.where, self._keeper.identity)
            return self._status

    def look_after(self) -> str | None:
        """Write the container's records again if they are gone; raises OSError.

        Returns a folder (its name under the root) that was removed or replaced while the
        container sees the former one, to which nobody else has a way; None when there is none.
        """
        if self._closed:
            return None
        self._keeper.keep_record()
        return self._keeper.lost_mount()

    async def kill(self) -> None:
        """Kill the whole container with SIGKILL; a second call kills the keeper as well.

        A thread looks for its processes. Does nothing to one that has ended or is detached.
        """
        if self._closed:
            await trio.lowlevel.checkpoint()
            return
        again, self._killed = self._killed, True
        keeper = self._keeper.duplicate()  # ours may be closed meanwhile, its number used anew
        try:
            await trio.to_thread.run_sync(keeper.kill_keeper if again else keeper.kill)
        finally:
            keeper.close()

    def detach(self) -> None:
        """Let go of the container without touching it."""
        self._close()

    def _close(self) -> None:
        if not self._closed:
            self._closed = True
            trio.lowlevel.notify_closing(self._keeper.pidfd)
            self._keeper.close()

    def __repr__(self) -> str:
        return f"<Handle {self._keeper.identity}>"


async def start(
    where: Folders,
    argv: Sequence[str],
    environment: Mapping[str, str],
    driver: str,
    mounts: Sequence[Path] = (),
) -> Handle:
    """Start a container under a keeper, by `keeper.launch` in a thread.

    A cancellation does not cut it off in the middle. Raises AlreadyRunning when the agent has a
    container, OSError when the system refuses.
    """
    started = partial(launch, where, argv, environment, driver, mounts)
    return Handle(await trio.to_thread.run_sync(started))


async def adopt(root: Path, name: str) -> Handle | None:
    """Take up the running container of an agent, or None when there is none.

    Waits for a keeper that is about to record itself, and ends what a killed keeper may have
    left, and a container whose records are gone. Raises AlreadyRunning when something that cannot
    be identified holds the agent's lock.
    """
    where = folders(root, name)
    with trio.move_on_after(_GONE_WITHIN):
        while True:
            keeper = find(where)
            if keeper is not None:
                return Handle(keeper)
            if not is_locked(where):
                break
            await trio.sleep(_POLL)
    if records_left(where) and await _until_gone(where):
        (where.keeper / "identity").unlink(missing_ok=True)
        return None
    if not is_locked(where):
        return None
    raise AlreadyRunning(
        f"a container of {name} holds {where.keeper / 'lock'}, but its keeper cannot be found: "
        "look for its processes (fuser on that file) and end them"
    )


async def _until_gone(where: Folders, identity: Identity | None = None) -> bool:
    """Wait for the kernel to finish with a container's processes; False if it does not."""
    with trio.move_on_after(_GONE_WITHIN):
        while True:
            if not await trio.to_thread.run_sync(sweep, where, identity):
                return True
            await trio.sleep(_POLL)
    return False
