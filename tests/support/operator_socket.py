"""The operator's socket, or the page's, with a table of a test's own."""

from functools import partial

import trio

from hive.operator import server
from hive.operator.audit import AuditLog
from hive.operator.handlers import Table
from hive.paths import Paths
from hive.redact import Secrets
from hive.supervisors import Context


async def listen(
    nursery: trio.Nursery, paths: Paths, table: Table, audit: AuditLog, role: str = "operator"
) -> None:
    """Serve the table in the nursery; returns when it can be asked."""
    path = paths.control if role == "operator" else paths.web
    redact = Secrets().redact_value
    ready = trio.Event()
    ctx = Context("hive/control", on_ready=lambda _: ready.set())
    run = partial(server.run, path=path, role=role, table=table, audit=audit, redact=redact)
    nursery.start_soon(run, ctx)
    with trio.fail_after(5):
        await ready.wait()
