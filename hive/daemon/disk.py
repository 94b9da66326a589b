"""The disk under the root: how much room there is, and what the operator must know of it."""

import os
from collections.abc import Callable
from enum import Enum
from pathlib import Path

import trio
from attrs import frozen

from hive.store import Store, StoreError, StoreFull
from hive.supervisors import Context
from hive.wire.daemon import Notice
from hive.wire.events import Event

LOOK_EVERY_S = 10.0
"""Seconds between two looks; a store that has trouble is looked at once."""

FULL = 4 << 20
"""With less free than these bytes a database cannot be written for long."""

LOW = 200 << 20
"""With less free than these bytes the operator is told."""

LOW_FILES = 1_000
"""With less room than for so many files the operator is told."""


class Room(Enum):
    """How much room the disk has; BROKEN: it does not take what is written."""

    ENOUGH = "enough"
    LOW = "low"
    FULL = "full"
    BROKEN = "broken"


@frozen
class Space:
    """What is free on the disk: bytes, and files that can be made (None: without a bound)."""

    free: int
    files: int | None = None


def space(folder: Path) -> Space:
    """Return the space that this user may use where `folder` is (blocks); raises OSError."""
    found = os.statvfs(folder)
    ours = os.geteuid() == 0  # root may use what is kept back from others
    blocks, files = (found.f_bfree, found.f_ffree) if ours else (found.f_bavail, found.f_favail)
    return Space(blocks * found.f_frsize, files if found.f_files else None)


def room(free: Space | None, trouble: StoreError | None) -> Room:
    """Return how much room a disk has that left `free` (None: not known).

    `trouble` is why it did not take the last write, None if it did.
    """
    if isinstance(trouble, StoreFull):
        return Room.FULL
    if trouble is not None:
        return Room.BROKEN
    if free is None:
        return Room.ENOUGH
    if free.free < FULL or free.files == 0:
        return Room.FULL
    low = free.free < LOW or (free.files is not None and free.files < LOW_FILES)
    return Room.LOW if low else Room.ENOUGH


def disk_notice(root: Path, free: Space | None, trouble: StoreError | None) -> str | None:
    """Return one line for the operator of the disk under `root`, None while there is room."""
    left = "" if free is None else f"{free.free / 1e6:.0f} MB"
    if free is not None and free.files is not None and free.files < LOW_FILES:
        left += f" and room for {free.files} files"
    where = f"{left} free where {root} lies" if left else f"where {root} lies"
    match room(free, trouble):
        case Room.FULL:
            return (
                f"the disk is full ({where}): the hive can store nothing, so messages are refused "
                "and agents wait; free some space, and it goes on by itself"
            )
        case Room.BROKEN:
            return f"the disk does not take what the hive writes: {trouble}"
        case Room.LOW:
            return f"the disk is nearly full: {where}; free some space before the hive must stop"
    return None


class DiskWatch:
    """A supervised child that looks at the disk, and at once when the store has trouble."""

    def __init__(
        self,
        root: Path,
        store: Store,
        publish: Callable[[str | None, Event], object],
        *,
        look: Callable[[Path], Space] = space,
    ) -> None:
        self._root = root
        self._store = store
        self._publish = publish
        self._look = look
        self._space: Space | None = None

    def notices(self) -> tuple[str, ...]:
        """What the operator must see of the disk now: one line, or none while there is room."""
        text = disk_notice(self._root, self._space, self._store.trouble)
        return () if text is None else (text,)

    async def run(self, ctx: Context) -> None:
        """Publish a notice when the room changes: less, more, or enough again."""
        ctx.ready()
        published = Room.ENOUGH
        while True:
            ctx.tick()
            try:
                self._space = await trio.to_thread.run_sync(
                    self._look, self._root, abandon_on_cancel=True
                )
            except OSError:
                self._space = None
            now = room(self._space, self._store.trouble)
            if now is not published:
                published = now
                (text,) = self.notices() or ("there is room on the disk again",)
                self._publish(None, Notice(text))
            with trio.move_on_after(LOOK_EVERY_S):
                await self._store.trouble_turns()
