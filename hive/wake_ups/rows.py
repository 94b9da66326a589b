"""The table `self_wakes`: rows to values and back, nothing decided here."""

import apsw

from hive.store import fetch


def times(connection: apsw.Connection, agent: str, kind: str, since: float) -> list[float]:
    """When the agent ordered wake-ups of this kind after `since` (epoch seconds), ascending."""
    sql = "SELECT at FROM self_wakes WHERE agent = ? AND kind = ? AND at > ? ORDER BY at"
    return [at for (at,) in fetch(connection, sql, (agent, kind, since))]


def add(
    connection: apsw.Connection, agent: str, kind: str, text: str, now: float, *, pending: bool
) -> None:
    """Add a wake-up; a `pending` one waits for the end of the agent's turn."""
    fetch(
        connection,
        "INSERT INTO self_wakes (agent, kind, text, at, pending) VALUES (?, ?, ?, ?, ?)",
        (agent, kind, text, now, pending),
    )


def forget(connection: apsw.Connection, agent: str, before: float) -> None:
    """Drop what no cap looks at any more and nobody waits for."""
    sql = "DELETE FROM self_wakes WHERE agent = ? AND at < ? AND NOT pending"
    fetch(connection, sql, (agent, before))


def pending(connection: apsw.Connection, agent: str) -> str | None:
    """The reason of the wake-up that waits for the end of the agent's turn; None: there is none."""
    sql = "SELECT text FROM self_wakes WHERE agent = ? AND pending"
    found = fetch(connection, sql, (agent,))
    return str(found[0][0]) if found else None


def no_longer_pending(connection: apsw.Connection, agent: str) -> None:
    """The agent's wake-up has become a message, or is not wanted any more."""
    fetch(connection, "UPDATE self_wakes SET pending = 0 WHERE agent = ? AND pending", (agent,))


def agents_pending(connection: apsw.Connection) -> list[str]:
    """Every agent with a wake-up that waits for the end of its turn."""
    return [name for (name,) in fetch(connection, "SELECT agent FROM self_wakes WHERE pending")]
