"""The agents table: which agents exist, what is wanted of them, and until when they are parked."""

import time
from collections.abc import Sequence

import apsw
from attrs import frozen

from hive.store import Store
from hive.wire import DEFAULT_CREDENTIAL, OWN_LOGIN


@frozen
class AgentRecord:
    """One row; `park_until` in epoch seconds, `credential` a name or OWN_LOGIN.

    `may_send`: to whom it may send, EVERYBODY for broadcasts; None: no limit.
    """

    name: str
    driver: str
    model: str | None = None
    wanted: bool = True
    park_reason: str | None = None
    park_until: float | None = None
    park_failures: int = 0
    credential: str = DEFAULT_CREDENTIAL
    may_send: tuple[str, ...] | None = None


def credential_key(record: AgentRecord) -> str:
    """The account behind the agent: agents of one key share its limits.

    `own:NAME` for a login of its own, which no other agent shares (refresh tokens work once).
    """
    own = record.credential == OWN_LOGIN
    return f"{OWN_LOGIN}:{record.name}" if own else record.credential


class AgentExists(Exception):
    """The name is taken."""


_COLUMNS = (
    "name, driver, model, desired, park_reason, park_until, park_failures, credential, may_send"
)


def _record(row: tuple[object, ...]) -> AgentRecord:
    name, driver, model, desired, reason, until, failures, credential, may_send = row
    return AgentRecord(
        name=str(name),
        driver=str(driver),
        model=None if model is None else str(model),
        wanted=desired == "running",
        park_reason=None if reason is None else str(reason),
        park_until=None if until is None else float(str(until)),
        park_failures=int(str(failures)),
        credential=str(credential),
        may_send=None if may_send is None else tuple(str(may_send).split()),
    )


class Records:
    """Reads and writes the agents table; every write returns after its commit."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def all(self) -> Sequence[AgentRecord]:
        """Every agent, in order of creation."""

        def read(db: apsw.Connection) -> list[AgentRecord]:
            rows = db.execute(f"SELECT {_COLUMNS} FROM agents ORDER BY created_at, name")
            return [_record(row) for row in rows]

        return await self._store.read(read)

    async def create(self, record: AgentRecord) -> None:
        """Add an agent; raises AgentExists."""

        def write(db: apsw.Connection) -> bool:
            db.execute(
                "INSERT INTO agents"
                " (name, created_at, driver, model, credential, may_send, desired)"
                " VALUES (?, ?, ?, ?, ?, ?, 'running') ON CONFLICT DO NOTHING",
                (
                    record.name,
                    time.time(),
                    record.driver,
                    record.model,
                    record.credential,
                    _names(record.may_send),
                ),
            ).fetchall()
            return db.changes() == 1

        if not await self._store.write(write):
            raise AgentExists(f"there is an agent {record.name!r} already")

    async def delete(self, name: str) -> None:
        """The agent is no more."""
        await self._execute("DELETE FROM agents WHERE name = ?", (name,))

    async def want(self, name: str, wanted: bool) -> None:
        """Remember whether the agent should run after a restart of the daemon."""
        desired = "running" if wanted else "stopped"
        await self._execute("UPDATE agents SET desired = ? WHERE name = ?", (desired, name))

    async def use_credential(self, name: str, credential: str) -> None:
        """Remember which credential the agent uses."""
        await self._execute("UPDATE agents SET credential = ? WHERE name = ?", (credential, name))

    async def allow(self, name: str, may_send: tuple[str, ...] | None) -> None:
        """Remember to whom the agent may send."""
        await self._execute(
            "UPDATE agents SET may_send = ? WHERE name = ?", (_names(may_send), name)
        )

    async def park(self, name: str, reason: str | None, until: float | None, failures: int) -> None:
        """Remember a park (or with `reason` None its end) and the run of failed turns."""
        await self._execute(
            "UPDATE agents SET park_reason = ?, park_until = ?, park_failures = ? WHERE name = ?",
            (reason, until, failures, name),
        )

    async def _execute(self, sql: str, values: tuple[str | float | int | None, ...]) -> None:
        def write(db: apsw.Connection) -> None:
            db.execute(sql, values).fetchall()

        await self._store.write(write)


def _names(may_send: tuple[str, ...] | None) -> str | None:
    return None if may_send is None else " ".join(may_send)
