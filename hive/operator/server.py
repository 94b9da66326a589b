"""The operator's socket and the narrower one of the web process: each serves its table.

No request is known here by name: what it does is in the file of its subject.
"""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import outcome
import trio

from hive.link import Credentials, LinkClosed, LinkError, Peer, RefuseHello, serve
from hive.link import Session as LinkSession
from hive.operator.audit import AuditLog, who
from hive.operator.errors import explained
from hive.operator.handlers import AuditWriter, Handler, Stream, Table
from hive.supervisors import Context
from hive.wire.bodies import Body, OperatorBody, PageBody
from hive.wire.daemon import Done
from hive.wire.frames import Hello

ALLOWED = {"operator": OperatorBody, "web": PageBody}
"""For each role all that can be asked on its socket."""

RedactBody = Callable[[Body], Body]
"""Returns the body without secrets."""

log = logging.getLogger(__name__)


async def run(
    ctx: Context, *, path: Path, role: str, table: Table, audit: AuditLog, redact: RedactBody
) -> None:
    """The supervised child: listens at `path` for connections of `role`, "operator" or "web"."""
    async with trio.open_nursery() as nursery:

        async def accept(hello: Hello, credentials: Credentials) -> _Session:
            if hello.role != role:
                raise RefuseHello("wrong_role", f"this socket is for the role {role!r}")
            return _Session(nursery, ALLOWED[role], table, audit, redact, who(credentials, role))

        await nursery.start(serve, path, accept)
        ctx.ready()
        while True:
            ctx.tick()
            await trio.sleep(1)


class _Session(LinkSession):
    """One connection. Every answer comes from the table."""

    def __init__(
        self,
        nursery: trio.Nursery,
        allowed: Any,
        table: Table,
        audit: AuditLog,
        redact: RedactBody,
        who: str,
    ) -> None:
        self.nursery, self.requests, self.table = nursery, allowed, table
        self.audit, self.redact, self.who = audit, redact, who
        self.following = trio.CancelScope()

    def closed(self, peer: Peer) -> None:
        self.following.cancel()

    async def handle(self, peer: Peer, body: Body) -> Body:
        """Answer a read, or do an act, which the audit records; follow a stream.

        Raises LinkError when it is not allowed or failed in a way that is known.
        """
        handler = self.table.get(type(body))
        if handler is None:
            raise LinkError("not_allowed", f"{type(body).__name__} cannot be asked here")
        if isinstance(handler, Stream):
            self.following.cancel()
            self.following = trio.CancelScope()
            self.nursery.start_soon(_follow, peer, handler, self.redact(body), self.following)
            return Done()
        try:
            return await self._answer(peer, handler, body)
        except Exception as error:
            if (known := explained(error)) is None:
                raise
            raise known from error

    async def _answer(self, peer: Peer, handler: Handler, body: Body) -> Body:
        if not handler.brings_secret:
            body = self.redact(body)
        if handler.describe is None:
            return await _respond(handler, body)
        described = await handler.describe(body)
        record = self.audit.record_with if handler.is_one_commit else self.audit.record
        act = partial(record, self.who, described, partial(_respond, handler, body))
        answer = await (self._run_to_completion(peer, act) if handler.has_steps else act())
        if handler.once_recorded is not None:
            handler.once_recorded()
        return answer

    async def _run_to_completion(self, peer: Peer, act: Callable[[], Awaitable[Body]]) -> Body:
        """Do what has several steps also when who asked has gone: only the hive's stop ends it."""
        ended: list[outcome.Outcome[Body]] = []
        done = trio.Event()

        async def run() -> None:
            try:
                ended.append(outcome.Value(await act()))
            except Exception as error:
                if peer.closed.is_set():
                    log.warning("an act failed, who asked for it had gone: %s", error)
                ended.append(outcome.Error(error))
            done.set()

        self.nursery.start_soon(run)
        await done.wait()
        return ended[0].unwrap()


async def _respond(handler: Handler, body: Body, *write_entry: AuditWriter) -> Body:
    answer = await handler.respond(body, *write_entry)
    return Done() if answer is None else answer


async def _follow(peer: Peer, stream: Stream, asked: Body, scope: trio.CancelScope) -> None:
    with scope, suppress(LinkClosed):
        await stream.run(asked, peer.push)
