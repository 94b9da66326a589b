"""The side of a link that connects."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio

from hive.link.channel import Channel, open_channel
from hive.link.decoding import Unreadable, decode_received
from hive.link.errors import LinkClosed, LinkRefused, Violation
from hive.link.limits import LinkLimits
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
    limits: LinkLimits = LinkLimits(),  # noqa: B008 - frozen
) -> AsyncIterator[tuple[Peer, Welcome]]:
    """Connect to who listens at `path`, and run the link around the body of `async with`.

    `session` takes what that side asks and pushes; None: nothing is allowed. The body goes on when
    the link is lost: `peer.closed` is set then, and requests raise LinkClosed. Raises LinkRefused
    when that side refuses the hello, OSError (LinkClosed is one) when there is no connection, and
    trio.TooSlowError when there is no welcome within `limits.hello`.
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


async def _welcome(channel: Channel, limits: LinkLimits) -> Welcome:
    with trio.fail_after(limits.hello):
        try:
            frame = decode_received(await channel.receive())
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
