"""A channel: one websocket over one unix socket, with whole texts in and out."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import trio
from trio_websocket import (
    ConnectionClosed,
    WebSocketConnection,
    wrap_client_stream,
    wrap_server_stream,
)

from hive.link.errors import LinkClosed, Violation
from hive.link.limits import LinkLimits
from hive.link.stream import BufferedStream
from hive.uncontended import acquire
from hive.wire.bounds import MAX_FRAME

_log = logging.getLogger(__name__)

# The library's 4 KiB halve the throughput of large frames; its queue of 1 starves pongs.
_RECEIVE = 262144
_QUEUE = 16

_REASON_BYTES = 120
"""A close frame carries 123 bytes of reason."""


class Channel:
    """Sends and receives whole text frames; use `open_channel`."""

    def __init__(
        self, socket: WebSocketConnection, stream: BufferedStream, limits: LinkLimits
    ) -> None:
        self._socket = socket
        self._stream = stream
        self._limits = limits
        self._turn = trio.Lock()
        self._why: str | None = None
        self._over = trio.Event()

    async def send(self, data: bytes) -> None:
        """Send one frame when there is room; cancelled, it was sent whole or not at all.

        Raises LinkClosed.
        """
        await acquire(self._turn)
        try:
            await self._stream.wait_send_all_might_not_block()
            await self.send_now(data)
        finally:
            self._turn.release()

    async def send_now(self, data: bytes) -> None:
        """Send one small frame before those that wait for room. Raises LinkClosed."""
        try:
            await self._socket.send_message(data.decode())
        except ConnectionClosed:
            raise self.closed() from None

    async def receive(self) -> str:
        """Receive one frame. Raises LinkClosed, and Violation if it is binary or too long."""
        try:
            message = await self._socket.get_message()
        except ConnectionClosed:
            raise self.closed() from None
        if isinstance(message, bytes):
            raise Violation("bad_frame", "a binary frame: send JSON text")
        # The library counts characters, the protocol bytes; one character has at most four.
        if len(message) * 4 > MAX_FRAME and len(message.encode()) > MAX_FRAME:
            raise Violation("too_large", f"a frame over {MAX_FRAME} bytes: send less at once")
        return message

    async def ping(self) -> None:
        """Send a ping and wait for the pong of the peer. Raises LinkClosed."""
        try:
            await self._socket.ping()
        except ConnectionClosed:
            raise self.closed() from None

    async def close(self, code: int, why: str) -> None:
        """End the connection with a websocket close code and a reason.

        The peer has `LinkLimits.close` seconds to answer, then it is cut off. A second call waits
        for the end of the first.
        """
        if self._why is not None:
            await self._over.wait()
            return
        self._why = str(self.closed()) if self._socket.closed else why
        reason = why.encode()[:_REASON_BYTES].decode(errors="ignore")
        try:
            with trio.move_on_after(self._limits.close):
                await self._socket.aclose(code, reason)
        finally:
            self._stream.shut(why)
            self._over.set()

    def closed(self) -> LinkClosed:
        """Make the error that says why this channel is over."""
        reason = self._socket.closed
        said = reason.reason if reason is not None else None
        broken = self._stream.broken
        return LinkClosed(self._why or said or broken or "the other side closed the connection")


@asynccontextmanager
async def open_channel(
    transport: trio.SocketStream, limits: LinkLimits, *, server: bool
) -> AsyncIterator[Channel]:
    """Do the websocket handshake within `limits.hello` and run the channel around the body.

    What the body raises comes out as it is; what the peer's bytes raise in the library ends the
    channel and is logged. Raises LinkClosed and trio.TooSlowError.
    """
    opened = trio.Event()
    sockets: list[WebSocketConnection] = []
    stream = BufferedStream(transport, limits, opened.set)

    async def carry() -> None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stream.pump, name="link pump")
                sockets.append(await _handshake(nursery, stream, server))
                opened.set()
        except* Exception as group:
            _log.info("a link's peer broke the websocket protocol: %r", group.exceptions)
        finally:
            stream.shut("connection lost")

    failed: Exception | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(carry, name="link transport")
        try:
            with trio.fail_after(limits.hello):
                await opened.wait()
            if not sockets:
                raise LinkClosed("the other side closed the connection before the handshake")
            yield Channel(sockets[0], stream, limits)
        except Exception as error:  # kept bare: the nursery would wrap it in a group
            failed = error
        nursery.cancel_scope.cancel()
    if failed is not None:
        raise failed


async def _handshake(
    nursery: trio.Nursery, stream: BufferedStream, server: bool
) -> WebSocketConnection:
    if server:
        request = await wrap_server_stream(
            nursery,
            stream,
            message_queue_size=_QUEUE,
            max_message_size=MAX_FRAME,
            receive_buffer_size=_RECEIVE,
        )
        return await request.accept()
    return await wrap_client_stream(
        nursery,
        cast(trio.SocketStream, stream),
        "hive",
        "/",
        message_queue_size=_QUEUE,
        max_message_size=MAX_FRAME,
        receive_buffer_size=_RECEIVE,
    )
