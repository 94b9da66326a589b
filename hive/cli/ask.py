"""How a command reaches the daemon: one link, one question, errors as exit codes."""

import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import trio

from hive.link import LinkRefused, Peer, RemoteError, Session, connect
from hive.paths import Paths
from hive.wire import PROTOCOL, Body, EventBatch, Hello, Resync

FAILED, USAGE, NO_DAEMON = 1, 2, 3
ANSWER_S = 30.0

T = TypeVar("T")


class CommandFailed(Exception):
    """The command ends with `code` and this text."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


class Pushes(Session):
    """Keeps what the daemon pushes until the follower has printed it; a full queue resyncs."""

    pushes = EventBatch | Resync

    def __init__(self) -> None:
        self._send, self.receive = trio.open_memory_channel[EventBatch | Resync](256)

    def pushed(self, peer: Peer, body: Body) -> None:
        if isinstance(body, EventBatch | Resync):
            try:
                self._send.send_nowait(body)
            except trio.WouldBlock:
                self._send.close()

    def closed(self, peer: Peer) -> None:
        self._send.close()


def with_daemon(
    root: Path, use: Callable[[Peer], Awaitable[T]], session: Session | None = None
) -> T:
    """Run `use` with a link to the daemon of `root`; raises CommandFailed."""
    return trio.run(_with_daemon, Paths(root.absolute()).control, use, session)


async def _with_daemon(
    path: Path, use: Callable[[Peer], Awaitable[T]], session: Session | None
) -> T:
    hello = Hello(PROTOCOL, "operator", uuid.uuid4().hex)
    connected = False
    try:
        async with connect(path, hello, session) as (peer, _):
            connected = True
            return await use(peer)
    except (LinkRefused, RemoteError) as error:
        raise CommandFailed(error.message) from None
    except (OSError, trio.TooSlowError) as error:
        if connected:
            raise CommandFailed(f"the daemon did not answer: {error or 'too slow'}") from None
        raise CommandFailed(
            f"no daemon answers at {path}: start it with `hive up`", NO_DAEMON
        ) from None
    raise AssertionError("unreachable")


def ask(root: Path, body: Body, *, timeout: float = ANSWER_S) -> Body:
    """Ask one question; raises CommandFailed."""

    async def question(peer: Peer) -> Body:
        return await peer.request(body, timeout=timeout)

    return with_daemon(root, question)
