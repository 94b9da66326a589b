"""The side that listens."""

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NoReturn

import trio

from hive.link.channel import Channel, open_channel
from hive.link.errors import LinkClosed, Refuse, Violation
from hive.link.intake import Unreadable, read
from hive.link.limits import Limits
from hive.link.peer import Peer, Session, refuse
from hive.link.unix import Credentials, bind, credentials
from hive.wire import PROTOCOL, Hello

_log = logging.getLogger(__name__)

_REFUSED = 8
"""Connections beyond the bound that are told so; more are closed unheard."""

Accept = Callable[[Hello, Credentials], Awaitable[Session]]
"""Gives the session of a connection; raises Refuse(code, message)."""


async def serve(
    path: Path,
    accept: Accept,
    *,
    mode: int = 0o600,
    ready: Callable[[], object] = lambda: None,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> NoReturn:
    """Serve links on the unix socket at `path` until cancelled; no connection can end it.

    `ready` is called (and `task_status` started) once it listens. Raises OSError if it cannot.
    """
    listener = bind(path, mode)
    open_now = 0

    async def connected(transport: trio.SocketStream) -> None:
        nonlocal open_now
        full = open_now >= limits.connections
        if full:
            _log.warning("%s: over %d connections, one closed", path, limits.connections)
            if open_now >= limits.connections + _REFUSED:
                return
        open_now += 1
        try:
            await (
                _refuse_one(transport, limits) if full else _serve_one(transport, accept, limits)
            )
        except* (LinkClosed, trio.TooSlowError):
            pass  # before there was a session: nobody to tell
        except* Exception:
            _log.exception("%s: a connection failed", path)
        finally:
            open_now -= 1

    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, connected, [listener])
        ready()
        task_status.started()
        await trio.sleep_forever()
    raise AssertionError("unreachable")


async def _serve_one(transport: trio.SocketStream, accept: Accept, limits: Limits) -> None:
    credential = credentials(transport)
    async with open_channel(transport, limits, server=True) as channel:
        try:
            hello = await _hello(channel, limits)
            session = await accept(hello, credential)
        except (Violation, Refuse) as error:
            await refuse(channel, error.code, error.message)
            return
        await Peer(channel, session, limits, hello).run(session.welcome)


async def _refuse_one(transport: trio.SocketStream, limits: Limits) -> None:
    """Say why, without waiting for a hello."""
    async with open_channel(transport, limits, server=True) as channel:
        why = f"it serves {limits.connections} connections already: end some, then try again"
        await refuse(channel, "full", why)


async def _hello(channel: Channel, limits: Limits) -> Hello:
    with trio.move_on_after(limits.hello):
        frame = read(await channel.receive())
        if isinstance(frame, Unreadable):
            raise Violation("bad_frame", frame.error)
        if not isinstance(frame, Hello):
            raise Violation("no_hello", f"a hello must come first, not {type(frame).__name__}")
        if frame.protocol != PROTOCOL:
            raise Violation(
                "wrong_protocol",
                f"this side speaks protocol {PROTOCOL}, you {frame.protocol}: upgrade the older",
            )
        return frame
    raise Violation("no_hello", f"no hello within {limits.hello:g} s")
