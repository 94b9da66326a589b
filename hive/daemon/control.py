"""The operator's socket and the page's: every subject gets the parts of the hive that it uses."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from hive.daemon.hive import Hive
from hive.operator import (
    agents,
    approvals,
    audit,
    budgets,
    daemon,
    events,
    files,
    gates,
    logins,
    messages,
    questions,
    reminders,
    schedules,
    server,
    tree,
)
from hive.operator.handlers import Table, sum_of
from hive.supervisors import Context


def operator_table(hive: Hive) -> Table:
    """Return the handlers of all that can be asked on the operator's socket."""
    return sum_of(
        messages.table(hive.broker, hive.directory),
        agents.table(hive.fleet, hive.destroyer),
        tree.table(hive.tree),
        gates.table(hive.gates),
        budgets.table(hive.budgets),
        logins.table(hive.logins),
        questions.table(hive.questions, hive.broker),
        reminders.table(hive.reminders, hive.directory),
        schedules.table(hive.schedules),
        files.table(hive.options.paths, hive.directory),
        approvals.table(hive.approvals),
        events.table(hive.events),
        audit.table(hive.audit),
        daemon.table(hive.status.now, hive.stop.stop_all),
    )


def page_table(hive: Hive) -> Table:
    """Return the handlers of all that the page's process can ask."""
    return sum_of(
        messages.page_table(hive.broker, hive.directory),
        events.table(hive.events),
        daemon.page_table(hive.status.now),
    )


def operator(hive: Hive) -> Callable[[Context], Awaitable[None]]:
    """Return the supervised child that serves the operator's socket."""
    return _child(hive, hive.options.paths.control, "operator", operator_table(hive))


def web(hive: Hive) -> Callable[[Context], Awaitable[None]]:
    """Return the supervised child that serves the socket of the page's process."""
    return _child(hive, hive.options.paths.web, "web", page_table(hive))


def _child(hive: Hive, path: Path, role: str, table: Table) -> Callable[[Context], Awaitable[None]]:
    redact = hive.secrets.redact_value
    return partial(server.run, path=path, role=role, table=table, audit=hive.audit, redact=redact)
