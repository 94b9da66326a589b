"""The database's files: what is there before it is opened, and whether they stay in their place."""

import os
import time
from pathlib import Path

import apsw

from hive.store.connections import BUSY_TIMEOUT_MS, fetch
from hive.store.errors import StoreError, StoreMoved, StoreReplaced
from hive.store.schema import MIGRATIONS, version_of

_TABLES = {"messages", "agents", "events", "audit"}
"""What every database of a hive has."""

_ENDINGS = ("", "-wal", "-shm")
_AT_ONCE = 1000
"""Pages that are copied at once."""


def examine(path: Path) -> bool:
    """Look at a database before anything is made, and return whether it holds a hive.

    False means that there is nothing yet. Raises StoreError when it is none, damaged, not ours, not
    writable or held by another program, SchemaTooNew when a newer version wrote it, and OSError
    when it cannot be looked at.
    """
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        size = 0
    if path.exists() and not path.is_file():
        raise StoreError(f"{path} is no file: move it away, or restore a backup of the database")
    for needed in (path.resolve().parent, path):
        if needed.exists() and not os.access(needed, os.W_OK):
            raise StoreError(
                f"{needed} cannot be written to (by user {os.geteuid()}), and the hive stores "
                "everything there: mend its owner, its permissions or its disk's mount"
            )
    return size > 0 and _holds_hive(path)


def _holds_hive(path: Path) -> bool:
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.set_busy_timeout(BUSY_TIMEOUT_MS)
            tables = {name for (name,) in fetch(connection, "SELECT name FROM sqlite_schema")}
            if tables >= _TABLES:
                version_of(connection, MIGRATIONS)
                fetch(connection, "BEGIN IMMEDIATE; ROLLBACK")  # nobody else writes
        finally:
            connection.close()
    except (apsw.BusyError, apsw.LockedError):
        raise StoreError(
            f"{path} is held by another program (a backup, a database browser?): end that first"
        ) from None
    except (apsw.NotADBError, apsw.CorruptError) as error:
        raise StoreError(
            f"{path} is damaged or no database ({error}): restore a backup of it; "
            "to look at what is left, copy it and use sqlite3's .recover"
        ) from None
    except (apsw.Error, OSError) as error:
        raise StoreError(f"{path} cannot be opened ({error}): check its disk and owner") from None
    if tables and not tables >= _TABLES:
        raise StoreError(f"{path} is another program's database: choose another --root")
    return bool(tables)


class DatabaseFiles:
    """The files of an open database, held open so that their inodes are not used for others.

    Raises OSError when they cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        self._paths = {ending: Path(f"{self._path}{ending}") for ending in _ENDINGS}
        self._held: dict[str, int] = {}
        try:
            for ending in _ENDINGS:
                # O_PATH: closing any other descriptor would drop SQLite's own locks.
                self._held[ending] = os.open(self._paths[ending], os.O_PATH | os.O_CLOEXEC)
        except BaseException:
            self.close()
            raise
        self._known = {ending: os.fstat(held) for ending, held in self._held.items()}

    def close(self) -> None:
        """Close the descriptors that hold the files."""
        while self._held:
            os.close(self._held.popitem()[1])

    def lost(self) -> bool:
        """Return whether one of the files is no longer where it was."""
        return not all(map(self._there, _ENDINGS))

    def mend(self, connection: apsw.Connection) -> StoreError:
        """Bring what was committed into a file that stays, and return why the store must end now.

        Raises OSError and what SQLite raises when that is not possible at the moment.
        """
        path = self._path
        # Emptied, because a log that stays would be taken for that of the next file of this name.
        busy, _, _ = fetch(connection, "PRAGMA wal_checkpoint(TRUNCATE)")[0]
        if busy:
            raise apsw.BusyError("somebody reads it for long")
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)  # it would remove by name
        if self._there(""):
            return StoreMoved(
                f"the files beside {path} were removed while the hive ran: what they held is in "
                "the database now, nothing is lost"
            )
        if os.fstat(self._held[""]).st_nlink:
            now = Path(f"/proc/self/fd/{self._held['']}").readlink()
            return StoreReplaced(
                f"{path} was moved away while the hive ran; it is {now} now and has everything: "
                "move it back, or go on with what is in its place, and start the hive again"
            )
        if not os.path.lexists(path):
            self._copy(connection, path)
            return StoreMoved(
                f"{path} was removed while the hive ran: it has been written again, nothing is lost"
            )
        aside = path.with_name(f"{path.name}.replaced-{time.strftime('%Y%m%d-%H%M%S')}")
        self._copy(connection, aside)
        return StoreReplaced(
            f"{path} was replaced while the hive ran: what the hive had stored is in {aside}. "
            "Start the hive again to use the new file, or first put the former one in its place"
        )

    def _there(self, ending: str) -> bool:
        try:
            return os.path.samestat(self._paths[ending].stat(), self._known[ending])
        except OSError:
            return False

    def _copy(self, connection: apsw.Connection, to: Path) -> None:
        """Write a copy of the open database to a name that is free."""
        new = to.with_name(f"{to.name}.new")
        new.unlink(missing_ok=True)
        new.touch(mode=0o600)
        copy = apsw.Connection(str(new))
        try:
            fetch(copy, "PRAGMA synchronous=FULL")
            with copy.backup("main", connection, "main") as backup:
                while not backup.done:
                    backup.step(_AT_ONCE)
        finally:
            copy.close()
        os.link(new, to)  # unlike a rename it never takes another file's place
        new.unlink()
        folder = os.open(to.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
