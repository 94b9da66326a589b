"""The audit: every act of an operator, with who did it and when."""

import os
import pwd
import time

import apsw

from hive.store import Store
from hive.wire import AuditEntry

MOST_DETAIL = 500


def who(uid: int) -> str:
    """The name of the user behind a connection, as the kernel tells."""
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = "unknown"
    return f"{name} (uid {uid})"


def myself() -> str:
    """For acts of the hive itself."""
    return who(os.geteuid())


class AuditLog:
    """Appends to the table and reads its end; an entry is committed before its act is done."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def record(self, who: str, action: str, target: str, detail: str = "") -> None:
        """Write one entry; raises StoreError."""
        row = (time.time(), who, action, target, detail[:MOST_DETAIL])

        def write(db: apsw.Connection) -> None:
            db.execute(
                "INSERT INTO audit (at, who, action, target, detail) VALUES (?, ?, ?, ?, ?)", row
            ).fetchall()

        await self._store.write(write)

    async def newest(self, limit: int) -> tuple[AuditEntry, ...]:
        """The newest entries, oldest first."""

        def read(db: apsw.Connection) -> list[AuditEntry]:
            rows = db.execute(
                "SELECT at, who, action, target, detail FROM audit ORDER BY id DESC LIMIT ?",
                (limit,),
            )
            return [
                AuditEntry(float(str(at)), str(name), str(action), str(target), str(detail or ""))
                for at, name, action, target, detail in rows
            ]

        return tuple(reversed(await self._store.read(read)))
