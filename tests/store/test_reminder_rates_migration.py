"""Tokens of before become the time that an agent is ahead of its rate."""

from pathlib import Path

import apsw
import pytest

from hive.reminders import ReminderLimits, TooManyReminders, policy, rows
from hive.store import MIGRATIONS, fetch, open_store

BEFORE = MIGRATIONS[:8]
AT = 1_800_000_000.0


@pytest.mark.parametrize("tokens", [0, 3, 10])
async def test_as_many_may_be_set_as_before(tmp_path: Path, tokens: int) -> None:
    path = tmp_path / "hive.sqlite"
    connection = apsw.Connection(str(path))
    for number, script in enumerate(BEFORE, start=1):
        fetch(connection, f"BEGIN; {script}; PRAGMA user_version={number}; COMMIT")
    fetch(connection, "INSERT INTO reminder_buckets VALUES ('ann', ?, ?)", (float(tokens), AT))
    connection.close()
    async with open_store(path, MIGRATIONS) as store:
        pace = await store.read(lambda c: rows.pace(c, "ann"))
    for _ in range(tokens):
        pace = policy.take(pace, ReminderLimits(), AT)
    with pytest.raises(TooManyReminders, match="allowed in 120 s"):
        policy.take(pace, ReminderLimits(), AT)
