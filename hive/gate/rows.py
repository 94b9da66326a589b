"""What is durable of the gates: a row for each bucket, so that a restart keeps them closed.

Who probes and who follows is not kept: after a restart one agent is chosen anew.
"""

from collections.abc import Collection

import apsw

from hive.gate.gate import Bucket
from hive.store import Store
from hive.wire.gates import GateState
from hive.wire.states import Condition

Row = tuple[str, str, str, str, float, float | None, str | None, str | None, int]


def row_of(credential: str, bucket: Bucket) -> Row:
    """What is kept of a bucket, in the table's order of columns; not its probe and followers."""
    return (
        credential,
        bucket.name,
        bucket.state.value,
        bucket.condition.value,
        bucket.since,
        bucket.until,
        bucket.reason,
        bucket.source,
        bucket.tries,
    )


class GateTable:
    """The table of gates. Every write returns after its commit; every method raises StoreError."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def save(self, rows: Collection[Row], gone: Collection[tuple[str, str]]) -> None:
        """Keep these rows in the place of earlier ones, and drop those of `gone`.

        `gone` has pairs of a credential and a bucket.
        """

        def write(db: apsw.Connection) -> None:
            db.executemany("DELETE FROM gates WHERE credential = ? AND bucket = ?", gone)
            db.executemany(
                "INSERT OR REPLACE INTO gates (credential, bucket, state, condition, since, until,"
                " reason, source, tries) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )

        await self._store.write(write)

    async def all(self) -> dict[str, tuple[Bucket, ...]]:
        """The buckets of every credential that has any, by credential.

        A condition that this version does not know is read as parked: only an act ends it.
        """

        def read(db: apsw.Connection) -> list[tuple[str, Bucket]]:
            rows = db.execute(
                "SELECT credential, bucket, state, condition, since, until, reason, source, tries"
                " FROM gates ORDER BY credential, bucket"
            )
            return [(str(credential), _bucket(*rest)) for credential, *rest in rows]

        found: dict[str, tuple[Bucket, ...]] = {}
        for credential, bucket in await self._store.read(read):
            found[credential] = (*found.get(credential, ()), bucket)
        return found


def _bucket(
    name: object,
    state: object,
    condition: object,
    since: object,
    until: object,
    reason: object,
    source: object,
    tries: object,
) -> Bucket:
    known = condition in set(Condition)
    return Bucket(
        name=str(name),
        state=GateState(str(state)),
        condition=Condition(str(condition)) if known else Condition.PARKED,
        since=float(str(since)),
        until=None if until is None else float(str(until)),
        reason=None if reason is None else str(reason),
        source=None if source is None else str(source),
        tries=int(str(tries)),
    )
