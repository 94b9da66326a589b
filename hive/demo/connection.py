"""The server's side of one HTTP/1.1 connection, in which every wait is bounded."""

from collections.abc import Mapping
from email.utils import formatdate
from types import MappingProxyType

import h11
import trio
from attrs import define, field, frozen

KEEP_ALIVE = 300.0
READ = 60.0
WRITE = 60.0
MAX_BODY = 32 << 20  # bytes; the real API's limit
_READ_SIZE = 1 << 16


class ClientGone(Exception):
    """The client left or is too slow: it cannot be answered."""


class TooLarge(Exception):
    """The request's body exceeds MAX_BODY."""


@frozen
class HttpRequest:
    """A request with its whole body; `path` without the query."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@define
class Connection:
    """The server's side of one connection."""

    stream: trio.SocketStream
    _http: h11.Connection = field(factory=lambda: h11.Connection(h11.SERVER), init=False)

    async def receive(self) -> HttpRequest | None:
        """The next request, or None when there will be none.

        Raises h11.RemoteProtocolError for what is no HTTP, TooLarge, and Gone.
        """
        await trio.lowlevel.checkpoint()
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        elif self._http.our_state is not h11.IDLE:
            return None
        with trio.move_on_after(KEEP_ALIVE):
            head = await self._next()
            if not isinstance(head, h11.Request):
                return None
            with trio.move_on_after(READ):
                body = await self._body()
                return HttpRequest(
                    method=head.method.decode(),
                    path=head.target.decode().partition("?")[0],
                    headers={
                        name.decode(): value.decode("latin-1") for name, value in head.headers
                    },
                    body=body,
                )
        return None

    async def _body(self) -> bytes:
        body = bytearray()
        while not isinstance(part := await self._next(), h11.EndOfMessage):
            if not isinstance(part, h11.Data):
                raise ClientGone
            if len(body) + len(part.data) > MAX_BODY:
                raise TooLarge
            body += part.data
        return bytes(body)

    async def _next(self) -> object:
        await trio.lowlevel.checkpoint()
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                await self._write(h11.InformationalResponse(status_code=100, headers=[]))
            try:
                data = await self.stream.receive_some(_READ_SIZE)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                raise ClientGone from None
            self._http.receive_data(data)
        return event

    async def respond(
        self, status: int, body: bytes = b"", headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Send a whole answer, JSON unless `headers` say otherwise; raises Gone."""
        length = {"content-type": "application/json", "content-length": str(len(body))}
        parts = [h11.Data(data=body)] if body else []
        await self._write(_response(status, {**length, **headers}), *parts, h11.EndOfMessage())

    async def start_stream(self, headers: Mapping[str, str]) -> None:
        """Begin an answer of server-sent events; raises Gone."""
        kind = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
        await self._write(_response(200, {**kind, **headers}))

    async def send(self, data: bytes) -> None:
        """Send a part of the stream; raises Gone."""
        await self._write(h11.Data(data=data))

    async def end_stream(self) -> None:
        """End the stream; raises Gone."""
        await self._write(h11.EndOfMessage())

    async def pause(self, seconds: float) -> None:
        """Wait without answering; raises Gone as soon as the client leaves."""
        with trio.move_on_after(seconds):
            try:
                data = await self.stream.receive_some(_READ_SIZE)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                raise ClientGone from None
            # Our clients send nothing before they were answered; who does is cut off, not buffered.
            raise ClientGone(f"it sent {len(data)} bytes before it was answered")

    async def _write(self, *events: h11.Event) -> None:
        data = b"".join(self._http.send(event) or b"" for event in events)
        try:
            with trio.fail_after(WRITE):
                await self.stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            raise ClientGone from None


def _response(status: int, headers: Mapping[str, str]) -> h11.Response:
    date = formatdate(usegmt=True)
    return h11.Response(status_code=status, headers=[("date", date), *headers.items()])
