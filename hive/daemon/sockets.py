"""The operator's socket and the page's: every subject gets the parts of the hive that it uses."""

from functools import partial

from hive.daemon.hive import Hive
from hive.operator import (
    agents,
    audit,
    budgets,
    daemon,
    events,
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
    """All that can be asked on the operator's socket."""
    return sum_of(
        messages.table(hive.broker, hive.directory),
        agents.table(hive.fleet, hive.destroyer),
        tree.table(hive.tree),
        gates.table(hive.gates),
        budgets.table(hive.budgets),
        logins.table(hive.logins),
        questions.table(hive.desk, hive.broker),
        reminders.table(hive.reminders, hive.directory),
        schedules.table(hive.schedules),
        events.table(hive.events),
        audit.table(hive.audit),
        daemon.table(hive.status.now, hive.stop.stop_all),
    )


def page_table(hive: Hive) -> Table:
    """All that the page's process can ask."""
    return sum_of(
        messages.page_table(hive.broker, hive.directory),
        events.table(hive.events),
        daemon.page_table(hive.status.now),
    )


async def operator(ctx: Context, hive: Hive) -> None:
    """The supervised child: the operator's socket."""
    serve = partial(server.run, audit=hive.audit, redact=hive.secrets.redact_value)
    await serve(ctx, path=hive.options.paths.control, role="operator", table=operator_table(hive))


async def web(ctx: Context, hive: Hive) -> None:
    """The supervised child: the socket of the page's process."""
    serve = partial(server.run, audit=hive.audit, redact=hive.secrets.redact_value)
    await serve(ctx, path=hive.options.paths.web, role="web", table=page_table(hive))
