"""The operator's socket and the page's: every subject gets the parts of the hive that it uses."""

from functools import partial

import trio

from hive.daemon import vault
from hive.daemon.config import NamedCredential
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
    sockets,
    tree,
)
from hive.operator.destroy import Destroyer
from hive.operator.errors import NotDone
from hive.operator.handlers import Table, sum_of
from hive.operator.logins import Logins
from hive.operator.tree import OperatedTree
from hive.supervisors import Context
from hive.wire.logins import SetCredential


def operator_table(hive: Hive) -> Table:
    """All that can be asked on the operator's socket."""
    return sum_of(
        messages.table(hive.broker, hive.directory),
        agents.table(hive.fleet, destroyer(hive), hive.spawn),
        tree.table(operated_tree(hive)),
        gates.table(hive.gates),
        budgets.table(hive.budgets),
        logins.table(_logins(hive)),
        questions.table(hive.desk, hive.broker),
        reminders.table(hive.reminders, hive.directory),
        schedules.table(hive.schedules),
        events.table(hive.events),
        audit.table(hive.audit),
        daemon.table(hive.status, hive.stop_all),
    )


def page_table(hive: Hive) -> Table:
    """All that the page's process can ask."""
    return sum_of(
        messages.page_table(hive.broker, hive.directory),
        events.table(hive.events),
        daemon.page_table(hive.status),
    )


async def operator(ctx: Context, hive: Hive) -> None:
    """The supervised child: the operator's socket."""
    serve = partial(sockets.run, audit=hive.audit, redact=hive.secrets.redact_value)
    await serve(ctx, path=hive.paths.control, role="operator", table=operator_table(hive))


async def web(ctx: Context, hive: Hive) -> None:
    """The supervised child: the socket of the page's process."""
    serve = partial(sockets.run, audit=hive.audit, redact=hive.secrets.redact_value)
    await serve(ctx, path=hive.paths.web, role="web", table=page_table(hive))


def operated_tree(hive: Hive) -> OperatedTree:
    """The hive's tree; to be asked for when its root is set."""
    return OperatedTree(
        hive.root, hive.directory, hive.fleet, hive.parks, hive.incidents, hive.harness_tree
    )


def destroyer(hive: Hive) -> Destroyer:
    """Ends agents of the hive."""
    return Destroyer(
        hive.fleet,
        hive.broker,
        hive.reminders,
        hive.schedules,
        hive.desk,
        hive.budgets,
        hive.publish,
    )


def _logins(hive: Hive) -> Logins:
    async def keep(asked: SetCredential) -> None:
        credential = NamedCredential(asked.name, asked.api_key, asked.oauth_token)
        credential.check()
        async with hive.logging_in:
            try:
                await trio.to_thread.run_sync(vault.keep, hive.paths.credentials, credential)
            except OSError as error:
                raise NotDone("not_done", f"the credential cannot be kept: {error}") from None
            hive.use_api(hive.api.with_(credential, "hive login"))

    return Logins(
        hive.fleet,
        hive.options.claude,
        keep=keep,
        check=lambda name: hive.api.check(name),
        changed=hive.credential_changed,
    )
