"""Connections to the database: how each is set up, and the pool of those that only read."""

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import apsw
import trio

from hive.store.errors import StoreClosed, StoreFull, explain

_log = logging.getLogger(__name__)

T = TypeVar("T")
Bindings = Sequence[Any] | Mapping[str, Any]

BUSY_TIMEOUT_MS = 5_000
READERS = 4


def fetch(connection: apsw.Connection, sql: str, bindings: Bindings = ()) -> list[Any]:
    """Run SQL to its end and return its rows, as tuples.

    apsw by itself stops at the first row until somebody asks for the next one, so that the rest of
    a script would not run and the statement would stay open.
    """
    return connection.execute(sql, bindings).fetchall()


def roll_back(connection: apsw.Connection, sql: str = "ROLLBACK") -> bool:
    """Undo what is open after a failure, and return whether that could be done.

    Never raises: the failure before is the one to tell of. SQLite itself has undone everything
    after some of them (no space, I/O error), and then there is nothing left to undo.
    """
    if connection.in_transaction:
        try:
            fetch(connection, sql)
        except apsw.Error as error:
            _log.error("%s failed after a failure: %s", sql, error)
            return False
    return True


def open_writer(path: Path, *, create: bool) -> apsw.Connection:
    """Open the one connection that writes, and prove that it can; the file is its owner's only.

    SQLite opens what is read-only at that moment for reading alone, and for good: so it is proven.
    Raises what SQLite raises, but not that there is no space: that comes and goes.
    """
    if create:
        path.touch(mode=0o600)
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        fetch(
            connection, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON"
        )
        version = connection.pragma("user_version")
        try:
            with connection:
                fetch(connection, f"PRAGMA user_version={version}")  # it writes, although the same
        except apsw.Error as error:
            if not isinstance(explain(error, connection), StoreFull):
                raise
    except BaseException:
        connection.close()
        raise
    return connection


def _open_reader(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    # A first read opens the log, too: it works then whatever becomes of the files' names.
    fetch(connection, "PRAGMA query_only=ON; SELECT count(*) FROM sqlite_schema")
    return connection


class Readers:
    """A pool of connections that only read, used by worker threads; each job sees one snapshot.

    Raises what SQLite raises when they cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle = deque(_open_reader(path) for _ in range(READERS))
        self._limiter = trio.CapacityLimiter(READERS)
        self._closed = False

    async def read(self, fn: Callable[[apsw.Connection], T]) -> T:
        """Run `fn` in a worker thread on one of the connections.

        Raises StoreClosed after close(), StoreError when the database fails, and what `fn` raises.
        """
        return await trio.to_thread.run_sync(self._run, fn, limiter=self._limiter)

    def close(self) -> None:
        """Close the connections that are idle now; the others are closed when their jobs end."""
        self._closed = True
        self._drain()

    def _run(self, fn: Callable[[apsw.Connection], T]) -> T:
        try:
            connection = self._idle.popleft()
        except IndexError:
            raise StoreClosed("the store was closed while this read waited") from None
        try:
            fetch(connection, "BEGIN")
            result = fn(connection)
        except Exception as error:
            fault = explain(error)
            if fault is error:
                raise
            connection = self._anew(connection)
            raise fault from error
        else:
            return result
        finally:
            roll_back(connection)
            self._idle.append(connection)
            if self._closed:
                self._drain()

    def _anew(self, failed: apsw.Connection) -> apsw.Connection:
        """Another connection after a fault of the file, which may be over; else the same."""
        try:
            connection = _open_reader(self._path)
        except (apsw.Error, OSError):
            return failed
        failed.close()
        return connection

    async def ended(self) -> None:
        """Wait, after close(), until the last job has ended."""
        for _ in range(READERS):
            await self._limiter.acquire_on_behalf_of(object())

    def _drain(self) -> None:
        while self._idle:
            try:
                self._idle.popleft().close()
            except IndexError:  # another thread drains too and was quicker
                return
