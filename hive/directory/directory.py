"""The tables `agents` and `says`, and the one copy of them in memory: who exists, what is kept."""

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

import apsw
from attrs import evolve

from hive.directory.record import AgentPark, AgentRecord, Rights, bounded
from hive.store import JoinedWrite, Store, fetch

_Value = str | float | int | None


class AgentExists(Exception):
    """The name is taken, by an agent or by one whose end is not complete; the text says which."""


class NoSuchAgent(Exception):
    """No agent of this name exists; the text lists who does."""


_COLUMNS = (
    "name, driver, model, desired, operator_park_reason, operator_park_until, turn_park_reason,"
    " turn_park_until, failures, credential, may_send,"
    " (SELECT text FROM says WHERE agent = agents.name)"
)


def _record(row: tuple[object, ...]) -> AgentRecord:
    name, driver, model, desired, reason, until, turn_reason, turn_until, *rest = row
    failures, credential, may_send, status_line = rest
    return AgentRecord(
        name=str(name),
        driver=str(driver),
        model=None if model is None else str(model),
        wanted=desired == "running",
        operator_park=_park(reason, until),
        turn_park=_park(turn_reason, turn_until),
        failures=int(str(failures)),
        credential=str(credential),
        may_send=None if may_send is None else tuple(str(may_send).split()),
        status_line="" if status_line is None else str(status_line),
    )


def _park(reason: object, until: object) -> AgentPark | None:
    if reason is None:
        return None
    return AgentPark(str(reason), None if until is None else float(str(until)))


class Directory:
    """Which agents exist, whom each may send to, what is wanted of it, what it says of itself.

    Every change is written and shown in memory right after its commit, in the order of the
    commits, also when its caller has gone. Every method that writes raises StoreError with nothing
    changed. An agent that is being destroyed is no more in `known`, but in `leaving`.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, AgentRecord] = {}
        self._leaving: dict[str, str] = {}

    @property
    def known(self) -> Mapping[str, AgentRecord]:
        """Every agent by name, in order of creation; a live view."""
        return MappingProxyType(self._known)

    @property
    def leaving(self) -> Mapping[str, str]:
        """Agents whose end has begun and is not complete, with the time of their end; live."""
        return MappingProxyType(self._leaving)

    def record(self, name: str) -> AgentRecord:
        """The agent's record as it is now; raises NoSuchAgent."""
        if name not in self._known:
            known = ", ".join(sorted(self._known)) or "none yet"
            raise NoSuchAgent(f"there is no agent {name!r}; there are: {known}")
        return self._known[name]

    def names(self) -> frozenset[str]:
        """Everybody to whom a message can be sent but the operator: every agent, also stopped."""
        return frozenset(self._known)

    def rights(self, sender: str) -> Rights:
        """Whom the agent may send to; who is not known here is not limited."""
        record = self._known.get(sender)
        may_send = None if record is None else record.may_send
        return Rights(None if may_send is None else frozenset(may_send))

    def peers(self, name: str) -> tuple[str, ...]:
        """The other agents to whom this one may send, sorted."""
        rights = self.rights(name)
        return tuple(sorted(one for one in self.names() - {name} if rights.allow(one)))

    async def load(self) -> None:
        """Read the tables; to be called once before anything else. Raises StoreError."""

        def read(db: apsw.Connection) -> tuple[dict[str, AgentRecord], dict[str, str]]:
            staying = "leaving IS NULL ORDER BY created_at, name"
            rows = fetch(db, f"SELECT {_COLUMNS} FROM agents WHERE {staying}")
            going = fetch(db, "SELECT name, leaving FROM agents WHERE leaving IS NOT NULL")
            return {record.name: record for record in map(_record, rows)}, dict(going)

        def take(found: tuple[dict[str, AgentRecord], dict[str, str]]) -> None:
            known, self._leaving = found
            now = time.time()
            self._known = {
                name: evolve(record, turn_park=bounded(record.turn_park, now))
                for name, record in known.items()
            }

        # By the writer, so that no change falls between the reading and the taking over.
        await self._store.write(read, take)

    async def create(self, record: AgentRecord) -> None:
        """Add an agent that is wanted and not parked; raises AgentExists if the name is taken."""

        def write(db: apsw.Connection) -> bool:
            fetch(
                db,
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
            )
            return db.changes() == 1

        def take(created: bool) -> None:
            if created:
                self._known[record.name] = record

        if not await self._store.write(write, take):
            if record.name in self._leaving:
                raise AgentExists(
                    f"an agent {record.name!r} is still being destroyed: `hive destroy "
                    f"{record.name}` completes it"
                )
            raise AgentExists(f"there is an agent {record.name!r} already")

    async def leave(self, name: str, when: str) -> None:
        """Begin the agent's end at `when`, which cannot be taken back; `delete` completes it."""

        def take(_: object) -> None:
            self._known.pop(name, None)
            self._leaving[name] = when

        sql = "UPDATE agents SET leaving = ?, desired = 'stopped' WHERE name = ?"
        await self._store.write(lambda db: fetch(db, sql, (when, name)), take)

    async def delete(self, name: str) -> None:
        """Remove the agent and its status line: nothing of it is left here."""

        def take(_: object) -> None:
            self._known.pop(name, None)
            self._leaving.pop(name, None)

        def write(db: apsw.Connection) -> None:
            fetch(db, "DELETE FROM says WHERE agent = ?", (name,))
            fetch(db, "DELETE FROM agents WHERE name = ?", (name,))

        await self._store.write(write, take)

    async def want(self, name: str, wanted: bool) -> None:
        """Remember whether the agent should run after a restart of the daemon."""
        await self._set(name, "desired = ?", "running" if wanted else "stopped")

    async def use_credential(self, name: str, credential: str) -> None:
        """Remember which credential the agent uses."""
        await self._set(name, "credential = ?", credential)

    async def allow(self, name: str, may_send: tuple[str, ...] | None) -> None:
        """Remember to whom the agent may send (None: to all)."""
        await self._set(name, "may_send = ?", _names(may_send))

    async def set_status_line(self, name: str, line: str, changed: Callable[[str], object]) -> None:
        """Keep the line that the agent shows to the operator; an empty one shows nothing.

        `changed(line)` is called right after the commit, unless the line was that before.
        """

        def write(db: apsw.Connection) -> None:
            if line:
                sql = "INSERT OR REPLACE INTO says (agent, text, at) VALUES (?, ?, ?)"
                fetch(db, sql, (name, line, time.time()))
            else:
                fetch(db, "DELETE FROM says WHERE agent = ?", (name,))

        def take(_: None) -> None:
            record = self._known.get(name)
            if record is not None and record.status_line != line:
                self._known[name] = evolve(record, status_line=line)
                changed(line)

        await self._store.write(write, take)

    async def park(self, name: str, park: AgentPark) -> None:
        """Park the agent for the operator; the park of its own failed turns stays beside it."""
        columns = "operator_park_reason = ?, operator_park_until = ?"
        await self._set(name, columns, park.reason, park.until)

    async def unpark(self, name: str) -> None:
        """End both parks of the agent, as the operator says; its run of failures stays."""
        await self._set(
            name,
            "operator_park_reason = NULL, operator_park_until = NULL, turn_park_reason = NULL,"
            " turn_park_until = NULL",
        )

    async def forget_ended_parks(self, name: str, now: float) -> None:
        """Remove the parks that are over at `now` (epoch seconds), also if the clock goes back."""
        over = "{0} = CASE WHEN {1}_park_until <= ? THEN NULL ELSE {0} END"
        columns = [
            over.format(f"{owner}_park_{column}", owner)
            for owner in ("operator", "turn")
            for column in ("reason", "until")
        ]
        await self._set(name, ", ".join(columns), *[now] * len(columns))

    def turn_ended(self, name: str, park: AgentPark | None, failures: int) -> JoinedWrite:
        """What the end of a turn makes of the agent, to be written with the end of its lease.

        `failures` is the new run of turns that failed. The operator's park is not touched.
        """
        columns = "turn_park_reason = ?, turn_park_until = ?, failures = ?"
        values: tuple[_Value, ...] = (None, None, failures)
        if park is not None:
            values = (park.reason, park.until, failures)
        return JoinedWrite(lambda db: _write(db, name, columns, values), self._take)

    async def _set(self, name: str, columns: str, *values: _Value) -> None:
        await self._store.write(lambda db: _write(db, name, columns, values), self._take)

    def _take(self, record: AgentRecord | None) -> None:
        if record is not None and record.name in self._known:
            self._known[record.name] = record


def _write(
    db: apsw.Connection, name: str, columns: str, values: tuple[_Value, ...]
) -> AgentRecord | None:
    """Change a row, and return it as it is then; None if there is none."""
    fetch(db, f"UPDATE agents SET {columns} WHERE name = ?", (*values, name))
    rows = fetch(db, f"SELECT {_COLUMNS} FROM agents WHERE name = ?", (name,))
    return _record(rows[0]) if rows else None


def _names(may_send: tuple[str, ...] | None) -> str | None:
    return None if may_send is None else " ".join(may_send)
