"""A stream whose writes never wait and never leave half a frame.

The websocket library answers pings from its reader and writes under one lock, and Trio may leave
part of the data written when a send is cancelled. So what does not go at once is put down here,
whole, and one pump task carries it to the socket: a cancelled caller costs nothing, and no reader
ever waits for the peer to read.
"""

import os
from collections.abc import Callable

import trio

from hive.link.limits import LinkLimits

_CHUNK = 65536


class BufferedStream(trio.abc.Stream):
    """A stream whose `send_all` only fills a buffer, which `pump` writes to the socket.

    `on_end` is called when nothing more can be received.
    """

    def __init__(
        self, transport: trio.SocketStream, limits: LinkLimits, on_end: Callable[[], None]
    ) -> None:
        self._transport = transport
        self._limits = limits
        self._on_end = on_end
        self._buffer = bytearray()
        self._pending = 0
        self._broken: str | None = None
        self._changed = trio.lowlevel.ParkingLot()
        self._filled = trio.lowlevel.ParkingLot()

    @property
    def broken(self) -> str | None:
        """Why this side has shut the stream; None if it has not."""
        return self._broken

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Put `data` into the buffer, or write it at once if that is empty.

        Raises trio.BrokenResourceError if the stream is shut, and shuts it when the peer has left
        more than `LinkLimits.buffer` and `overflow` bytes unread.
        """
        if self._pending > self._limits.buffer + self._limits.overflow:
            self.shut("the peer does not read the answers to what it asks")
        if self._broken is not None:
            raise trio.BrokenResourceError(self._broken)
        rest = data[self._write(data) :] if self._pending == 0 else data
        if rest:
            self._buffer += rest
            self._pending += len(rest)
            self._filled.unpark_all()

    def _write(self, data: bytes | bytearray | memoryview) -> int:
        """Write what goes at once: it saves the pump's turn for nearly every frame."""
        try:
            return os.write(self._transport.socket.fileno(), data)
        except OSError:  # full, or broken: then the pump finds out
            return 0

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there is room in the buffer, or until the stream is shut."""
        while self._pending >= self._limits.buffer and self._broken is None:
            await self._changed.park()

    async def pump(self) -> None:
        """Write what is in the buffer to the socket, until the stream is shut."""
        try:
            while self._broken is None:
                if not self._buffer:
                    await self._filled.park()
                    continue
                chunk = self._buffer[:_CHUNK]
                del self._buffer[:_CHUNK]
                with trio.fail_after(self._limits.stall):
                    await self._transport.send_all(chunk)
                self._pending -= len(chunk)
                self._changed.unpark_all()
        except trio.TooSlowError:
            self.shut(f"the peer read nothing for {self._limits.stall:g} s")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self.shut("connection lost")
        finally:
            self.shut("closed")

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Receive from the socket. Raises trio.BrokenResourceError and trio.ClosedResourceError."""
        try:
            data = await self._transport.receive_some(max_bytes)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._on_end()
            raise
        if not data:
            self._on_end()
        return data

    def shut(self, why: str) -> None:
        """Close the socket now; further calls do nothing, so that the first reason stays."""
        if self._broken is None:
            self._broken = why
            self._transport.socket.close()
            self._filled.unpark_all()
            self._changed.unpark_all()
            self._on_end()

    async def aclose(self) -> None:
        """Shut the stream when all is written, or after `LinkLimits.close` seconds."""
        try:
            with trio.move_on_after(self._limits.close):
                while self._pending and self._broken is None:
                    await self._changed.park()
        finally:
            self.shut("closed")
        await trio.lowlevel.checkpoint()
