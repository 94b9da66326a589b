"""Parks of before get their owner: the operator, or the agent's own failed turns."""

import time
from pathlib import Path

import apsw
import pytest

from hive.directory import AgentPark, Directory
from hive.store import MIGRATIONS, fetch, open_store

BEFORE = MIGRATIONS[:6]
TURN = "turn failed: silent: claude said nothing for 600 s"
FULL = "context full even in a new session"
SOON = time.time() + 600


@pytest.mark.parametrize(
    ("reason", "until", "failures", "operator", "turn"),
    [
        (None, None, 0, None, None),
        (None, None, 3, None, None),
        ("parked by the operator", None, 0, AgentPark("parked by the operator", None), None),
        ("until Monday", 5e9, 2, AgentPark("until Monday", 5e9), None),
        (TURN, SOON, 2, None, AgentPark(TURN, SOON)),
        (FULL, SOON, 1, None, AgentPark(FULL, SOON)),
        (TURN, None, 2, AgentPark(TURN, None), None),
        (
            "turn failed too often, look",
            5e9,
            0,
            AgentPark("turn failed too often, look", 5e9),
            None,
        ),
    ],
)
async def test_each_park_keeps_its_meaning(
    tmp_path: Path,
    reason: str | None,
    until: float | None,
    failures: int,
    operator: AgentPark | None,
    turn: AgentPark | None,
) -> None:
    path = tmp_path / "hive.sqlite"
    connection = apsw.Connection(str(path))
    for number, script in enumerate(BEFORE, start=1):
        fetch(connection, f"BEGIN; {script}; PRAGMA user_version={number}; COMMIT")
    fetch(
        connection,
        "INSERT INTO agents (name, created_at, driver, desired, park_reason, park_until,"
        " park_failures, may_send) VALUES ('bob', 1, 'd', 'stopped', ?, ?, ?, 'ann')",
        (reason, until, failures),
    )
    connection.close()
    async with open_store(path, MIGRATIONS) as store:
        records = Directory(store)
        await records.load()
        (record,) = records.known.values()
        assert (record.operator_park, record.turn_park) == (operator, turn)
        assert (record.failures, record.wanted, record.may_send) == (failures, False, ("ann",))
        assert records.leaving == {}
