"""The tables `budgets` and `usage`: rows to values and back, nothing decided here."""

from collections.abc import Iterable, Mapping

import apsw
from attrs import frozen

from hive.budget.ledger import Tally, UsageEntry, day_text
from hive.budget.policy import HIVE, Budget
from hive.store import fetch
from hive.wire.budgets import Period, SetBudget, Unit
from hive.wire.turns import Usage

_USAGE = "input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_usd"
_SUMS = ", ".join(f"sum({column})" for column in _USAGE.split(", "))
_ADD = ", ".join(
    f"{column} = {column} + excluded.{column}" for column in ("turns", *_USAGE.split(", "))
)


@frozen
class StoredBudgets:
    """What the tables hold: budgets by scope, usage of one day and of all of them by agent."""

    budgets: tuple[Budget, ...]
    today: Mapping[str, Tally]
    total: Mapping[str, Usage]


def budgets(connection: apsw.Connection) -> tuple[Budget, ...]:
    """Return every budget that is set."""
    return tuple(
        Budget(scope, Period(period), Unit(unit), amount, reserve, earlier)
        for scope, period, unit, amount, reserve, earlier in fetch(
            connection, "SELECT scope, period, unit, amount, reserve, earlier FROM budgets"
        )
    )


def load(connection: apsw.Connection, day: int) -> StoredBudgets:
    """Read all that is needed to decide on that day."""
    return StoredBudgets(
        budgets=budgets(connection),
        today={
            agent: Tally(turns, Usage(*used))
            for agent, turns, *used in fetch(
                connection,
                f"SELECT agent, turns, {_USAGE} FROM usage WHERE day = ?",
                (day_text(day),),
            )
        },
        total={
            agent: Usage(*used)
            for agent, *used in fetch(
                connection, f"SELECT agent, {_SUMS} FROM usage GROUP BY agent"
            )
        },
    )


def add(connection: apsw.Connection, entries: Iterable[UsageEntry]) -> None:
    """Add entries to the table of usage."""
    for entry in entries:
        used = entry.usage
        fetch(
            connection,
            f"INSERT INTO usage (day, agent, turns, {_USAGE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            f" ON CONFLICT (day, agent) DO UPDATE SET {_ADD}",
            (
                day_text(entry.day),
                entry.agent,
                entry.turns,
                used.input_tokens,
                used.output_tokens,
                used.cache_read_tokens,
                used.cache_write_tokens,
                used.cost_usd,
            ),
        )


def put(connection: apsw.Connection, order: SetBudget, now: float) -> None:
    """Set or remove a budget. One that was set before goes on from where it began."""
    key = (order.scope, order.period.value, order.unit.value)
    if order.amount is None:
        sql = "DELETE FROM budgets WHERE scope = ? AND period = ? AND unit = ?"
        fetch(connection, sql, key)
        return
    fetch(
        connection,
        "INSERT INTO budgets (scope, period, unit, amount, reserve, since, earlier)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (scope, period, unit)"
        " DO UPDATE SET amount = excluded.amount, reserve = excluded.reserve",
        (*key, order.amount, order.reserve, now, _earlier(connection, order)),
    )


def _earlier(connection: apsw.Connection, order: SetBudget) -> float:
    if order.period is not Period.TOTAL:
        return 0.0
    what = "cost_usd"
    if order.unit is Unit.TOKENS:
        what = "input_tokens + output_tokens + cache_read_tokens + cache_write_tokens"
    sql = f"SELECT total({what}) FROM usage WHERE ? IN ('{HIVE}', agent)"
    found: float = fetch(connection, sql, (order.scope,))[0][0]
    return found
