"""Parks that the operator ordered, kept in wall time, so that they outlive the daemon.

An agent's own park (whether it takes work) is a column of its row; these are all others.
"""

import apsw
from attrs import frozen

from hive.store import Store


@frozen
class ChildPark:
    """A park of the child at `path`.

    `until` in epoch seconds; None: until somebody unparks the child.
    """

    path: str
    reason: str
    until: float | None


class Parks:
    """The table of parks. Every write returns after its commit; all raise StoreError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def keep(self, park: ChildPark) -> None:
        """Remember a park, in the place of an earlier one of that path."""

        def write(db: apsw.Connection) -> None:
            db.execute(
                "INSERT OR REPLACE INTO parks (path, reason, until) VALUES (?, ?, ?)",
                (park.path, park.reason, park.until),
            ).fetchall()

        await self._store.write(write)

    async def forget(self, path: str) -> None:
        """Remember no park of `path` any more: the child runs again, or does not exist."""

        def write(db: apsw.Connection) -> None:
            db.execute("DELETE FROM parks WHERE path = ?", (path,)).fetchall()

        await self._store.write(write)

    async def all(self) -> tuple[ChildPark, ...]:
        """Every park that is kept."""

        def read(db: apsw.Connection) -> list[ChildPark]:
            return [
                ChildPark(str(path), str(reason), None if until is None else float(str(until)))
                for path, reason, until in db.execute("SELECT path, reason, until FROM parks")
            ]

        return tuple(await self._store.read(read))
