"""All errors that the store raises. Every text says what happened and what to do."""

import errno

import apsw


class StoreError(Exception):
    """The database could not be opened, read or written; nothing of the job was stored."""

    code = "store_error"


class StoreFull(StoreError):
    """There is no space left for a write; the store recovers by itself when there is again."""

    code = "store_full"


class StoreClosed(StoreError):
    """The store is not open: not started yet, stopping, or its writer has died."""

    code = "store_closed"


class StoreStuck(StoreError):
    """A thread of the store did not come to an end in time."""

    code = "store_stuck"


class StoreMoved(StoreError):
    """Files of the database were removed; what they held is in safety, the store ends.

    Opened anew it has everything that it had.
    """

    code = "store_moved"


class StoreReplaced(StoreError):
    """Another file, or none, lies where the database was; what it held is in safety.

    Somebody wanted that, so the hive must not go on by itself; the text says what to do.
    """

    code = "store_replaced"


class SchemaTooNew(StoreError):
    """The database was written by a newer version."""

    code = "schema_too_new"


_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FAULTS = (
    apsw.BusyError,
    apsw.CantOpenError,
    apsw.CorruptError,
    apsw.IOError,
    apsw.NoMemError,
    apsw.NotADBError,
    apsw.ReadOnlyError,
)


def explain(error: Exception, connection: apsw.Connection | None = None) -> Exception:
    """Return a StoreError for a fault of disk or file of SQLite's; any other error as it is.

    `connection` is the one that failed, None if it is not known.
    """
    fault: StoreError
    if isinstance(error, apsw.FullError) or (
        isinstance(error, apsw.IOError | apsw.CantOpenError)  # no inodes: it cannot be opened
        and connection is not None
        and connection.system_errno in _NO_SPACE
    ):
        fault = StoreFull(
            f"no space left for the database ({error}): nothing was stored; "
            "free some space on its disk, then try again"
        )
    elif isinstance(error, _FAULTS):
        fault = StoreError(
            f"the database failed ({type(error).__name__}: {error}): nothing was stored; "
            "check its disk, its permissions and that no other program holds it"
        )
    else:
        return error
    fault.__cause__ = error
    return fault
