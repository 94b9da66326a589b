"""A stream of a text protocol: lines, and blocks whose length a line has told."""

import trio

_CHUNK = 65536


class Texts:
    """Reads what both text protocols here are made of: lines that end with CRLF, and blocks."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._buffer = bytearray()

    async def write(self, data: bytes) -> None:
        await self._stream.send_all(data)

    async def line(self) -> bytes:
        """The next line without its end."""
        while (end := self._buffer.find(b"\r\n")) < 0:
            await self._more()
        return self._take(end)

    async def block(self, size: int) -> bytes:
        """The next `size` bytes, which a CRLF follows."""
        while len(self._buffer) < size + 2:
            await self._more()
        return self._take(size)

    def _take(self, size: int) -> bytes:
        found = bytes(self._buffer[:size])
        del self._buffer[: size + 2]
        return found

    async def _more(self) -> None:
        data = await self._stream.receive_some(_CHUNK)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._buffer += data
