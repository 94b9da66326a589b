"""The root folder and the database in it: checked before the start, and watched while it runs."""

import logging
from pathlib import Path

import trio

from hive.containers import forget_foreign
from hive.daemon.stop import HiveStop
from hive.paths import Paths, place_of
from hive.store import Store, StoreError, StoreReplaced, examine
from hive.supervisors import Context

LOOK_EVERY_S = 1.0

log = logging.getLogger(__name__)


def check_database(paths: Paths) -> None:
    """Refuse a database that cannot be this hive's, before anything is made (blocks).

    Raises StoreError when it is another program's, and when there is none although agents' folders
    are there.
    """
    if examine(paths.database):
        return
    agents = [folder for folder in (paths.agents, paths.destroyed_agents) if _has_entries(folder)]
    if agents:
        what = "is empty" if paths.database.exists() else "is missing"
        moves = " and ".join(f"`mv {folder} {folder}.old`" for folder in agents)
        raise StoreError(
            f"{paths.database} {what}, but {agents[0]} has agents' folders: messages, schedules "
            "and everything else of theirs were in it. Restore a backup of it (with the file "
            f"beside it that ends in -wal, if there is one); or, to begin anew without them, "
            f"{moves}. `hive down --root {paths.root}` ends containers that still run"
        )


def _has_entries(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except FileNotFoundError:
        return False


def told_of_copy(paths: Paths) -> str | None:
    """Forget the containers of the root from which this one was copied (blocks).

    Returns what to tell the operator of it, None if this root is no copy.
    """
    names = forget_foreign(paths.root)
    if not names:
        return None
    return (
        f"This root is a copy of one whose agents had containers ({', '.join(names)}): those are "
        "left alone. Both have the same messages and logins now, and each works on its own"
    )


def is_still(paths: Paths, place: str) -> bool:
    """Return whether the root still is the folder with that place (see `place_of`).

    Raises OSError when that cannot be told.
    """
    try:
        return place_of(paths.root) == place
    except FileNotFoundError:
        return False


async def run_store(ctx: Context, store: Store, stop: HiveStop) -> None:
    """The supervised child: runs the store, and stops the hive when its file was replaced."""
    try:
        await store.run(ctx)
    except StoreReplaced as error:
        stop.give_up(str(error))
        await trio.sleep_forever()


async def watch(ctx: Context, paths: Paths, place: str, stop: HiveStop) -> None:
    """The supervised child: makes missing folders again, stops the hive when its root is another.

    `place` is that of the root when it was locked, as `place_of` gives it.
    """
    missed, logged = 0, ""
    ctx.ready()
    while True:
        ctx.tick()
        try:
            missed = 0 if is_still(paths, place) else missed + 1
        except OSError:
            pass  # nothing is known: looked at again
        if missed > 1:  # not in the middle of something
            stop.give_up(
                f"{paths.root} was moved or replaced while the hive ran in it, so it stops. "
                "What it had stored is in the former folder: start it there (--root), or move "
                "it back"
            )
        elif not missed:
            try:
                paths.prepare()
                logged = ""
            except OSError as error:
                if logged != str(error):
                    logged = str(error)
                    log.warning("a folder of the hive is missing and cannot be made: %s", error)
        await trio.sleep(LOOK_EVERY_S)
