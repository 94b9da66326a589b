"""The side of a link that listens."""

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import NoReturn

import trio

from hive.link.channel import Channel, open_channel
from hive.link.decoding import Unreadable, decode_received
from hive.link.errors import LinkClosed, RefuseHello, Violation
from hive.link.limits import LinkLimits
from hive.link.peer import Peer, Session, refuse
from hive.link.unix import Credentials, bind, credentials
from hive.wire.codec import PROTOCOL
from hive.wire.frames import Hello

_log = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0
"""How often it is looked whether the socket's file is still there."""

_REFUSED = 8
"""Connections beyond the bound that are told so; more are closed unheard."""

Accept = Callable[[Hello, Credentials], Awaitable[Session]]
"""Gives the session of a connection; raises RefuseHello(code, message)."""


async def serve(
    path: Path,
    accept: Accept,
    *,
    mode: int = 0o600,
    ready: Callable[[], object] = lambda: None,
    limits: LinkLimits = LinkLimits(),  # noqa: B008 - frozen
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> NoReturn:
    """Serve links on the unix socket at `path` until cancelled; no connection can end this.

    `accept` gives the session of each connection. `mode` are the permissions of the socket's file;
    when that is removed, it is made again within seconds, and links stay as they are. `ready` is
    called (and `task_status` started) once it listens. Raises OSError if it cannot listen, and
    FileExistsError if something else than a socket is there.
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
        told = False
        while True:
            file = _file_at(path)
            async with trio.open_nursery() as accepting:
                accept_all = partial(trio.serve_listeners, handler_nursery=nursery)
                await accepting.start(accept_all, connected, [listener])
                if not told:
                    ready()
                    task_status.started()
                    told = True
                listener = await _bound_anew(path, mode, file)
                accepting.cancel_scope.cancel()  # the links that there are go on
    raise AssertionError("unreachable")


async def _bound_anew(path: Path, mode: int, file: tuple[int, int] | None) -> trio.SocketListener:
    """Wait until somebody has removed the socket's file; then listen at a new one there."""
    told = ""
    while True:
        await trio.sleep(LOOK_EVERY_S)
        if file is not None and _file_at(path) == file:
            continue
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            listener = bind(path, mode)
        except FileNotFoundError:
            continue  # the folder above is missing, too: whose it is makes it again
        except OSError as error:
            if told != str(error):
                told = str(error)
                _log.warning("%s is gone and cannot be made again: %s", path, error)
        else:
            _log.warning("%s was gone and has been made again", path)
            return listener


def _file_at(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


async def _serve_one(transport: trio.SocketStream, accept: Accept, limits: LinkLimits) -> None:
    credential = credentials(transport)
    async with open_channel(transport, limits, server=True) as channel:
        try:
            hello = await _hello(channel, limits)
            session = await accept(hello, credential)
        except (Violation, RefuseHello) as error:
            await refuse(channel, error.code, error.message)
            return
        await Peer(channel, session, limits, hello).run(session.welcome)


async def _refuse_one(transport: trio.SocketStream, limits: LinkLimits) -> None:
    """Say why, without waiting for a hello."""
    async with open_channel(transport, limits, server=True) as channel:
        why = f"it serves {limits.connections} connections already: end some, then try again"
        await refuse(channel, "full", why)


async def _hello(channel: Channel, limits: LinkLimits) -> Hello:
    with trio.move_on_after(limits.hello):
        frame = decode_received(await channel.receive())
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
