"""The side that connects."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NoReturn

import trio

from hive.link.channel import Channel, open_channel
from hive.link.errors import LinkClosed, LinkRefused, Violation
from hive.link.intake import Unreadable, read
from hive.link.limits import Limits
from hive.link.peer import Peer, Session, refuse
from hive.link.unix import dial
from hive.wire.codec import PROTOCOL, encode_frame
from hive.wire.frames import Failure, Hello, Welcome


@asynccontextmanager
async def connect(
    path: Path,
    hello: Hello,
    session: Session | None = None,
    *,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> AsyncIterator[tuple[Peer, Welcome]]:
    """Link with who listens at `path`; `session` takes what that side asks and pushes.

    The body goes on when the link is lost: `peer.closed` tells, and requests raise LinkClosed.
    Raises LinkRefused(code, message), OSError (LinkClosed is one) and trio.TooSlowError.
    """
    with trio.fail_after(limits.hello):
        transport = await dial(path)
    async with open_channel(transport, limits, server=False) as channel:
        with suppress(LinkClosed):  # who is full says so without a hello
            await channel.send(encode_frame(hello))
        welcome = await _welcome(channel, limits)
        peer = Peer(channel, session or Session(), limits)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.run, name="link peer")
            failed: Exception | None = None
            try:
                yield peer, welcome
            except Exception as error:  # kept bare: the nursery would wrap it in a group
                failed = error
            await peer.close()
            nursery.cancel_scope.cancel()
        if failed is not None:
            raise failed


async def _welcome(channel: Channel, limits: Limits) -> Welcome:
    with trio.fail_after(limits.hello):
        try:
            frame = read(await channel.receive())
        except Violation as error:
            raise LinkRefused(error.code, error.message) from None
    match frame:
        case Welcome() if frame.protocol == PROTOCOL:
            return frame
        case Welcome():
            message = f"this side speaks protocol {PROTOCOL}, that one {frame.protocol}"
            await refuse(channel, "wrong_protocol", message)
            raise LinkRefused("wrong_protocol", message)
        case Failure():
            raise LinkRefused(frame.code, frame.message)
        case Unreadable():
            raise LinkRefused("bad_frame", frame.error)
    raise LinkRefused("bad_frame", f"expected a welcome, got {type(frame).__name__}")


async def keep_connected(
    path: Path,
    make_hello: Callable[[], Hello],
    use: Callable[[Peer, Welcome], Awaitable[object]],
    session: Session | None = None,
    *,
    first: float = 0.05,
    longest: float = 1.0,
    failed: Callable[[Exception], object] = lambda _: None,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> NoReturn:
    """Connect again and again, with waits that grow from `first` to `longest` seconds.

    `use` runs with each link and should return when `peer.closed` is set; LinkClosed from it is
    the link's end, any other exception comes out. `failed` hears of each attempt that failed and
    of each lost link.
    """
    wait = first
    while True:
        began = trio.current_time()
        crashed: Exception | None = None
        try:
            async with connect(path, make_hello(), session, limits=limits) as (peer, welcome):
                try:
                    await use(peer, welcome)
                except LinkClosed as error:
                    failed(error)
                except Exception as error:  # not to be taken for a failed attempt below
                    crashed = error
        except (LinkRefused, OSError, trio.TooSlowError) as error:
            failed(error)
        if crashed is not None:
            raise crashed
        if trio.current_time() - began > longest:
            wait = first
        await trio.sleep(wait * random.uniform(0.5, 1.0))
        wait = min(wait * 2, longest)
